"""Paths and names, and how Windows treats them; *system* is `ntpath` or `posixpath`, for tests anywhere.

https://learn.microsoft.com/windows/win32/fileio/naming-a-file
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

AZURE = "az://"
_ADDRESSES = (AZURE, "https://", "http://")
_RESERVED = re.compile(
    r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)[ .]*(\..*)?",
    re.IGNORECASE | re.DOTALL,
)
_FORBIDDEN = re.compile(r'[<>:"|?*\\\0-\x1f]')
_END = re.compile(r"[. ]\Z")
_LONGEST_NAME = 255
"""In UTF-16 units."""
_LONGEST_FOLDER = 247
"""The longest path of a folder, in characters, that every program supports; files may have twelve more."""
_PREFIX = "\\\\?\\"
_UNC_PREFIX = "\\\\?\\UNC\\"
_DEVICE = "\\\\.\\"


def is_address(path: str) -> bool:
    """Return whether *path* is the address of a blob in Azure storage rather than a file."""
    return path.startswith(_ADDRESSES)


def is_windows(system: ModuleType = os.path) -> bool:
    """Return whether *system* is Windows'."""
    return str(system.sep) == "\\"


def mtime_ns_of(status: os.stat_result) -> int:
    """Return when the file with this *status* was modified, in nanoseconds since the epoch, as 64 bits hold it.

    ext4 and others keep times beyond those, which ledgers and plans cannot: all from 2262-04-12 on count as one.
    """
    return max(-(2**63), min(status.st_mtime_ns, 2**63 - 1))


def below(path: str, folder: str, system: ModuleType = os.path) -> str | None:
    """Return *path* relative to *folder*, both absolute; None if it is not inside."""
    try:
        relative = str(system.relpath(plain(path), plain(folder)))
    except ValueError:  # another drive or share, or a device such as NUL
        return None
    outside = relative == system.pardir or relative.startswith(system.pardir + system.sep)
    return None if outside else relative


def resolved(path: str | os.PathLike[str]) -> str:
    """Return *path* with links resolved, as far as the file system can."""
    try:
        return os.path.realpath(path)
    except OSError:  # some Windows drives, such as RAM disks or cloud drives, do not support this
        return os.path.abspath(path)


def extended(path: str, system: ModuleType = os.path) -> str:
    """Return the absolute *path* in the form that Windows needs for long paths."""
    if not is_windows(system) or len(path) <= _LONGEST_FOLDER or path.startswith("\\\\?\\"):
        return path
    return _UNC_PREFIX + path[2:] if path.startswith("\\\\") else _PREFIX + path


def plain(path: str) -> str:
    """Return *path* as people write it, undoing `extended`."""
    if path.startswith(_UNC_PREFIX):
        return "\\\\" + path.removeprefix(_UNC_PREFIX)
    # what stands for a drive without a letter, as \\?\Volume{…} does, has no other form
    return path.removeprefix(_PREFIX) if path[5:6] == ":" else path


def spelled(path: str, known: Iterable[str], system: ModuleType = os.path) -> str:
    """Return the one of the *known* paths that is *path* in another spelling; otherwise *path* itself."""
    key = system.normcase(plain(path))
    return next((one for one in known if system.normcase(plain(one)) == key), path)


def fault_on_windows(name: str) -> str:
    """Return why Windows does not allow a file or folder called *name*; empty if it does."""
    if found := _FORBIDDEN.search(name):
        letter = found[0] if found[0].isprintable() else f"\\x{ord(found[0]):02x}"
        return f"names there cannot contain {letter}"
    if _END.search(name):
        return "names there cannot end with a dot or a space"
    if found := _RESERVED.fullmatch(name):
        return f"{found[1]} is a device there"
    if len(name.encode("utf-16-le", "surrogatepass")) > 2 * _LONGEST_NAME:
        return f"names there cannot have more than {_LONGEST_NAME} characters"
    return ""


def folder_fault(path: str, system: ModuleType = os.path) -> str:
    """Return why this system does not allow a folder at *path*, judging by the names in it; empty if it does."""
    if not is_windows(system):
        return ""
    drive, names = system.splitdrive(plain(path))
    if drive.startswith(_DEVICE) and not drive.endswith(":"):  # what an absolute path makes of NUL
        name = drive.removeprefix(_DEVICE)
        return f"Windows does not allow the name {name}: {name} is a device there"
    for name in re.split(r"[\\/]", names):
        # it drops dots and spaces at the end by itself
        if fault := fault_on_windows(name.rstrip(" .")):
            return f"Windows does not allow the name {name}: {fault}"
    return ""


def local_name(name: str, system: ModuleType = os.path) -> str:
    """Return *name* in a form that this system allows: on Windows, %xx replaces invalid characters, as in a URL.

    The same name always gives the same result.
    """
    if not is_windows(system):
        return name
    name = _END.sub(_encoded, _FORBIDDEN.sub(_encoded, name))
    return re.sub("^.", _encoded, name) if _RESERVED.fullmatch(name) else name


def _encoded(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"
