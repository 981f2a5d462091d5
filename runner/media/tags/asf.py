"""The tags of Windows Media (ASF) files."""

from __future__ import annotations

import struct
from typing import Any

from mutagen.asf._attrs import (
    ASFBoolAttribute,
    ASFByteArrayAttribute,
    ASFGUIDAttribute,
    ASFUnicodeAttribute,
)

from runner.media.tags.model import FRONT, Picture, Tags
from runner.media.tags.names import names_of

_PICTURE = "WM/Picture"
_PAIRED = {
    "WM/TrackNumber": ("TRACKNUMBER", "TRACKTOTAL"),
    "WM/PartOfSet": ("DISCNUMBER", "DISCTOTAL"),
}


def from_file(file: Any) -> Tags:
    """Read the tags of mutagen's *file*."""
    tags = Tags("asf")
    attributes: dict[str, list[Any]] = {}
    for name, value in file.tags or ():
        attributes.setdefault(name, []).append(value)
    for name, values in attributes.items():
        if name == _PICTURE:
            tags.pictures += [picture for one in values if (picture := _picture(one.value))]
        elif any(isinstance(v, (ASFByteArrayAttribute, ASFGUIDAttribute)) for v in values):
            tags.keep((name, values))
        else:
            _take(tags, name, values)
    if "WM/Track" in attributes and "WM/TrackNumber" not in attributes:
        tags.add("TRACKNUMBER", [str(int(attributes["WM/Track"][0].value) + 1)])  # counts from 0
    return tags


def put(attributes: Any, tags: Tags) -> None:
    """Have in *attributes*, those of a result, exactly these *tags*."""
    attributes.clear()
    natives, fields = tags.split("asf")
    for pair in natives:
        assert isinstance(pair, tuple)
        attributes[pair[0]] = pair[1]
    for key, (number, total) in _PAIRED.items():
        if values := fields.pop(number, []):
            attributes[key] = "/".join([*values[:1], *fields.pop(total, [])[:1]])
    for field, values in fields.items():
        name = names_of(field).asf or field
        attributes[name] = [ASFUnicodeAttribute(value) for value in values]
    if tags.pictures:
        attributes[_PICTURE] = [ASFByteArrayAttribute(_packed(one)) for one in tags.pictures]


def _take(tags: Tags, name: str, values: list[Any]) -> None:
    if name == "WM/Track":
        return
    if all(isinstance(value, ASFBoolAttribute) for value in values):
        texts = ["1" for value in values if value.value]
    else:
        texts = [str(value) for value in values]
    paired = _PAIRED.get(name)
    if paired and "/" in texts[0]:
        for field, text in zip(paired, texts[0].split("/", 1), strict=True):
            tags.add(field, [text], (name, values))
    else:
        tags.add(name, texts, (name, values), form="asf")


def _picture(data: bytes) -> Picture | None:
    """A picture as Windows Media packs it: its type, its size, two texts, and itself."""
    head = struct.Struct("<BI")
    kind, size = head.unpack_from(data)
    texts, place = [], head.size
    for _ in range(2):
        end = place
        while data[end : end + 2] not in (b"\0\0", b""):
            end += 2
        texts.append(data[place:end].decode("utf-16-le", "replace"))
        place = end + 2
    image = data[place : place + size]
    return Picture(image, kind, texts[1]) if image else None


def _packed(picture: Picture) -> bytes:
    mime, description = (text.encode("utf-16-le") for text in (picture.mime, picture.description))
    head = struct.pack("<BI", picture.type or FRONT, len(picture.data))
    return head + mime + b"\0\0" + description + b"\0\0" + picture.data
