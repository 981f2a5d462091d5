"""Processes that are forked off a Python which has loaded what they need, see fork_server.py."""

import json
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_SERVER = Path(__file__).with_name("fork_server.py")


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


class ForkServer:
    """A Python that has loaded a program, and forks a process for whoever asks for one."""

    def __init__(self, python: str, environment: Mapping[str, str], program: str) -> None:
        self._folder = tempfile.mkdtemp(prefix="forks-")
        self._address = str(Path(self._folder, "socket"))
        self._server = subprocess.Popen(
            [python, str(_SERVER), self._address, program],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._server.stdout is not None
        assert self._server.stdout.readline() == b"ready\n"

    def close(self) -> None:
        """Fork no more; what still runs runs on."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()  # its sign to end
        self._server.wait()
        self._server.stdout.close()
        shutil.rmtree(self._folder)

    def fork(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        streams: tuple[int, int, int],
        pace: Mapping[str, Any] | None = None,
    ) -> Fork:
        """Start the program with *arguments*, in a session of its own; *streams* are its first three.

        *pace* is what is other in `runner.azure.pace.Pace`.
        """
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._address)
        facts: dict[str, Any] = {
            "cwd": str(folder),
            "env": dict(environment),
            "argv": list(arguments),
        }
        facts["pace"] = dict(pace or {})
        socket.send_fds(connection, [b"\0"], streams)
        connection.sendall(json.dumps(facts).encode())
        connection.shutdown(socket.SHUT_WR)
        return Fork(connection)
