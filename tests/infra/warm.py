"""Python programs that start at once: forked from a process that has Pulumi's libraries loaded.

Each `pulumi up` starts the program, what runs it and a provider; each imports for seconds what all
of them share. `warm_start.py` stands in for `python` where $WARM_PYTHON names the socket of a
process that runs this module; what is run, with which words, variables and streams, is the same.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]
VARIABLE = "WARM_PYTHON"
START = Path(__file__).with_name("warm_start.py")
_SDK = "pulumi_azure_native"
_LOADED = (
    "pulumi",
    "pulumi.automation",
    *(
        f"{_SDK}.{name}"
        for name in (
            *("authorization", "batch", "consumption", "keyvault", "managedidentity", "monitor"),
            *("network", "operationalinsights", "privatedns", "resources", "storage"),
        )
    ),
    "tests.infra.plugin",
    "tests.infra.provider.server",
    "tests.infra.provider.store",
)
_OURS = ("infra", "tests")
_PATIENCE = 10.0


@contextmanager
def warm_python() -> Iterator[dict[str, str]]:
    """Start the process; gives the variables by which the plugins find it."""
    with tempfile.TemporaryDirectory(prefix="warm-") as folder:
        address = str(Path(folder, "socket"))
        process = subprocess.Popen(
            [sys.executable, "-m", __spec__.name, address],
            cwd=ROOT,
            stdin=subprocess.PIPE,  # it ends when this is closed, so also with us
            stdout=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n", "it did not start"
            yield {VARIABLE: address}
        finally:
            process.stdin.close()
            process.stdout.close()
            process.wait(_PATIENCE)


def python(interpreter: str) -> list[str]:
    """The words that start *interpreter*, or stand in for it where this one has been warmed."""
    address = os.environ.get(VARIABLE, "")
    if not address or not Path(interpreter).samefile(sys.executable):
        return [interpreter]
    return [interpreter, "-ISu", str(START), address]


class Warm:
    """Forks a process for each that asks, and tells it how that ends."""

    def __init__(self, address: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen(32)
        self._askers: dict[int, socket.socket] = {}
        """Who asked for each process that runs."""
        self._ended, self._wake = socket.socketpair()
        for end in (self._ended, self._wake):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        """Go on until standard input is closed, and end then all that was started."""
        while sys.stdin not in (readable := self._readable()):
            for each in readable:
                if each is self._listener:
                    self._start(self._listener.accept()[0])
                elif isinstance(each, socket.socket) and each is not self._ended:
                    self._give_up(each)
            with suppress(BlockingIOError):
                self._ended.recv(4096)
            self._tell()
        for pid in self._askers:
            os.kill(pid, signal.SIGKILL)

    def _readable(self) -> list[object]:
        watched = [sys.stdin, self._listener, self._ended, *self._askers.values()]
        return select.select(watched, (), ())[0]

    def _start(self, asker: socket.socket) -> None:
        asked, streams = _asked(asker)
        pid = os.fork()
        if not pid:
            self._become(asked, streams)
        for stream in streams:
            os.close(stream)
        self._askers[pid] = asker

    def _give_up(self, asker: socket.socket) -> None:
        """End what nobody waits for any more: who asked was ended itself."""
        for pid, each in self._askers.items():
            if each is asker:
                os.kill(pid, signal.SIGTERM)
        # it is told how that ends, though it does not hear it
        self._askers = {pid: each for pid, each in self._askers.items() if each is not asker}
        asker.close()

    def _tell(self) -> None:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if asker := self._askers.pop(ended[0], None):
                    with suppress(OSError):
                        asker.sendall(str(os.waitstatus_to_exitcode(ended[1])).encode())
                    asker.close()

    def _become(self, asked: dict[str, Any], streams: list[int]) -> NoReturn:
        """Run what was asked for in this process, which has just been forked."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            self._listener.close()
            for asker in self._askers.values():
                asker.close()
            code = _run(asked)
        finally:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)


def _asked(asker: socket.socket) -> tuple[dict[str, Any], list[int]]:
    data, streams, _, _ = socket.recv_fds(asker, 65536, 3)
    size, _, got = data.partition(b"\n")
    while len(got) < int(size):
        got += asker.recv(65536)
    return json.loads(got), list(streams)


def _run(asked: dict[str, Any]) -> int:
    """Do as `python -u` with these words would; returns its exit code."""
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(write_through=True)  # type: ignore[union-attr]
    first, *words = (word for word in asked["words"] if word != "-u")
    try:
        if first == "-m":
            sys.argv = words
            runpy.run_module(words[0], run_name="__main__", alter_sys=True)
        else:
            # what is tested is loaded anew, from where the program is
            for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
                del sys.modules[name]
            sys.argv = [first, *words]
            sys.path[0] = str(Path(first).parent)
            runpy.run_path(first, run_name="__main__")
    except SystemExit as ended:
        return _exit_code(ended)
    except BaseException as error:  # noqa: BLE001 - as an interpreter does
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return 0


def _exit_code(ended: SystemExit) -> int:
    if ended.code is None or isinstance(ended.code, int):
        return ended.code or 0
    sys.stderr.write(f"{ended.code}\n")
    return 1


def main() -> None:
    """Load what is shared, say so, and serve."""
    for name in _LOADED:
        # the SDK's modules load only once something of them is asked for
        getattr(importlib.import_module(name), "__all__", None)
    gc.freeze()  # else the forked ones would copy it all to count references
    warm = Warm(sys.argv[1])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    warm.serve()


if __name__ == "__main__":
    main()
