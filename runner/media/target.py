"""Where a result may stand, how it gets its name, and what is wrong with the place if it cannot."""

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
from runner.media.held import is_held, patiently
from runner.media.paths import below, extended, is_windows, local_name, resolved

if TYPE_CHECKING:
    from types import ModuleType

OURS = ".runner"
"""The folder in a destination that holds the ledger, and what is not finished."""
_LITTLE_ROOM = 64 * 1024
_NO_NAME = (123, 206)
"""Windows' ERROR_INVALID_NAME and ERROR_FILENAME_EXCED_RANGE."""
_FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
# What a process or the system has only so much of, whichever file it is wanted for.
_USED_UP = {
    errno.EMFILE: "too many open files: raise `ulimit -n`, or take fewer files at a time",
    errno.ENFILE: "the system has too many open files",
    errno.EAGAIN: "no more processes can be started: raise `ulimit -u`, or take fewer at a time",
    errno.ENOMEM: "no memory is left: take fewer files at a time",
}


def target_path(
    destination: str | os.PathLike[str], target: str, system: ModuleType = os.path
) -> str:
    """Where *target* stands, which is a name with `/` of a file below *destination*.

    On Windows it may have another name there, as a run may have been made elsewhere. *system* is
    the module `os.path` of the machine that it is for.

    Raises:
        ConversionError: It would stand outside, or among what is ours.
    """
    check_name(target)
    parts = (local_name(part, system) for part in target.split("/"))
    return extended(str(system.join(destination, *parts)), system)


def writable_target(destination: str | os.PathLike[str], target: str) -> str:
    """`target_path`, where a result may be written: not among what is ours by way of a link either.

    Any other link to a folder is followed, as only the user makes links in a destination.

    Raises:
        ConversionError: It would stand outside, or among what is ours.
    """
    path = target_path(destination, target)
    ours = resolved(os.path.join(destination, OURS))
    folder = resolved(os.path.dirname(path))
    if below(os.path.normcase(folder), os.path.normcase(ours)) is not None:
        raise ConversionError(Kind.INPUT, f"its result would stand in the folder {OURS}")
    return path


def check_name(target: str) -> None:
    """Refuse a *target* that is not plainly below its destination.

    Raises:
        ConversionError: With the reason.
    """
    parts = target.split("/")
    if "\0" in target or any(part in ("", ".", "..") for part in parts):
        raise ConversionError(Kind.INPUT, "its result would stand outside the destination")
    # Windows and macOS do not tell capitals; Windows drops dots and blanks from the end
    if parts[0].casefold().rstrip(". ") == OURS:
        raise ConversionError(Kind.INPUT, f"its result would stand in the folder {OURS}")


@dataclass(frozen=True)
class Replaceable:
    """Which file a result may replace."""

    state: tuple[int, int] | None = None
    """The size in bytes and the mtime in nanoseconds of the only one; none for no file."""
    anything: bool = False


NOTHING = Replaceable()
ANYTHING = Replaceable(anything=True)


def check_target(target: str, replaceable: Replaceable) -> None:
    """Raise `ConversionError` if no result can have the name *target*.

    Asked before the work, and again when the result is moved there: what was to be replaced may
    have been changed meanwhile.
    """
    # asked before the work, as a name that is too long would else cost a whole conversion
    status = look_up(target)
    if status is None:
        if not os.path.isdir(_nearest_folder(target)):
            raise ConversionError(Kind.INPUT, "a file stands where its folder should be")
        return
    if os.path.isdir(target):
        raise ConversionError(Kind.INPUT, "a folder has the name of its result")
    _check_replaceable(status, replaceable)
    if is_windows():
        # to its own name: that asks for all that a replacement needs, and changes nothing
        _replace(target, target)


def _check_replaceable(status: os.stat_result, replaceable: Replaceable) -> None:
    if replaceable.anything or (status.st_size, status.st_mtime_ns) == replaceable.state:
        return
    did = "created" if replaceable.state is None else "changed"
    message = f"not replaced: another program {did} the result during the run"
    raise ConversionError(Kind.INPUT, message)


def look_up(target: str) -> os.stat_result | None:
    """What is at *target*; none where nothing is.

    Raises:
        ConversionError: This file system has no such name, or not one of its folders'.
        OSError: It cannot be told.
    """
    absent = (FileNotFoundError, NotADirectoryError)
    with suppress(*absent):
        return _look_up(target)
    folder = _nearest_folder(target)
    # what is below a folder that is not there was not looked at
    for name in target[len(folder) :].strip(os.sep).split(os.sep):
        with suppress(*absent):
            _look_up(os.path.join(folder, name))
    return None


def _look_up(path: str) -> os.stat_result:
    """Ask for what is at *path*.

    Raises:
        ConversionError: This file system has no such name.
        OSError: Nothing is there, or it cannot be told.
    """
    try:
        return os.lstat(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG or getattr(error, "winerror", None) in _NO_NAME:
            message = "the result's name is too long for this file system; see --name"
            raise ConversionError(Kind.NAME, message) from error
        raise


def _nearest_folder(path: str) -> str:
    """The last of the folders above *path* that is there, which may be none but a file."""
    folder = os.path.dirname(path)
    while folder != os.path.dirname(folder) and not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    return folder


def _replace(result: str, target: str) -> None:
    """Rename *result*, patiently.

    Raises:
        ConversionError: Another program holds what is there.
    """
    try:
        patiently(lambda: os.replace(result, target))
    except OSError as error:
        if not is_held(error) or not os.path.lexists(target):
            raise
        message = "its result is there and cannot be replaced: another program has it open"
        raise ConversionError(Kind.INPUT, message) from error


def move_into_place(result: str, target: str, *, mtime_ns: int | None = None) -> None:
    """Move the finished file *result* to *target*, which from then on exists as a whole.

    Its file time becomes *mtime_ns*, nanoseconds since the epoch; none leaves it.

    Raises:
        ConversionError: Another program holds what is there.
        OSError: Something else is wrong with the place.
    """
    folder = os.path.dirname(target) or "."
    os.makedirs(folder, exist_ok=True)
    _set_time(result, mtime_ns)
    try:
        _replace(result, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # a folder of the destination lies on another file system; the name is nobody else's
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
        with suppress(OSError):  # some shares take no times; the result is worth more
            os.utime(path, ns=(time.time_ns(), mtime_ns))


def is_full(folder: str) -> bool:
    """Whether the disk of *folder* has no room left to speak of."""
    try:
        return shutil.disk_usage(folder).free < _LITTLE_ROOM
    except OSError:
        return False


def is_used_up(error: OSError) -> bool:
    """Whether *error* says that this machine gives no more, and so nothing of a file."""
    return error.errno in _USED_UP


def from_os(error: OSError) -> ConversionError:
    """What an *error* of this machine means for the conversion that met it."""
    if used_up := _USED_UP.get(error.errno or 0):
        return ConversionError(Kind.ENVIRONMENT, used_up)
    full = error.errno in _FULL_DISK
    denied = isinstance(error, PermissionError)
    kind = Kind.ENVIRONMENT if full or denied else Kind.TRANSIENT
    return ConversionError(kind, f"{error.strerror or error}".lower())
