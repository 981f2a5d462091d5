"""Parts of blobs, each in a file of the blob's size that is empty elsewhere.

The beginning says what most media files hold and how long they are; some say it at their end.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

from runner.media.failures import ConversionError
from runner.models import Source

ReadPart = Callable[[Source, int, int], bytes]
"""Reads so many bytes of a blob from an offset, or raises `ConversionError`."""
_BEGINNING = 256 * 1024
"""Bytes; so is the next."""
_END = 2 * 1024 * 1024
_LONG_BY_THEIR_END = (
    *(".ogg", ".oga", ".ogv", ".ogm", ".opus", ".spx"),
    *(".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".vob"),
)
"""Suffixes of what has no index: their last time stamp says how long they are, and the beginning misleads."""
_TO_MEASURE = 8 * 1024 * 1024
"""Bytes of the beginning on which this machine's speed is measured."""


@dataclass(frozen=True)
class Extract:
    """A file with parts of a blob."""

    path: str
    beginning: int
    """Bytes that are there before the first that are not."""


class Extracts:
    """Makes the extracts of one estimate, in *folder*; safe for several threads."""

    def __init__(
        self, read: ReadPart, folder: str, beginning: int = _BEGINNING, end: int = _END
    ) -> None:
        self._read = read
        self._folder = folder
        self._beginning = beginning
        self._end = end
        self._numbers = count()

    def of(self, source: Source) -> Iterator[Extract]:
        """Its beginning, and then with its end, as far as they can be read."""
        try:
            extract = self._make(source, self._beginning)
            is_whole = extract.beginning >= source.size
            if is_whole or not source.path.lower().endswith(_LONG_BY_THEIR_END):
                yield extract
            if not is_whole:
                yield self._with_end(extract, source)
        except (ConversionError, OSError):
            return

    def to_measure(self, source: Source) -> Extract | None:
        """More of its beginning, and its end; none if it cannot be read."""
        try:
            extract = self._make(source, _TO_MEASURE)
            return self._with_end(extract, source)
        except (ConversionError, OSError):
            return None

    def _make(self, source: Source, length: int) -> Extract:
        suffix = os.path.splitext(source.path)[1]
        plain = suffix if suffix[1:].isascii() and suffix[1:].isalnum() else ""
        path = os.path.join(self._folder, f"{next(self._numbers)}{plain}")
        data = self._read(source, 0, min(length, source.size))
        with open(path, "xb") as file:
            file.write(data)
            file.truncate(source.size)
        return Extract(path, len(data))

    def _with_end(self, extract: Extract, source: Source) -> Extract:
        begin = max(extract.beginning, source.size - self._end)
        if begin >= source.size:
            return extract
        data = self._read(source, begin, source.size - begin)
        with open(extract.path, "r+b") as file:
            file.seek(begin)
            file.write(data)
        is_whole = begin == extract.beginning
        return Extract(extract.path, source.size if is_whole else extract.beginning)


@contextmanager
def extracts_of_blobs(read: ReadPart | None) -> Iterator[Extracts | None]:
    """Extracts that are deleted again; none where nothing can be read."""
    if read is None:
        yield None
        return
    folder = tempfile.mkdtemp(prefix="runner-plan-")
    try:
        yield Extracts(read, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
