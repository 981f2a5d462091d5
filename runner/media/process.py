"""Start programs that work for us: they end when we do, and with all that they have started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from functools import cache
from typing import IO, TYPE_CHECKING

from runner.media.environment import without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

if sys.platform == "win32":
    from runner.media.job_object import JobObject

    @cache
    def _our_job() -> JobObject:
        """A job that ends what we have started, should we end before it is in a job of its own."""
        job = JobObject()
        job.take_us_in()
        return job

    # Suspended until it is in its job, as what it starts before that would stay outside.
    _CREATE_SUSPENDED = 0x4
    # A console of its own, which nobody sees: a Ctrl-C in ours goes to all that share it.
    _FLAGS = subprocess.CREATE_NO_WINDOW | _CREATE_SUSPENDED
else:
    _FLAGS = 0


class Child(subprocess.Popen[bytes]):
    """A program that works for us, with nothing to read from, and by default none of our secrets.

    A Ctrl-C in our terminal is ours to handle, and does not reach it. On Windows it ends with us,
    however we end; elsewhere whoever comes after us can find it, see `runner.scratch`.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdout: int | IO[bytes] = subprocess.DEVNULL,
        stderr: int | IO[bytes] = subprocess.DEVNULL,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        if sys.platform == "win32":
            _our_job()
        super().__init__(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=without_secrets() if environment is None else environment,
            start_new_session=os.name == "posix",
            creationflags=_FLAGS,
        )
        if sys.platform == "win32":
            self._job = JobObject()
            self._job.take_in(int(self._handle))  # type: ignore[attr-defined] # Windows' alone

    def __exit__(self, *details: object) -> None:
        """Wait for it; on Windows, what it has left running ends."""
        super().__exit__(*details)  # type: ignore[arg-type] # passed on as they are
        if sys.platform == "win32":
            self._job.close()

    def kill_tree(self) -> None:
        """Kill it and all that it has started, at once."""
        if sys.platform == "win32":
            if not self._job.kill():
                self.kill()
        elif self.returncode is None:  # until somebody waited for it, its id is nobody else's
            # macOS answers EPERM for a group in which all have ended
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)


def run(
    command: Sequence[str],
    *,
    timeout: float | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run *command* to its end, and return what it printed.

    Raises:
        subprocess.TimeoutExpired: It took longer than *timeout*, in seconds, and was killed.
    """
    pipe = subprocess.PIPE
    with Child(command, stdout=pipe, stderr=pipe, environment=environment) as child:
        try:
            out, errors = child.communicate(timeout=timeout)
        except BaseException:
            child.kill_tree()
            raise
    return subprocess.CompletedProcess(command, child.returncode, out, errors)
