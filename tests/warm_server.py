"""Load the worker once, and fork a process for each connection: ADDRESS and WORKER are our arguments.

Who connects sends two files, where the process's output and errors go, and what it is to be: its folder,
its environment and its arguments. He is answered its id, and, when it ends, how. See warm_python.py.
"""

import gc
import json
import os
import selectors
import signal
import socket
import sys
import traceback
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

_BACKLOG = 64


def load(worker: str) -> None:
    """Import all that may be imported from the zip application *worker*."""
    sys.path.insert(0, worker)
    with zipfile.ZipFile(worker) as archive:
        names = [name for name in archive.namelist() if name.endswith(".py")]
    for name in names:
        if name != "__main__.py" and "job_object" not in name:  # which is for Windows
            import_module(name[:-3].replace("/", ".").removesuffix(".__init__"))
    gc.freeze()


def answer(connection: socket.socket) -> None:
    """Start what is asked for, and tell of its end: in a process of our own."""
    _, files, _, _ = socket.recv_fds(connection, 1, 2)
    with connection.makefile("rb") as asked:
        facts = json.load(asked)
    pid = os.fork()
    if pid == 0:
        become(facts, files, connection)
    for file in files:
        os.close(file)
    connection.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def become(facts: dict[str, Any], files: list[int], connection: socket.socket) -> None:
    """Be the process that is asked for, to its end."""
    os.setsid()
    os.chdir(facts["cwd"])
    for number, file in enumerate(files, start=1):
        os.dup2(file, number)
        os.close(file)
    connection.close()
    os.environ.clear()
    os.environ.update(facts["env"])
    sys.argv = facts["argv"]
    sys.path[0] = sys.argv[0]
    code = 1
    try:
        code = import_module("runner.media.node").main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:  # noqa: BLE001 - whatever a process would end with
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve(address: str) -> None:
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
                    with Path(os.devnull).open() as nothing:
                        os.dup2(nothing.fileno(), 0)
                    answer(connection)
                    os._exit(0)
                connection.close()


if __name__ == "__main__":
    load(sys.argv[2])
    serve(sys.argv[1])
