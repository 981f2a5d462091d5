"""Start child processes that end when runner does, together with all their children."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from functools import cache
from typing import IO, TYPE_CHECKING

from runner.media.environment import environment_of_programs

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

if sys.platform == "win32":
    from runner.media.job_object import JobObject

    @cache
    def _our_job() -> JobObject:
        """A job that kills a child if runner ends before the child is in its own job."""
        job = JobObject()
        job.take_us_in()
        return job

    # Suspended until it is in its job, because children that it starts earlier would stay outside.
    _CREATE_SUSPENDED = 0x4
    # A separate, hidden console: a Ctrl-C goes to all processes that share a console.
    _FLAGS = subprocess.CREATE_NO_WINDOW | _CREATE_SUSPENDED
else:
    _FLAGS = 0


def find_on_path(name: str) -> str | None:
    """Return the absolute path of the program *name* on PATH, or None.

    On Windows the current folder is searched first, and it may contain files from others: not here.
    """
    found = shutil.which(name)
    folders = {os.path.abspath(folder) for folder in os.get_exec_path()}
    is_there = found and os.path.abspath(os.path.dirname(found)) in folders
    return os.path.abspath(found) if found and is_there else None


class Child(subprocess.Popen[bytes]):
    """A child process without standard input, and by default without runner's secrets.

    Only runner handles a Ctrl-C in its terminal; it does not reach the child. On Windows the child ends with
    runner, however that ends; elsewhere the next runner can find it, see `runner.scratch`.
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
            env=environment_of_programs() if environment is None else environment,
            start_new_session=os.name == "posix",
            creationflags=_FLAGS,
        )
        if sys.platform == "win32":
            self._job = JobObject()
            self._job.take_in(int(self._handle))  # type: ignore[attr-defined] # Windows' alone

    def __exit__(self, *details: object) -> None:
        """Wait for it; on Windows, its remaining children are killed."""
        super().__exit__(*details)  # type: ignore[arg-type] # passed on as they are
        if sys.platform == "win32":
            self._job.close()

    def kill_tree(self) -> None:
        """Kill it and all its children, at once."""
        if sys.platform == "win32":
            if not self._job.kill():
                self.kill()
        elif self.returncode is None:  # its id is not reused until somebody has waited for it
            # macOS returns EPERM for a group in which all processes have ended
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def spread(self, cores: Collection[int]) -> None:
        """Let it run on all *cores*, where it was kept on one; only Linux does so."""
        if sys.platform == "linux" and self.returncode is None:  # as above
            seen: set[str] = set()
            with suppress(OSError):  # it has ended
                # a thread that is not there yet may be started by one that still keeps to its core
                while new := set(os.listdir(f"/proc/{self.pid}/task")) - seen:
                    for thread in new:
                        with suppress(OSError):
                            os.sched_setaffinity(int(thread), cores)
                    seen |= new


def run(
    command: Sequence[str],
    *,
    timeout: float | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run *command* to its end, and return what it printed.

    Raises:
        subprocess.TimeoutExpired: It took longer than *timeout* seconds, and was killed.
    """
    pipe = subprocess.PIPE
    with Child(command, stdout=pipe, stderr=pipe, environment=environment) as child:
        try:
            out, errors = child.communicate(timeout=timeout)
        except BaseException:
            child.kill_tree()
            raise
    return subprocess.CompletedProcess(command, child.returncode, out, errors)
