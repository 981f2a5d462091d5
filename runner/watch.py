"""Which files of a watched place are complete: those that have stopped changing for a while.

Folders are polled, as notifications of changes do not arrive from network shares, nor tell when a copy
is complete. A blob appears as a whole, but may be written again or appended to: its ETag then changes.
"""

import ctypes
import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from ctypes import wintypes
from typing import TYPE_CHECKING

from runner.blob_selection import REHYDRATING
from runner.media.paths import extended
from runner.selection import FoundFile

if TYPE_CHECKING:
    from runner.media.failures import Failure
    from runner.models import Source

    State = tuple[Source, Failure | None]

if sys.platform == "linux":
    import fcntl
_TEMPORARY = (".part", ".partial", ".crdownload", ".download", ".filepart", ".tmp", ".aria2", "~")
_BUSY = (errno.EAGAIN, errno.EWOULDBLOCK)


class StableFiles:
    """Remembers the state of files, only of those that exist."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """*seconds* is how long a file must stay as it is."""
        self._seconds = seconds
        self._clock = clock
        self._seen: dict[str, tuple[State, float]] = {}
        self._taken: dict[str, State] = {}

    def complete(self, found: Iterable[FoundFile], *, is_whole: bool = True) -> list[FoundFile]:
        """Return the files of *found* that are complete, each once while it stays unchanged.

        *is_whole* says that *found* is all there is; else nothing is forgotten.
        """
        now = self._clock()
        complete = []
        there = set()
        for one in found:
            path, state = one.source.path, (one.source, one.fault)
            there.add(path)
            if _must_wait(one) or self._taken.get(path) == state:
                continue
            before = self._seen.get(path)
            if before is None or before[0] != state:
                self._seen[path] = (state, now)
            elif now - before[1] >= self._seconds and not _has_writer_here(one):
                del self._seen[path]
                self._taken[path] = state
                complete.append(one)
        if is_whole:
            for known in (self._seen, self._taken):
                for path in [path for path in known if path not in there]:
                    known.pop(path, None)
        return complete

    def put_back(self, found: Iterable[FoundFile]) -> None:
        """Give these out once more, after they have stayed as they are for as long again."""
        for one in found:
            self._taken.pop(one.source.path, None)


def _must_wait(one: FoundFile) -> bool:
    """Return whether a file must wait, however long it stays unchanged."""
    cannot_be_read = one.source.state is None or one.fault == REHYDRATING
    return cannot_be_read or is_temporary(one.source.path)


def _has_writer_here(one: FoundFile) -> bool:
    return not one.source.is_blob and is_being_written(one.source.path)


def is_temporary(path: str) -> bool:
    """Return whether a file has a name that programs give to unfinished copies and downloads."""
    name = os.path.basename(path).lower()
    return name.startswith(("~", ".")) or name.endswith(_TEMPORARY)


def is_being_written(path: str) -> bool:
    """Return whether another program has the file at *path* open for writing, where the system can tell."""
    try:
        return _has_writer(path)
    except OSError:  # it is gone, or its file system does not say
        return False


if sys.platform == "linux":

    def _has_writer(path: str) -> bool:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            # who opens it for writing now sends a signal: SIGIO, which ends a process, unless it is another
            fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
            # a lease for reading is refused while anybody has the file open for writing (man 2 fcntl)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError as error:
            return error.errno in _BUSY
        finally:
            os.close(descriptor)
        return False

elif sys.platform == "win32":
    _kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel.CreateFileW.argtypes = (
        *(wintypes.LPCWSTR, wintypes.DWORD, wintypes.DWORD, wintypes.LPVOID),
        *(wintypes.DWORD, wintypes.DWORD, wintypes.HANDLE),
    )
    _kernel.CreateFileW.restype = wintypes.HANDLE
    _kernel.CloseHandle.argtypes = (wintypes.HANDLE,)
    _NO_HANDLE = wintypes.HANDLE(-1).value
    _GENERIC_READ, _SHARE_READ, _SHARE_DELETE, _OPEN_EXISTING = 0x80000000, 1, 4, 3
    _SHARING_VIOLATION = 32

    def _has_writer(path: str) -> bool:
        # Who allows no others to write is refused where one does, whatever that one allows; and renaming
        # is refused in folders that may only be read.
        # https://learn.microsoft.com/windows/win32/fileio/creating-and-opening-files
        handle = _kernel.CreateFileW(
            *(extended(path), _GENERIC_READ, _SHARE_READ | _SHARE_DELETE, None),
            *(_OPEN_EXISTING, 0, None),
        )
        if handle == _NO_HANDLE:
            return ctypes.get_last_error() == _SHARING_VIOLATION
        _kernel.CloseHandle(handle)
        return False

else:

    def _has_writer(path: str) -> bool:  # noqa: ARG001 - macOS does not tell
        return False
