"""Check where a result may be written, move it into place, and explain errors of the file system."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.media.failures import ConversionError, Kind
from runner.media.files_in_use import is_in_use, retry_while_in_use
from runner.media.paths import below, extended, is_windows, local_name, mtime_ns_of, resolved

if TYPE_CHECKING:
    from types import ModuleType

OURS = ".runner"
"""The folder in a destination for the ledger and unfinished files."""
_LITTLE_ROOM = 64 * 1024
_NO_NAME = (123, 206)
"""Windows' ERROR_INVALID_NAME and ERROR_FILENAME_EXCED_RANGE."""
_FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
# Limits of a process or of the system, which do not depend on the file.
_USED_UP = {
    errno.EMFILE: "too many open files: raise `ulimit -n`, or convert fewer files at a time",
    errno.ENFILE: "the system has too many open files",
    errno.EAGAIN: "no more processes can be started: raise `ulimit -u`, or convert fewer files at a time",
    errno.ENOMEM: "no memory is left: convert fewer files at a time",
}


def target_path(
    destination: str | os.PathLike[str], target: str, system: ModuleType = os.path
) -> str:
    """Return the path of *target*, a name with `/`, in *destination*.

    On Windows its name may differ, if the run was planned elsewhere. *system* is the `os.path` module of
    the machine with the destination.

    Raises:
        ConversionError: It would stand outside, or among what is ours.
    """
    check_name(target)
    parts = (local_name(part, system) for part in target.split("/"))
    return extended(str(system.join(destination, *parts)), system)


def writable_target(destination: str | os.PathLike[str], target: str) -> str:
    """Return `target_path`, checking that no link leads into runner's own folder.

    Other links to folders are followed, because only the user makes links in a destination.

    Raises:
        ConversionError: It would stand outside, or among what is ours.
    """
    path = target_path(destination, target)
    ours = resolved(os.path.join(destination, OURS))
    folder = resolved(os.path.dirname(path))
    if below(os.path.normcase(folder), os.path.normcase(ours)) is not None:
        raise ConversionError(Kind.INPUT, f"its result would be in the folder {OURS}")
    return path


def check_name(target: str) -> None:
    """Refuse a *target* that is not clearly inside its destination.

    Raises:
        ConversionError: The message says why.
    """
    parts = target.split("/")
    if "\0" in target or any(part in ("", ".", "..") for part in parts):
        raise ConversionError(Kind.INPUT, "its result would be outside the destination")
    # Windows and macOS ignore case; Windows drops dots and spaces at the end
    if parts[0].casefold().rstrip(". ") == OURS:
        raise ConversionError(Kind.INPUT, f"its result would be in the folder {OURS}")


@dataclass(frozen=True)
class Replaceable:
    """Which file a result may replace."""

    state: tuple[int, int] | None = None
    """The size in bytes and the mtime in nanoseconds of the only such file; None for no file."""
    anything: bool = False


ANYTHING = Replaceable(anything=True)


def check_target(target: str, replaceable: Replaceable) -> None:
    """Raise `ConversionError` if no result can have the name *target*.

    This is checked before the work and again when the result is moved there, because the file to
    replace may have changed in between.
    """
    # checked before the work, because a name that is too long would otherwise cost a whole conversion
    status = look_up(target)
    if status is None:
        if not os.path.isdir(nearest_folder(target)):
            raise ConversionError(Kind.INPUT, "there is a file where its folder should be")
        return
    if os.path.isdir(target):
        raise ConversionError(Kind.INPUT, "a folder has the name of its result")
    _check_replaceable(status, replaceable)
    if is_windows():
        # renaming it to its own name needs the same rights as replacing it, and changes nothing
        _replace(target, target)


def _check_replaceable(status: os.stat_result, replaceable: Replaceable) -> None:
    if replaceable.anything or (status.st_size, mtime_ns_of(status)) == replaceable.state:
        return
    did = "created" if replaceable.state is None else "changed"
    message = f"not replaced: another program {did} the result during the run"
    raise ConversionError(Kind.INPUT, message)


def look_up(target: str) -> os.stat_result | None:
    """Return the status of *target*; None if nothing is there.

    Raises:
        ConversionError: This file system does not allow the name, or that of one of its folders.
        OSError: It cannot be determined.
    """
    if status := find_status(target):
        return status
    folder = nearest_folder(target)
    # if a folder does not exist, the names inside were not checked
    for name in target[len(folder) :].strip(os.sep).split(os.sep):
        find_status(os.path.join(folder, name))
    return None


def find_status(path: str) -> os.stat_result | None:
    """Return the status of *path*, whose folder exists; None if nothing is there.

    Raises:
        ConversionError: This file system does not allow the name.
        OSError: It cannot be determined.
    """
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG or getattr(error, "winerror", None) in _NO_NAME:
            message = "the result's name is too long for this file system; see --name"
            raise ConversionError(Kind.NAME, message) from error
        raise


def nearest_folder(path: str) -> str:
    """Return the nearest existing parent of *path*, which may be a file instead of a folder."""
    folder = os.path.dirname(path)
    while folder != os.path.dirname(folder) and not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    return folder


def _replace(result: str, target: str) -> None:
    """Rename *result*, retrying while another program holds a file.

    Raises:
        ConversionError: Another program holds what is there.
    """
    try:
        retry_while_in_use(lambda: os.replace(result, target))
    except OSError as error:
        if not is_in_use(error) or not os.path.lexists(target):
            raise
        message = "its result exists and cannot be replaced: another program has it open"
        raise ConversionError(Kind.INPUT, message) from error


def move_into_place(result: str, target: str, *, mtime_ns: int | None = None) -> None:
    """Move the finished file *result* to *target*, which only ever exists as a complete file.

    Its modification time is set to *mtime_ns*, in nanoseconds since the epoch; None leaves it.

    Raises:
        ConversionError: Another program holds what is there.
        OSError: Something else is wrong with the destination.
    """
    folder = os.path.dirname(target) or "."
    os.makedirs(folder, exist_ok=True)
    _set_time(result, mtime_ns)
    try:
        _replace(result, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # a folder of the destination is on another file system; nobody else uses this name
        beside = os.path.join(folder, f".{secrets.token_hex(8)}.part")
        try:
            shutil.copyfile(result, beside)
            _set_time(beside, mtime_ns)
            _replace(beside, target)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(beside)


def _set_time(path: str, mtime_ns: int | None) -> None:
    if mtime_ns is not None:
        with suppress(OSError):  # some network shares do not accept times; the result matters more
            os.utime(path, ns=(time.time_ns(), mtime_ns))


def is_full(folder: str) -> bool:
    """Return whether the disk of *folder* is practically full."""
    try:
        return shutil.disk_usage(folder).free < _LITTLE_ROOM
    except OSError:
        return False


def is_used_up(error: OSError) -> bool:
    """Return whether *error* means that this machine has run out of something, whatever the file."""
    return error.errno in _USED_UP


def from_os(error: OSError) -> ConversionError:
    """Return the failure that an *error* of this machine means for a conversion."""
    if used_up := _USED_UP.get(error.errno or 0):
        return ConversionError(Kind.ENVIRONMENT, used_up)
    full = error.errno in _FULL_DISK
    denied = isinstance(error, PermissionError)
    kind = Kind.ENVIRONMENT if full or denied else Kind.TRANSIENT
    return ConversionError(kind, f"{error.strerror or error}".lower())
