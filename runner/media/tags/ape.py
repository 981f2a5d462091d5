"""APEv2 tags: of Monkey's Audio, WavPack, Musepack and TAK, and behind some MP3 files."""

from __future__ import annotations

from typing import Any

from mutagen.apev2 import APEBinaryValue, APENoHeaderError, APETextValue, APEv2

from runner.media.tags.model import FRONT, Picture, Tags
from runner.media.tags.names import names_of

_COVER = "cover art ("
# foobar2000's words for ID3's types of pictures, by their numbers
_TYPES = (
    *("other", "icon", "other icon", "front", "back", "leaflet", "media", "lead artist", "artist"),
    *("conductor", "band", "composer", "lyricist", "recording location", "during recording"),
    *("during performance", "video screen capture", "bright colored fish", "illustration"),
    *("band logotype", "publisher logotype"),
)
_PAIRED = {"Track": ("TRACKNUMBER", "TRACKTOTAL"), "Disc": ("DISCNUMBER", "DISCTOTAL")}
_LONGEST_KEY = 255


def read_tail(path: str) -> Tags:
    """Read the APEv2 tag of the file at *path*."""
    try:
        return from_items(APEv2(path))
    except APENoHeaderError:
        return Tags("ape")


def from_items(items: Any) -> Tags:
    """Read the *items* of an APEv2 tag."""
    tags = Tags("ape")
    for key, value in items.items():
        name = str(key)
        if name.lower().startswith(_COVER) and isinstance(value, APEBinaryValue):
            tags.pictures.append(_picture(name, bytes(value.value or b"")))
        elif isinstance(value, APETextValue):
            _take(tags, name, list(value), (name, value))
        else:
            tags.keep((name, value))
    return tags


def put(items: Any, tags: Tags) -> None:
    """Have in *items*, those of a result, exactly these *tags*."""
    items.clear()
    natives, fields = tags.split("ape")
    for pair in natives:
        assert isinstance(pair, tuple)
        items[pair[0]] = pair[1]
    for key, (number, total) in _PAIRED.items():
        if values := fields.pop(number, []):
            items[key] = "/".join([*values[:1], *fields.pop(total, [])[:1]])
    for field, values in fields.items():
        items[(names_of(field).ape or field)[:_LONGEST_KEY]] = values
    for picture in tags.pictures:
        word = _TYPES[picture.type] if picture.type < len(_TYPES) else _TYPES[0]
        data = picture.description.encode() + b"\0" + picture.data
        items[f"Cover Art ({word})"] = APEBinaryValue(data)


def _take(tags: Tags, name: str, values: list[str], native: object) -> None:
    paired = _PAIRED.get(name.title())
    if paired and values and "/" in values[0]:
        for field, value in zip(paired, values[0].split("/", 1), strict=True):
            tags.add(field, [value], native)
    else:
        tags.add(name, values, native, form="ape")


def _picture(key: str, value: bytes) -> Picture:
    description, _, data = value.partition(b"\0")
    word = key[len(_COVER) :].rstrip(")").lower()
    number = _TYPES.index(word) if word in _TYPES else FRONT
    return Picture(data, number, description.decode(errors="replace"))
