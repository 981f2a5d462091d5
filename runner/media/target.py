"""Give a result its name, where a result may stand, and say what is wrong with the place."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress

from runner.media.failures import ConversionError, Kind

_LITTLE_ROOM = 64 * 1024
_FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def check_target(target: str, *, replace: bool) -> None:
    """Raise `ConversionError` if no result can have the name *target*."""
    # asked before the work, as a name that is too long would else cost a whole conversion
    try:
        os.lstat(target)
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise ConversionError(Kind.INPUT, "a file stands where its folder should be") from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            message = "the result's name is too long for this file system; see --name"
            raise ConversionError(Kind.INPUT, message) from error
        raise
    if os.path.isdir(target):
        raise ConversionError(Kind.INPUT, "a folder has the name of its result")
    if not replace:
        raise ConversionError(Kind.INPUT, "its result appeared meanwhile, made by somebody else")


def give_name(result: str, target: str) -> None:
    """Move the finished file *result* to *target*, which from then on exists as a whole."""
    folder = os.path.dirname(target) or "."
    os.makedirs(folder, exist_ok=True)
    try:
        os.replace(result, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # a folder of the destination lies on another file system
        beside = os.path.join(folder, f".{os.path.basename(result)}.part")
        try:
            shutil.copyfile(result, beside)
            os.replace(beside, target)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(beside)


def is_full(folder: str) -> bool:
    """Whether the disk of *folder* has no room left to speak of."""
    try:
        return shutil.disk_usage(folder).free < _LITTLE_ROOM
    except OSError:
        return False


def from_os(error: OSError) -> ConversionError:
    """What an *error* of this machine means for the conversion that met it."""
    full = error.errno in _FULL_DISK
    denied = isinstance(error, PermissionError)
    kind = Kind.ENVIRONMENT if full or denied else Kind.TRANSIENT
    return ConversionError(kind, f"{error.strerror or error}".lower())
