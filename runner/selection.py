"""Find the files to convert: in folders, globs, single files and lists."""

import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from types import ModuleType

from runner.blob_selection import BlobStore, FoundBlob, Rules, find_blobs, list_blobs
from runner.errors import NothingToConvertError, SetupError, UsageError
from runner.formatting import printable
from runner.media.failures import Failure
from runner.media.paths import extended, is_address, mtime_ns_of, resolved
from runner.media.target import from_os, is_used_up
from runner.models import Source
from runner.patterns import Patterns, base_of, expand, has_magic
from runner.text import code_pages, listed_names

OpenStore = Callable[[], BlobStore]
"""Opens the store of blobs, once there is an address among what was named."""
MEDIA_SUFFIXES = frozenset(
    [
        ".3g2",
        ".3gp",
        ".asf",
        ".avi",
        ".divx",
        ".dv",
        ".f4v",
        ".flv",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".ogm",
        ".ogv",
        ".rm",
        ".rmvb",
        ".ts",
        ".vob",
        ".webm",
        ".wmv",
        ".aac",
        ".ac3",
        ".aif",
        ".aiff",
        ".amr",
        ".ape",
        ".au",
        ".caf",
        ".dts",
        ".eac3",
        ".flac",
        ".m4a",
        ".m4b",
        ".mka",
        ".mp2",
        ".mp3",
        ".oga",
        ".ogg",
        ".opus",
        ".spx",
        ".tta",
        ".wav",
        ".wma",
        ".wv",
    ]
)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file, and its path relative to the source that the user named."""

    source: Source
    relative: str
    """With `/` as separator; this path is kept in the destination."""
    fault: Failure | None = None
    """Why it cannot be converted, as far as that is known before."""
    is_unlisted: bool = False
    """Whether it is a folder that cannot be listed, so that nobody knows what is in it."""


@dataclass(frozen=True)
class Selection:
    """Which files of a folder to take. Files that the user names are always taken."""

    include: tuple[str, ...] = ()
    """Patterns of files to take; without any, the known media suffixes."""
    exclude: tuple[str, ...] = ()
    """Patterns of files to skip, and of folders not to enter."""
    excluded_folder: Path | None = None
    """A folder that is never entered, such as the destination."""


def find_files(
    names: Iterable[str], selection: Selection, blobs: OpenStore | None = None
) -> Iterator[FoundFile]:
    """Yield the files that *names* stand for: files, folders (walked), and globs that no shell expanded.

    Hidden files are skipped, links to folders are not followed, and the order is by name. The same
    applies to addresses of blobs, for which *blobs* opens the store.

    Raises:
        NothingToConvertError: A name stands for nothing.
        UsageError: An address is among them, and there is no store.
    """
    walker = _Walker(selection)
    for name in names:
        if is_address(name):
            yield from map(_as_found, find_blobs(name, walker.rules, _opened(blobs)))
        elif os.path.isdir(name):
            yield from walker.walk(os.path.abspath(name))
        elif os.path.lexists(name):
            yield FoundFile(stat_source(name), os.path.basename(name))
        elif has_magic(name):
            yield from _expand(name, walker)
        else:
            raise NothingToConvertError(f"no such file or folder: {printable(name)}")


def list_files(names: Iterable[str], blobs: OpenStore | None = None) -> Iterator[FoundFile]:
    """Yield the files of a list; their relative paths, or the names of blobs, are kept in the destination."""
    for are_addresses, some in groupby(names, is_address):
        if are_addresses:
            yield from map(_as_found, list_blobs(list(some), _opened(blobs)))
        else:
            yield from (FoundFile(stat_source(name), listed_as(name)) for name in some)


def _opened(blobs: OpenStore | None) -> BlobStore:
    if blobs is None:
        raise UsageError("addresses of blobs are not taken here")
    return blobs()


def _as_found(blob: FoundBlob) -> FoundFile:
    return FoundFile(blob.source, blob.relative, blob.fault)


def listed_as(name: str, system: ModuleType = os.path) -> str:
    """Return the path of a listed *name* in the destination, with `/`; only the name if it leads elsewhere."""
    path = system.normpath(name)
    drive, rest = system.splitdrive(path)
    parts = rest.split(system.sep)
    is_inside = not drive and parts[0] not in ("", system.pardir)
    return "/".join(parts) if is_inside else parts[-1]


def read_list(file: str) -> list[str]:
    """Return the names in *file* ("-" for standard input), one per line or NUL-separated.

    Raises:
        SetupError: It cannot be read.
        UsageError: Its encoding is not known.
    """
    try:
        data = _standard_input() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise SetupError(f"cannot read the list {file}: {error.strerror}") from error
    try:
        return listed_names(data, code_pages())
    except UnicodeDecodeError as error:
        name = "on standard input" if file == "-" else printable(file)
        advice = "write it with `... | Out-File -Encoding utf8 FILE` in PowerShell"
        raise UsageError(f"the list {name} is not in UTF-8: {advice}") from error


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    return sys.stdin.buffer.read()


class _Walker:
    def __init__(self, selection: Selection) -> None:
        self._include = Patterns(selection.include) if selection.include else None
        self._exclude = Patterns(selection.exclude) if selection.exclude else None
        self._excluded_folder = selection.excluded_folder and resolved(selection.excluded_folder)

    @property
    def rules(self) -> Rules:
        """The same for blobs."""
        return Rules(
            takes=self.takes,
            excludes=partial(self._excludes, is_folder=False),
            excludes_folder=partial(self._excludes, is_folder=True),
        )

    def walk(self, top: str, below: str = "") -> Iterator[FoundFile]:
        try:
            with os.scandir(extended(top)) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            if is_used_up(error):
                raise SetupError(f"{printable(top)}: {from_os(error)}") from error
            # reported as a failed file, with its reason, rather than skipped
            name = below.rstrip("/") or os.path.basename(top)
            yield FoundFile(stat_source(top), name, is_unlisted=True)
            return
        for entry in entries:
            relative = below + entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if entry.name.startswith(".") or self._excludes(relative, is_folder=is_folder):
                continue
            if is_folder:
                yield from self._enter(entry, relative)
            elif self.takes(relative) and not _is_linked_folder(entry):
                yield FoundFile(stat_source(entry.path, entry), relative)

    def takes(self, relative: str) -> bool:
        if self._include is not None:
            return self._include.match(relative)
        return _has_media_suffix(relative)

    def _enter(self, folder: "os.DirEntry[str]", relative: str) -> Iterator[FoundFile]:
        if self._excluded_folder and resolved(folder.path) == self._excluded_folder:
            return
        empty = True
        for found in self.walk(folder.path, relative + "/"):
            empty = False
            yield found
        if empty and _has_media_suffix(relative) and self.takes(relative):
            # a folder called x.mp4 is a mistake, and is reported
            yield FoundFile(stat_source(folder.path), relative)

    def _excludes(self, relative: str, *, is_folder: bool) -> bool:
        return self._exclude is not None and self._exclude.match(relative, is_folder=is_folder)


def _expand(pattern: str, walker: _Walker) -> Iterator[FoundFile]:
    matches = expand(pattern)
    if not matches:
        raise NothingToConvertError(f"nothing matches {printable(pattern)}")
    base = base_of(pattern)
    for match in matches:
        relative = os.path.relpath(match, base or ".").replace(os.sep, "/")
        if not os.path.isdir(match):
            yield FoundFile(stat_source(match), relative)
        elif not pattern.endswith("**"):
            yield from walker.walk(os.path.abspath(match), relative + "/")


def stat_source(path: str, entry: "os.DirEntry[str] | None" = None) -> Source:
    """Return the file at *path* as a source, even if it cannot be read; with its *entry*, *path* is absolute."""
    absolute = extended(path if entry else os.path.abspath(path))
    try:
        status = entry.stat() if entry else os.stat(absolute)
    except OSError:  # such as a broken link: the worker will report it
        return Source(absolute, -1, 0)
    return Source(absolute, status.st_size, mtime_ns_of(status))


def _has_media_suffix(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in MEDIA_SUFFIXES


def _is_linked_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_symlink() and entry.is_dir()
    except OSError:  # a symlink loop
        return False
