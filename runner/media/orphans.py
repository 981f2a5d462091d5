"""Find the ffmpegs of a runner that was killed. On Windows there are none: they end with it.

While an ffmpeg works, its log is locked, and its process and host are noted beside the log. The lock
belongs to the open file that ffmpeg has inherited, so it ends when ffmpeg does, on every POSIX
system; the number of a process alone could be another one's by now.
"""

from __future__ import annotations

import glob
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import IO

if sys.platform != "win32":
    import fcntl

LOG = ".log"
_NOTE = ".process"


def lock_log(log: IO[bytes]) -> None:
    """Lock *log* until the last process that has it open has ended."""
    if sys.platform != "win32":
        # a file system without locks costs no more than that orphans run to their end
        with suppress(OSError):
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)


def note_process(log_path: str, process: int) -> None:
    """Note that *process*, the leader of its group, writes the log at *log_path*."""
    if os.name == "posix":
        # on a full disk, say: then it cannot be found, which harms no result
        with suppress(OSError), open(note_of(log_path), "w", encoding="utf-8") as note:
            note.write(f"{process} {socket.gethostname()}\n")


def note_of(log_path: str) -> str:
    """Where the process is noted that writes the log at *log_path*."""
    return log_path.removesuffix(LOG) + _NOTE


def end_orphans(folder: str) -> None:
    """End the processes that still write their logs in *folder*, with their groups."""
    if sys.platform != "win32":
        for log_path in glob.glob(os.path.join(glob.escape(folder), f"*{LOG}")):
            with suppress(OSError), open(log_path, "r+b") as log:
                try:
                    fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    for process in _noted(log_path) or _seen(log_path):
                        with suppress(ProcessLookupError):
                            os.killpg(process, signal.SIGKILL)


def _noted(log_path: str) -> list[int]:
    """The process on this host that is noted for a log; none where the note is not whole."""
    try:
        with open(note_of(log_path), encoding="utf-8", errors="replace") as note:
            number, _, host = note.read().partition(" ")
    except OSError:
        return []
    whole = number.isdigit() and int(number) > 1 and host == f"{socket.gethostname()}\n"
    return [int(number)] if whole else []


def _seen(log_path: str) -> list[int]:
    """The leaders that write a log, where there is /proc: who was killed had no time for a note."""
    found: list[int] = []
    if sys.platform != "win32":
        path = os.path.realpath(log_path)
        for errors in glob.glob("/proc/[0-9]*/fd/2"):
            with suppress(OSError):
                if os.readlink(errors) == path:
                    process = int(errors.split("/")[2])
                    if os.getpgid(process) == process:
                        found.append(process)
    return found
