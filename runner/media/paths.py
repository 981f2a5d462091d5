"""Paths and names, and what Windows makes of them; *system* is `ntpath` or `posixpath`, to try it anywhere.

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
"""UTF-16 units."""
_LONGEST_FOLDER = 247
"""Characters of a path up to which every program copes; files may have twelve more."""
_PREFIX = "\\\\?\\"
_UNC_PREFIX = "\\\\?\\UNC\\"


def is_address(path: str) -> bool:
    """Whether *path* is the address of a blob in Azure storage, and no file's."""
    return path.startswith(_ADDRESSES)


def is_windows(system: ModuleType = os.path) -> bool:
    """Whether *system* is Windows'."""
    return str(system.sep) == "\\"


def below(path: str, folder: str, system: ModuleType = os.path) -> str | None:
    """*path* as it is found from *folder*, both absolute; none where it does not lie below."""
    try:
        relative = str(system.relpath(plain(path), plain(folder)))
    except ValueError:  # another drive or share, or a device such as NUL
        return None
    outside = relative == system.pardir or relative.startswith(system.pardir + system.sep)
    return None if outside else relative


def resolved(path: str | os.PathLike[str]) -> str:
    """*path* without links, as far as the file system tells."""
    try:
        return os.path.realpath(path)
    except OSError:  # Windows has drives, of RAM or in a cloud, that cannot say
        return os.path.abspath(path)


def extended(path: str, system: ModuleType = os.path) -> str:
    """The absolute *path*, in the form that Windows demands of long ones."""
    if not is_windows(system) or len(path) <= _LONGEST_FOLDER or path.startswith("\\\\?\\"):
        return path
    return _UNC_PREFIX + path[2:] if path.startswith("\\\\") else _PREFIX + path


def plain(path: str) -> str:
    """*path* as people write it, whatever `extended` made of it."""
    if path.startswith(_UNC_PREFIX):
        return "\\\\" + path.removeprefix(_UNC_PREFIX)
    return path.removeprefix(_PREFIX)


def spelled(path: str, known: Iterable[str], system: ModuleType = os.path) -> str:
    """That of the *known* paths which *path* is in other letters; *path* itself if none is."""
    key = system.normcase(plain(path))
    return next((one for one in known if system.normcase(plain(one)) == key), path)


def fault_on_windows(name: str) -> str:
    """Why Windows cannot have a file or folder called *name*; empty if it can."""
    if found := _FORBIDDEN.search(name):
        letter = found[0] if found[0].isprintable() else f"\\x{ord(found[0]):02x}"
        return f"no name has a {letter} there"
    if _END.search(name):
        return "no name ends with a dot or a blank there"
    if found := _RESERVED.fullmatch(name):
        return f"{found[1]} is a device there"
    if len(name.encode("utf-16-le", "surrogatepass")) > 2 * _LONGEST_NAME:
        return f"no name has more than {_LONGEST_NAME} characters there"
    return ""


def folder_fault(path: str, system: ModuleType = os.path) -> str:
    """Why this system can have no folder at *path*, by the names in it; empty if it can."""
    if not is_windows(system):
        return ""
    _, names = system.splitdrive(plain(path))
    for name in re.split(r"[\\/]", names):
        # dots and blanks at the end, it drops itself
        if fault := fault_on_windows(name.rstrip(" .")):
            return f"Windows cannot have the name {name}: {fault}"
    return ""


def local_name(name: str, system: ModuleType = os.path) -> str:
    """*name* as a file can have it on this system: on Windows, %xx takes the place of what it cannot.

    The same name always comes to the same, and `%xx` is as in a URL.
    """
    if not is_windows(system):
        return name
    name = _END.sub(_encoded, _FORBIDDEN.sub(_encoded, name))
    return re.sub("^.", _encoded, name) if _RESERVED.fullmatch(name) else name


def _encoded(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"
