"""Make sure that a result is what was verified, and that a power cut leaves it so."""

import errno
import hashlib
import os
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from runner.models import Result

if sys.platform == "darwin":
    import fcntl
_BLOCK = 1024 * 1024
_NO_SUCH_THING = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)
"""So file systems of networks answer who wants a folder on the disk; they see to that themselves."""


class StaysError(Exception):
    """A source is left where it is; the words say why."""


class ChangedError(StaysError):
    """It is not the file any more that was read."""

    def __init__(self) -> None:
        super().__init__("it changed after it was read")


class NotNowError(Exception):
    """The user wants to stop: the same command again deals with this source."""


@dataclass(frozen=True)
class ResultCheck:
    """Checks the results in one destination."""

    destination: Path
    is_stopped: Callable[[], bool] = lambda: False
    _synced: set[str] = field(default_factory=set)

    def require(self, path: str, result: Result) -> os.stat_result:
        """Have *result* at *path* be on the disk, and read it again.

        Raises:
            StaysError: It is not what was verified.
            NotNowError: Nobody waits for that.
        """
        try:
            status = os.lstat(path)
            if not stat.S_ISREG(status.st_mode) or status.st_size != result.size:
                raise StaysError("its result was changed meanwhile")
            # before it is read: what is read then comes from the disk, where the system can do that
            sync_file(path)
            self._sync_folders(os.path.dirname(path))
            if sha256_from_disk(path, self.is_stopped) != result.sha256:
                raise StaysError("its result is not what was verified: its SHA-256 is different")
        except OSError as error:
            raise StaysError(f"its result cannot be checked: {reason_of(error)}") from error
        return status

    def _sync_folders(self, folder: str) -> None:
        """Have the names on the way to a result in *folder* be on the disk."""
        sync_folder(folder)
        top = os.path.dirname(os.path.abspath(self.destination))
        while folder not in self._synced and len(folder) > len(top):
            self._synced.add(folder)
            folder = os.path.dirname(folder)
            sync_folder(folder)


def sync_file(path: str) -> None:
    """Have what is in the file at *path* be on the disk."""
    # Windows flushes only what is open for writing
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        _sync(descriptor)
        if sys.platform == "linux":
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def sync_folder(folder: str) -> None:
    """Have the names in *folder* be on the disk, where the system has that."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _sync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SUCH_THING:
            raise
    finally:
        os.close(descriptor)


def _sync(descriptor: int) -> None:
    if sys.platform == "darwin":
        try:
            # on macOS, fsync leaves it in the drive's cache (man 2 fsync)
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        except OSError:  # a share has no such thing
            pass
        else:
            return
    os.fsync(descriptor)


def sha256_from_disk(path: str, is_stopped: Callable[[], bool] = lambda: False) -> str:
    """Return the SHA-256 of the file at *path*, read from the disk.

    Raises:
        NotNowError: It takes longer than anybody waits.
    """
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            if is_stopped():
                raise NotNowError
            digest.update(block)
    return digest.hexdigest()


def reason_of(error: OSError) -> str:
    """Return what an *error* says, without a path."""
    return (error.strerror or str(error)).lower()
