"""The command with Azure's clients loaded: each start is a fork of it, a process with an end of its own.

To load them takes a second of CPU. The command as it is installed is what tests/test_package.py starts,
and tests/loop/test_composition.py.
"""

import atexit
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

from tests.forks import Fork, ForkServer

PROGRAM = "runner"


@cache
def _server() -> ForkServer:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    server = ForkServer(sys.executable, kept, PROGRAM)
    atexit.register(server.close)
    return server


def start_warm(
    words: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    pace: Mapping[str, Any] | None = None,
) -> "RunningCommand":
    """Start `runner` with *words*, without input and in a session of its own; *pace* is what is other in its `Pace`."""
    (out, to_out), (err, to_err) = os.pipe(), os.pipe()
    with Path(os.devnull).open() as nothing:
        fork = _server().fork(
            [PROGRAM, *words], folder, environment, (nothing.fileno(), to_out, to_err), pace
        )
    os.close(to_out)
    os.close(to_err)
    return RunningCommand(fork, *(os.fdopen(one, errors="backslashreplace") for one in (out, err)))


class RunningCommand:
    """What a test may ask of a `subprocess.Popen`."""

    def __init__(self, fork: Fork, stdout: IO[str], stderr: IO[str]) -> None:
        self.pid = fork.pid
        self.stdout, self.stderr = stdout, stderr
        self._fork = fork
        self._ending = _started(fork.wait)
        self._read: dict[IO[str], str] = {}
        self._reading: list[threading.Thread] = []

    @property
    def returncode(self) -> int | None:
        """The exit code, if it has ended; negative is the signal that it was killed by."""
        return self._fork.returncode

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end.

        Raises:
            subprocess.TimeoutExpired: It did not come in time.
        """
        self._ending.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(PROGRAM, timeout or 0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read all that it says, and wait for the end.

        Raises:
            subprocess.TimeoutExpired: It did not come in time.
        """
        ends = None if timeout is None else time.monotonic() + timeout
        if not self._reading:
            self._reading = [_started(self._read_all, each) for each in (self.stdout, self.stderr)]
        for thread in (*self._reading, self._ending):
            thread.join(None if ends is None else max(0.0, ends - time.monotonic()))
            if thread.is_alive():
                raise subprocess.TimeoutExpired(PROGRAM, timeout or 0)
        return self._read[self.stdout], self._read[self.stderr]

    def _read_all(self, stream: IO[str]) -> None:
        with suppress(ValueError), stream:  # it may have been read and closed before
            self._read[stream] = stream.read()
        self._read.setdefault(stream, "")

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


def _started(work: Callable[..., object], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread
