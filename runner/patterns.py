"""The glob patterns of sources, `--include` and `--exclude`.

`*` and `?` match within a name, `**` any number of folders, `[abc]` one of these characters. Windows
ignores case and the kind of slash.
"""

import os
import re
from collections.abc import Callable, Sequence
from types import ModuleType

from runner.media.paths import is_windows

_MAGIC = re.compile(r"[*?[]")


def has_magic(text: str) -> bool:
    """Return whether *text* may be a pattern rather than a name."""
    return _MAGIC.search(text) is not None


def fixed_part(pattern: str) -> str:
    """Return the prefix of all names that match *pattern*."""
    return _MAGIC.split(pattern, maxsplit=1)[0]


def path_matcher(pattern: str) -> Callable[[str], bool]:
    """Return a function that says whether a path with `/` matches *pattern*; hidden ones only if it says so."""
    from wcmatch import glob  # noqa: PLC0415 - see below

    matcher = glob.compile(pattern, flags=glob.GLOBSTAR | glob.FORCEUNIX)
    return lambda path: bool(matcher.match(path))


class Patterns:
    """Patterns for the files of a tree.

    A pattern without a slash matches names in any folder; others match whole paths below the source.
    """

    def __init__(self, patterns: Sequence[str], system: ModuleType = os.path) -> None:
        """*system* is the `os.path` module of the machine that they are for."""
        # the import takes 14 ms, and most commands do not need it
        from wcmatch import glob  # noqa: PLC0415

        flags = glob.GLOBSTAR | glob.MATCHBASE | glob.DOTMATCH
        flags |= glob.FORCEWIN if is_windows(system) else glob.FORCEUNIX
        self._matcher = glob.compile([_with_slashes(one, system) for one in patterns], flags=flags)

    def match(self, path: str, *, is_folder: bool = False) -> bool:
        """Return whether one of them matches *path*, a file or folder relative to its source, with `/`."""
        return self._matcher.match(path) or (is_folder and self._matcher.match(f"{path}/"))


def expand(pattern: str) -> list[str]:
    """Return the files and folders that match *pattern*; `**` does not follow links to folders."""
    from wcmatch import glob  # noqa: PLC0415 - see above

    base = base_of(pattern)
    # with a separate base, because a drive or a share is not a pattern
    rest = _with_slashes(pattern[len(base) :], os.path).lstrip("/")
    found = glob.glob(rest, flags=glob.GLOBSTAR, root_dir=base or None)
    return sorted(os.path.join(base, one) for one in found)


def base_of(pattern: str, system: ModuleType = os.path) -> str:
    """Return the part of *pattern* before the first folder with wildcards."""
    drive, rest = system.splitdrive(pattern)  # the drive \\?\C: contains a ?
    fixed = _MAGIC.split(rest, maxsplit=1)[0]
    return str(system.dirname(drive + fixed))


def _with_slashes(pattern: str, system: ModuleType) -> str:
    return pattern.replace("\\", "/") if is_windows(system) else pattern
