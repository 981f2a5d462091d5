"""What is converted into what: one conversion, and a table of a million of them."""

import hashlib
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from runner.media.paths import is_address
from runner.media.recipe import Recipe

# Typical bytes per second by suffix, to estimate lengths before a file is opened. Only the order of
# magnitude matters: a WAV is about a tenth as long as an MP3 of the same size.
_BYTES_A_SECOND = {
    **dict.fromkeys((".mp3", ".m4a", ".m4b", ".aac", ".ogg", ".oga", ".opus", ".wma"), 20_000),
    **dict.fromkeys((".flac", ".ape", ".wv"), 100_000),
    **dict.fromkeys((".wav", ".aif", ".aiff"), 176_000),
}
_VIDEO_BYTES_A_SECOND = 500_000


FileState = tuple[int, int]
"""A file's size in bytes and its mtime in nanoseconds, which show whether it has changed."""


@dataclass(frozen=True, slots=True)
class Source:
    """A media file as it was found: on this machine, or as a blob in Azure storage."""

    path: str
    """Absolute; of a blob its address, as `BlobAddress` writes it."""
    size: int
    """In bytes; -1 if the file could not be read."""
    mtime_ns: int
    etag: str = ""
    """Of a blob: tells this version of it from any other."""

    @property
    def is_blob(self) -> bool:
        """Whether it is in Azure storage rather than on this machine."""
        return is_address(self.path)

    @property
    def state(self) -> FileState | None:
        """The state in which it was found; None if the file could not be read."""
        return None if self.size < 0 else (self.size, self.mtime_ns)

    @property
    def estimated_seconds(self) -> float:
        """An estimate of its length from size and suffix, for ordering and for progress."""
        if self.size <= 0:
            return 0.0
        suffix = os.path.splitext(self.path)[1].lower()
        return self.size / _BYTES_A_SECOND.get(suffix, _VIDEO_BYTES_A_SECOND)


@dataclass(frozen=True, slots=True)
class Conversion:
    """One source and its target."""

    source: Source
    target: str
    """Relative to the destination, with `/` as separator."""
    recipe: Recipe

    @property
    def id(self) -> str:
        """A stable id of 24 hex digits, derived from source, target and recipe."""
        source = self.source
        what = (source.path, source.size, source.mtime_ns, self.target, self.recipe.fingerprint)
        text = "\0".join(map(str, (*what, source.etag) if source.etag else what))
        return hashlib.blake2b(os.fsencode(text), digest_size=12).hexdigest()


class _Columns:
    """The facts of many conversions: about 70 bytes for each, where objects take 500."""

    def __init__(self) -> None:
        self.folders = Numbered()
        """Of sources, and of targets; each with the separator at its end."""
        self.tails = Numbered()
        """What targets have instead of the end of their sources' names, which often is a suffix."""
        self.recipes: list[Recipe] = []
        self.folder, self.target_folder, self.tail, self.recipe = (array("I") for _ in range(4))
        self.names = bytearray()
        """The names of the sources, without their folders, and behind a NUL the ETags of blobs."""
        self.starts = array("Q", [0])
        self.shared = array("H")
        """How many characters of its source's name a target begins with."""
        self.sizes, self.times = array("q"), array("q")
        self.seconds = array("d")
        """The estimated lengths."""
        self._numbers: dict[Recipe, int] = {}

    def __len__(self) -> int:
        return len(self.folder)

    def append(self, conversion: Conversion) -> None:
        source, target = conversion.source, conversion.target
        cut = _folder_end(source.path)
        name = source.path[cut:]
        into = target.rfind("/") + 1
        stem = name.rfind(".") if 0 < name.rfind(".") <= _LONGEST_STEM else 0
        if not target.startswith(name[:stem], into):
            stem = 0
        self.folder.append(self.folders.number(source.path[:cut]))
        self.target_folder.append(self.folders.number(target[:into]))
        self.tail.append(self.tails.number(target[into + stem :]))
        self.shared.append(stem)
        self.recipe.append(self._number_of(conversion.recipe))
        self.names += (f"{name}\0{source.etag}" if source.etag else name).encode(*_CODEC)
        self.starts.append(len(self.names))
        self.sizes.append(source.size)
        self.times.append(source.mtime_ns)
        self.seconds.append(source.estimated_seconds)

    def _number_of(self, recipe: Recipe) -> int:
        if self.recipes and recipe is self.recipes[-1]:
            return len(self.recipes) - 1
        number = self._numbers.setdefault(recipe, len(self.recipes))
        if number == len(self.recipes):
            self.recipes.append(recipe)
        return number

    def name(self, row: int) -> str:
        return self.names[self.starts[row] : self.starts[row + 1]].decode(*_CODEC)

    def target(self, row: int, name: str) -> str:
        folder = self.folders.texts[self.target_folder[row]]
        return f"{folder}{name[: self.shared[row]]}{self.tails.texts[self.tail[row]]}"

    def conversion(self, row: int, recipes: Sequence[Recipe]) -> Conversion:
        name, _, etag = self.name(row).partition("\0")
        path = self.folders.texts[self.folder[row]] + name
        source = Source(path, self.sizes[row], self.times[row], etag)
        return Conversion(source, self.target(row, name), recipes[self.recipe[row]])


