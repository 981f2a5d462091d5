"""A file's tags in no format's own terms: fields with all their values, and pictures."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from runner.media.tags.names import field_of, is_first_name, is_gain, is_junk

if TYPE_CHECKING:
    from collections.abc import Iterable

FRONT = 3
"""The type of a picture of the front cover; the numbers are ID3's and FLAC's."""
# ID3v2.3 joins the values of a field with one; elsewhere it may be part of a name
_NEVER_WITH_SLASH = ("MUSICBRAINZ_", "RELEASETYPE")
_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
)


@dataclass(frozen=True)
class Picture:
    """A picture as it is kept in tags."""

    data: bytes
    type: int = FRONT
    description: str = ""

    @property
    def mime(self) -> str:
        """Its type by its first bytes; the tag's own word for it is often wrong."""
        for magic, mime in _MAGIC:
            if self.data.startswith(magic):
                return mime
        if self.data[:4] == b"RIFF" and self.data[8:12] == b"WEBP":
            return "image/webp"
        if self.data[4:12] in (b"ftypavif", b"ftypavis"):
            return "image/avif"
        return "application/octet-stream"


@dataclass(frozen=True)
class Item:
    """One field, as it is in one place of the source."""

    field: str
    """Empty for what has no meaning outside of the source's own format."""
    values: tuple[str, ...]
    native: object = None
    """As it is in the source's format, for a result of the same format."""
    alias: str = ""
    """Under which of the field's lesser names it was found."""


@dataclass
class Tags:
    """All that a file says about itself."""

    form: str = ""
    """Whose terms the native ones of its items are in: "id3", "vorbis", "mp4", "ape" or "asf"."""
    items: list[Item] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)

    def add(
        self, name: str, values: Iterable[str], native: object = None, *, form: str = ""
    ) -> None:
        """Take in what *form* calls *name*, unless it is about the container or a program."""
        texts = tuple(text for value in values if (text := value.strip("\0")).strip())
        known = field_of(name, form)
        if known.startswith(_NEVER_WITH_SLASH) and any("/" in text for text in texts):
            texts, native = tuple(part for text in texts for part in text.split("/")), None
        if texts and not is_junk(name) and not is_junk(known):
            alias = "" if is_first_name(name, known, form) else name
            self.items.append(Item(known, texts, native, alias))

    def keep(self, native: object, field: str = "") -> None:
        """Take in what only the source's own format can hold."""
        self.items.append(Item(field, (), native))

    def fill(self, other: Tags) -> None:
        """Take from *other* the fields and pictures that are missing here."""
        mine = {item.field for item in self.items}
        self.items += [replace(i, native=None) for i in other.items if i.field not in {"", *mine}]
        self.pictures = self.pictures or other.pictures

    def drop_gain(self) -> None:
        """Forget how loud the source was."""
        self.items = [item for item in self.items if not is_gain(item.field)]

    def unify_names(self) -> None:
        """Give each value one name: one that says something else than its field keeps its own."""
        said = {item.field: item.values for item in self.items if not item.alias}
        unified = []
        for item in self.items:
            is_news = bool(item.alias) and item.field not in said
            known = said.setdefault(item.field, item.values)
            says_more = item.values[:1] != known[:1] and not known[0].startswith(item.values[0])
            if item.alias and says_more and item.alias.upper() != item.field.upper():
                unified.append(replace(item, field=item.alias, alias=""))
            elif not item.alias or is_news or says_more or item.native is not None:
                unified.append(item)
        # first what has the right name
        self.items = sorted(unified, key=lambda item: bool(item.alias))

    def split(self, form: str) -> tuple[list[object], dict[str, list[str]]]:
        """Split into what a result of *form* takes unchanged, and the fields that need its own names."""
        natives: list[object] = []
        fields: dict[str, list[str]] = {}
        for item in self.items:
            if item.native is not None and form == self.form:
                if not any(item.native is one for one in natives[-2:]):
                    natives.append(item.native)
            elif item.values:
                fields.setdefault(item.field, []).extend(item.values)
        return natives, {name: _without_echoes(name, values) for name, values in fields.items()}


def _without_echoes(field: str, values: list[str]) -> list[str]:
    """Return the *values* of a *field* without repetitions; for a date only the first, as precise as it is known."""
    if field.endswith("DATE"):
        return [max((value for value in values if value.startswith(values[0])), key=len)]
    return list(dict.fromkeys(values))
