"""Load a program once, and fork a process of it for each connection: ADDRESS and PROGRAM are our arguments.

PROGRAM is the worker's zip application, or the name of a package, whose `start.main` it is. Who connects
sends three files, the process's first ones, and what it is to be: its folder, its environment and its
arguments. He is answered its id, and, when it ends, how. See forks.py.
"""

import atexit
import gc
import json
import os
import pkgutil
import selectors
import signal
import socket
import sys
import threading
import zipfile
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

_BACKLOG = 64
Program = Callable[[], Any]


def load(program: str) -> Program:
    """Import all of *program*; returns what it begins with."""
    sys.path[0] = program if program.endswith(".pyz") else str(Path(sys.executable).parent)
    if not program.endswith(".pyz"):
        package = import_module(program)
        for module in pkgutil.walk_packages(package.__path__, f"{program}."):
            load_module(module.name)
        begin: Program = import_module(f"{program}.start").main
    else:
        with zipfile.ZipFile(program) as archive:
            names = [name for name in archive.namelist() if name.endswith(".py")]
        for name in names:
            load_module(name[:-3].replace("/", ".").removesuffix(".__init__"))
        begin = import_module("runner.media.node").main
    gc.freeze()
    return begin


def load_module(name: str) -> None:
    if "__main__" not in name and "job_object" not in name:  # which is for Windows
        import_module(name)


def answer(connection: socket.socket, begin: Program) -> None:
    """Start what is asked for, and tell of its end: in a process of our own."""
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as asked:
        facts = json.load(asked)
    pid = os.fork()
    if pid == 0:
        become(facts, files, connection, begin)
    for file in files:
        os.close(file)
    connection.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    with suppress(BrokenPipeError):  # who asked has gone
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def become(
    facts: dict[str, Any], files: list[int], connection: socket.socket, begin: Program
) -> None:
    """Be the process that is asked for, to its end."""
    os.setsid()
    os.chdir(facts["cwd"])
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    connection.close()
    os.environ.clear()
    os.environ.update(facts["env"])
    sys.argv = facts["argv"]
    if facts["pace"]:
        pace = import_module("runner.azure.pace")
        pace.PACE.set(pace.Pace(**facts["pace"]))
    if sys.path[0].endswith(".pyz"):
        sys.path[0] = sys.argv[0]
    streams = (  # kept here, as those that a Python begins with are
        os.fdopen(0, closefd=False),
        os.fdopen(1, "w", closefd=False),
        os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False),
    )
    sys.stdin, sys.stdout, sys.stderr = streams
    code = run(begin)
    threading._shutdown()  # type: ignore[attr-defined] # as at the end of any Python
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if not stream.closed:
            stream.flush()
    os._exit(code)


def run(begin: Program) -> int:
    """The exit code of a Python that does this."""
    try:
        return int(begin() or 0)
    except SystemExit as ended:
        return int(ended.code or 0)
    except BaseException:  # noqa: BLE001 - whatever a process would end with
        try:
            sys.excepthook(*sys.exc_info())
        except SystemExit as ended:
            return int(ended.code or 0)
        return 1


def serve(address: str, begin: Program) -> None:
    """Fork for each connection, until our input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who answer
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as selector:
        listener.bind(address)
        listener.listen(_BACKLOG)
        selector.register(listener, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            for key, _ in selector.select():
                if key.fileobj is not listener:
                    return
                connection, _ = listener.accept()
                if os.fork() == 0:
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    selector.close()
                    listener.close()
                    answer(connection, begin)
                    os._exit(0)
                connection.close()


if __name__ == "__main__":
    serve(sys.argv[1], load(sys.argv[2]))
