"""The one glob dialect of sources, `--include` and `--exclude`.

`*` and `?` match within a name, `**` any number of folders, `[abc]` one of these characters. Windows
tells neither capitals nor slashes apart.
"""

import os
import re
from collections.abc import Sequence
from types import ModuleType

from runner.media.paths import is_windows

_MAGIC = re.compile(r"[*?[]")


def has_magic(text: str) -> bool:
    """Whether *text* may be a pattern rather than a name."""
    return _MAGIC.search(text) is not None


class Patterns:
    """Patterns for the files of a tree.

    One without a slash is for names in any folder; any other is for whole paths below the source.
    """

    def __init__(self, patterns: Sequence[str], system: ModuleType = os.path) -> None:
        """*system* is the module `os.path` of the machine that they are for."""
        # 14 ms, which most commands need not wait for
        from wcmatch import glob  # noqa: PLC0415

        flags = glob.GLOBSTAR | glob.MATCHBASE | glob.DOTMATCH
        flags |= glob.FORCEWIN if is_windows(system) else glob.FORCEUNIX
        self._matcher = glob.compile([_with_slashes(one, system) for one in patterns], flags=flags)

    def match(self, path: str, *, is_folder: bool = False) -> bool:
        """Whether one of them means the file or folder at *path*, which has `/`, below its source."""
        return self._matcher.match(path) or (is_folder and self._matcher.match(f"{path}/"))


def expand(pattern: str) -> list[str]:
    """The files and folders here that *pattern* stands for; links to folders are not followed by `**`."""
    from wcmatch import glob  # noqa: PLC0415 - see above

    base = base_of(pattern)
    # a base of its own, as a drive or a share is no pattern
    rest = _with_slashes(pattern[len(base) :], os.path).lstrip("/")
    found = glob.glob(rest, flags=glob.GLOBSTAR, root_dir=base or None)
    return sorted(os.path.join(base, one) for one in found)


def base_of(pattern: str, system: ModuleType = os.path) -> str:
    """The folder up to which *pattern* has no magic."""
    drive, rest = system.splitdrive(pattern)  # the drive \\?\C: has a ? of its own
    fixed = _MAGIC.split(rest, maxsplit=1)[0]
    return str(system.dirname(drive + fixed))


def _with_slashes(pattern: str, system: ModuleType) -> str:
    return pattern.replace("\\", "/") if is_windows(system) else pattern
