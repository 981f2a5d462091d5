"""The nodes' Python with the worker loaded: each task is a fork of it, a process with an end of its own.

To start Python and to compile what is in the worker's zip takes a fifth of a second of CPU, and tests run
a thousand tasks. Whoever does not ask for exactly that worker by exactly that Python gets what he asks
for. In the tests of cloud to cloud, pools, rights and composition of tests/loop, all starts as on nodes.
"""

import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Self

from runner.azure.task_spec import COMMAND, WORKER
from runner.azure.worker_package import pack_worker
from tests.emulator.node_agent import SYSTEM_PATH
from tests.emulator.process import Process, start_process
from tests.forks import ForkServer

_SHELL, _, _SCRIPT = shlex.split(COMMAND)


class WarmPython:
    """Starts processes on emulated nodes, as long as its context lasts."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="warm-")
        worker = Path(self._folder.name, WORKER)
        worker.write_bytes(pack_worker()[1])
        self._python = shutil.which("python3", path=SYSTEM_PATH) or ""
        environment = {"LANG": "C.UTF-8", "PATH": SYSTEM_PATH}
        self._server = ForkServer(self._python, environment, str(worker))
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
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
        with Path(os.devnull).open() as nothing:
            streams = (nothing.fileno(), stdout.fileno(), stderr.fileno())
            return self._server.fork([WORKER], cwd, env, streams)

    def _is_worker(self, command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> bool:
        program, *words = command
        return (
            (Path(program).name, words) == (Path(_SHELL).name, ["-c", _SCRIPT])
            and shutil.which("python3", path=env["PATH"]) == self._python
            and (cwd / WORKER).read_bytes() == pack_worker()[1]
        )
