"""Start a command without a shell, and end it with everything that it started."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MARK = "AZ_BATCH_TASK_DIR"
"""The variable by which a task's processes are recognised, wherever they went."""


class ProgramNotFoundError(Exception):
    """There is no such program on the node."""


class Process(Protocol):
    """What is needed of a process that was started."""

    pid: int

    def wait(self) -> int: ...

    def poll(self) -> int | None: ...


class Start(Protocol):
    """Starts a command without input, in a session of its own."""

    def __call__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdout: IO[bytes],
        stderr: IO[bytes],
    ) -> Process: ...


def start_process(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdout: IO[bytes],
    stderr: IO[bytes],
) -> Process:
    """Start *command*."""
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )


class ProcessTree:
    """A process and its descendants. Killing is safe from any thread, also before the start."""

    def __init__(self, start: Start = start_process) -> None:
        self._start = start
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._mark: str | None = None
        self.killed = False

    def run(self, command_line: str, *, directory: Path, environment: Mapping[str, str]) -> int:
        """Run to the end and return the exit code, 128 + n for signal n.

        What it prints goes to stdout.txt and stderr.txt beside *directory*.

        Raises:
            ProgramNotFoundError: The command's first word is no program.
            ValueError: The command line's quotes are not closed.
        """
        command = shlex.split(command_line)
        program = find_program(command[0], directory, environment["PATH"]) if command else None
        if program is None:
            raise ProgramNotFoundError(command_line)
        self._mark = environment.get(MARK)
        with (
            (directory.parent / "stdout.txt").open("wb") as out,
            (directory.parent / "stderr.txt").open("wb") as err,
        ):
            with self._lock:
                if self.killed:
                    return 128 + signal.SIGKILL
                self._process = self._start(
                    [program, *command[1:]], cwd=directory, env=environment, stdout=out, stderr=err
                )
            code = self._process.wait()
        self._kill_all()
        return code if code >= 0 else 128 - code

    def kill(self) -> None:
        """End the whole tree; if nothing has been started yet, nothing will be."""
        with self._lock:
            self.killed = True
            if self._process is not None and self._process.poll() is None:
                self._kill_all()

    def _kill_all(self) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
            os.killpg(self._process.pid, signal.SIGKILL)
        for pid in strays(self._mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def find_program(name: str, directory: Path, path: str) -> str | None:
    """Look *name* up as execvp does: with a slash below *directory*, else along *path*."""
    if "/" in name:
        return shutil.which(str(directory / name))
    return shutil.which(name, path=path)


def strays(mark: str | None) -> list[int]:
    """Return the processes that left their group but still carry the task's environment."""
    if mark is None:
        return []
    wanted = f"{MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue  # ended meanwhile, or another user's
        if wanted in environment.split(b"\0"):
            found.append(int(folder.name))
    return found
