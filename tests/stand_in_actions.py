"""What a stand-in for ffmpeg can do: the first lines of each, before the test's own (tests/stand_in.py).

Starts as fast as a Python can, as a test may start hundreds: subprocess and its like only where needed.
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False  # typing itself takes longer than all the rest
if TYPE_CHECKING:
    import subprocess
    from typing import NoReturn

REAL = ""
"""The real ffmpeg."""
HERE = ""
"""The stand-in's own folder."""
ARGUMENTS = sys.argv[1:]
WORDS = " ".join(ARGUMENTS)


def result() -> str:
    """The file that is to be written, which is the last word unless tags come after it."""
    last = ARGUMENTS[-7] if WORDS.endswith(".tags") else ARGUMENTS[-1]
    return last.removeprefix("file:")


def append(path: str, text: str) -> None:
    """Add a line to a file in our folder, or to another one, whoever else does so."""
    with open(os.path.join(HERE, path), "ab", 0) as file:
        if os.name == "nt":  # where adding is to go to the end, and then to write
            import msvcrt

            file.seek(1 << 30)
            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
        file.write(os.fsencode(f"{text}\n"))


def is_there(name: str) -> bool:
    """Whether the test, or another start of us, has made this file."""
    return os.path.exists(os.path.join(HERE, name))


def is_first(name: str) -> bool:
    """Whether nobody has asked this before."""
    try:
        os.mkdir(os.path.join(HERE, name))
    except FileExistsError:
        return False
    return True


def wait_for(name: str) -> None:
    """Wait for this file."""
    while not is_there(name):
        time.sleep(0.02)


def say(text: str) -> None:
    """Say *text* where ffmpeg says what it does."""
    os.write(2, os.fsencode(f"{text}\n"))


def report(*lines: str) -> None:
    """Tell the progress, as ffmpeg does."""
    os.write(1, "".join(f"{line}\n" for line in lines).encode())


def end_abruptly(number: int = 9) -> NoReturn:
    """End as by a signal, or as by the Task Manager."""
    os.kill(os.getpid(), number)
    raise AssertionError("unreachable")


def start(*command: str) -> subprocess.Popen[bytes]:
    """Start a program."""
    import subprocess

    return subprocess.Popen(command)


def start_python(text: str) -> subprocess.Popen[bytes]:
    """Start the Python program *text*."""
    return start(sys.executable, "-IS", "-c", text)


def be_ffmpeg(*further: str) -> NoReturn:
    """Be the real ffmpeg from here on, with *further* arguments before our own."""
    command = (REAL, *further, *ARGUMENTS)
    if os.name == "posix":
        os.execv(REAL, command)
    sys.exit(start(*command).wait())
