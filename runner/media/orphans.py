"""Find ffmpeg processes of a killed runner. On Windows there are none: they end with runner.

While an ffmpeg runs, its log is locked, and its process id and host are noted next to the log. The lock
belongs to the open file that ffmpeg has inherited, so on every POSIX system it ends when ffmpeg does;
a process id alone could have been reused.
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
        # without locks on this file system, orphans just run to their end
        with suppress(OSError):
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)


def note_process(log_path: str, process: int) -> None:
    """Note that *process*, the leader of its process group, writes the log at *log_path*."""
    if os.name == "posix":
        # such as on a full disk: then it cannot be found later, which harms no result
        with suppress(OSError), open(note_of(log_path), "w", encoding="utf-8") as note:
            note.write(f"{process} {socket.gethostname()}\n")


def note_of(log_path: str) -> str:
    """Return the path of the note about the process that writes the log at *log_path*."""
    return log_path.removesuffix(LOG) + _NOTE


def end_orphans(folder: str) -> None:
    """Kill the processes, with their groups, that still write logs in *folder*."""
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
    """Return the process on this host that is noted for a log; None if the note is incomplete."""
    try:
        with open(note_of(log_path), encoding="utf-8", errors="replace") as note:
            number, _, host = note.read().partition(" ")
    except OSError:
        return []
    whole = number.isdigit() and int(number) > 1 and host == f"{socket.gethostname()}\n"
    return [int(number)] if whole else []


def _seen(log_path: str) -> list[int]:
    """Return the group leaders that write a log, if there is /proc: a killed runner may have left no note."""
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
