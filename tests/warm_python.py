"""The nodes' Python with the worker loaded: each task is a fork of it, a process with an end of its own.

To start Python and to compile what is in the worker's zip takes a fifth of a second of CPU, and tests run
a thousand tasks. Whoever does not ask for exactly that worker by exactly that Python gets what he asks
for. In the tests of cloud to cloud, pools, rights and composition of tests/loop, all starts as on nodes.
"""

import json
import shlex
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from runner.azure.task_spec import COMMAND, WORKER
from runner.azure.worker_package import pack_worker
from tests.emulator.node_agent import SYSTEM_PATH
from tests.emulator.process import Process, start_process

_SHELL, _, _SCRIPT = shlex.split(COMMAND)
_SERVER = Path(__file__).with_name("warm_server.py")


class Fork:
    """A process that the server has forked for us."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._answers = connection.makefile("r")
        self.pid = int(self._answers.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, if anybody has waited for it."""
        return self.returncode

    def wait(self) -> int:
        """Wait for the end; negative is the signal that it was killed by."""
        with self._connection, self._answers:
            self.returncode = int(self._answers.readline())
        return self.returncode


class WarmPython:
    """Starts processes on emulated nodes, as long as its context lasts."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="warm-")
        self._address = str(Path(self._folder.name, "socket"))
        worker = Path(self._folder.name, WORKER)
        worker.write_bytes(pack_worker()[1])
        self._python = shutil.which("python3", path=SYSTEM_PATH) or ""
        self._server = subprocess.Popen(
            [self._python, str(_SERVER), self._address, str(worker)],
            env={"LANG": "C.UTF-8", "PATH": SYSTEM_PATH},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._server.stdout is not None
        assert self._server.stdout.readline() == b"ready\n"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.communicate()  # which closes its input, its sign to end
        self._folder.cleanup()

    def start(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdout: IO[bytes],
        stderr: IO[bytes],
    ) -> Process:
        """Start *command*, without input and in a session of its own."""
        if not self._is_worker(command, cwd, env):
            return start_process(command, cwd=cwd, env=env, stdout=stdout, stderr=stderr)
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._address)
        asked = json.dumps({"cwd": str(cwd), "env": dict(env), "argv": [WORKER]}).encode()
        socket.send_fds(connection, [b"\0"], [stdout.fileno(), stderr.fileno()])
        connection.sendall(asked)
        connection.shutdown(socket.SHUT_WR)
        return Fork(connection)

    def _is_worker(self, command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> bool:
        program, *words = command
        return (
            (Path(program).name, words) == (Path(_SHELL).name, ["-c", _SCRIPT])
            and shutil.which("python3", path=env["PATH"]) == self._python
            and (cwd / WORKER).read_bytes() == pack_worker()[1]
        )