class Numbered:
    """Texts by number, each once."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Return the number of *text*, which it gets when it is first asked for."""
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self.texts)
            self.texts.append(text)
        return number


_CODEC = ("utf-8", "surrogatepass")
_LONGEST_STEM = 0xFFFF


def _folder_end(path: str) -> int:
    return max(path.rfind("/"), path.rfind(os.sep)) + 1


class Conversions(Sequence[Conversion]):
    """Many conversions, in an order; each one is made anew when it is asked for."""

    def __init__(self, columns: _Columns, rows: Sequence[int], recipes: Sequence[Recipe]) -> None:
        self._columns = columns
        self._rows = rows
        self._recipes = recipes

    @classmethod
    def of(cls, conversions: "Iterable[Conversion]") -> "Conversions":
        """A table of *conversions*, which may be made while they are asked for."""
        if isinstance(conversions, cls):
            return conversions
        columns = _Columns()
        for conversion in conversions:
            columns.append(conversion)
        return cls(columns, range(len(columns)), columns.recipes)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Conversion: ...
    @overload
    def __getitem__(self, index: slice) -> "Conversions": ...
    def __getitem__(self, index: int | slice) -> "Conversion | Conversions":
        if isinstance(index, slice):
            return self._with_rows(self._rows[index])
        return self._columns.conversion(self._rows[index], self._recipes)

    def __iter__(self) -> Iterator[Conversion]:
        columns, recipes = self._columns, self._recipes
        return (columns.conversion(row, recipes) for row in self._rows)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment] # as of a list

    def __repr__(self) -> str:
        return f"Conversions({list(self)})"

    @property
    def targets(self) -> Iterator[str]:
        """The targets alone, which is cheaper."""
        columns = self._columns
        return (columns.target(row, columns.name(row)) for row in self._rows)

    @property
    def source_folders(self) -> set[str]:
        """The folders of the sources that lie on this machine, each with a separator at its end."""
        texts = self._columns.folders.texts
        folders = {texts[number] for number in self._used(self._columns.folder)}
        return {folder for folder in folders if not is_address(folder)}

    @property
    def target_folders(self) -> set[str]:
        """The folders of the targets, each with a `/` at its end; of those at the top, empty."""
        texts = self._columns.folders.texts
        return {texts[number] for number in self._used(self._columns.target_folder)}

    @property
    def recipes(self) -> list[Recipe]:
        """The recipes, each once."""
        used = sorted(self._used(self._columns.recipe))
        return list(dict.fromkeys(map(self._recipes.__getitem__, used)))

    @property
    def blobs(self) -> "Conversions":
        """Those whose sources are blobs."""
        texts, folder = self._columns.folders.texts, self._columns.folder
        of_blobs = {n for n in self._used(folder) if is_address(texts[n])}
        if not of_blobs:
            return self._with_rows(())
        return self._with_rows(array("I", (r for r in self._rows if folder[r] in of_blobs)))

    @property
    def seconds(self) -> float:
        """The estimated length of all sources."""
        return sum(map(self._columns.seconds.__getitem__, self._rows))

    @property
    def bytes(self) -> int:
        """The size of all sources."""
        return sum(max(self._columns.sizes[row], 0) for row in self._rows)

    def only(self, indices: Iterable[int]) -> "Conversions":
        """Those at *indices*, in that order."""
        return self._with_rows(array("I", map(self._rows.__getitem__, indices)))

    def longest_first(self) -> "Conversions":
        """Sort by length, longest first: a long file that starts last would keep everything waiting."""
        seconds = self._columns.seconds.__getitem__
        return self._with_rows(array("I", sorted(self._rows, key=seconds, reverse=True)))

    def with_recipes(self, change: Callable[[Recipe], Recipe]) -> "Conversions":
        """The same by changed recipes."""
        return Conversions(self._columns, self._rows, list(map(change, self._recipes)))

    def _with_rows(self, rows: Sequence[int]) -> "Conversions":
        return Conversions(self._columns, rows, self._recipes)

    def _used(self, column: "array[int]") -> set[int]:
        """The numbers in *column* that occur here."""
        if len(self._rows) == len(column):
            return set(column)
        return set(map(column.__getitem__, self._rows))
