"""The tags of MP4: Apple's atoms, and freeform ones with a name."""

from __future__ import annotations

import re
from typing import Any

from mutagen.mp4 import AtomDataType, MP4Cover, MP4FreeForm

from runner.media.tags.model import Picture, Tags
from runner.media.tags.names import field_of, is_known, names_of

_FREEFORM = "----:com.apple.iTunes:"
_PAIRED = {"trkn": ("TRACKNUMBER", "TRACKTOTAL"), "disk": ("DISCNUMBER", "DISCTOTAL")}
_NUMBERS = ("tmpo", "©mvi", "©mvc", "tves", "tvsn")
_LARGEST_NUMBER = 2**16 - 1
_FORMATS = {"image/jpeg": MP4Cover.FORMAT_JPEG, "image/png": MP4Cover.FORMAT_PNG}


def from_file(file: Any) -> Tags:
    """Read the tags of mutagen's *file*."""
    tags = Tags("mp4")
    for key, value in (file.tags or {}).items():
        name = str(key)
        if name == "©too":
            continue  # the program that wrote the file
        if name == "covr":
            tags.pictures += [Picture(bytes(one)) for one in value]
        elif name in _PAIRED:
            for field, number in zip(_PAIRED[name], value[0], strict=True):
                tags.add(field, [str(number)] if number else [], (key, value))
        elif key.startswith("----:"):
            _take_freeform(tags, key, value)
        elif name == "cpil":
            tags.add(name, [str(int(value))] if value else [], (key, value), form="mp4")
        elif isinstance(value, list) and all(isinstance(one, str) for one in value):
            own = name if is_known(field_of(name, "mp4")) else name.lstrip("©")
            tags.add(own, value, (key, value), form="mp4")
        elif name in _NUMBERS:
            tags.add(name, [str(one) for one in value], (key, value), form="mp4")
        else:
            tags.keep((key, value))
    return tags


def put(atoms: Any, tags: Tags) -> None:
    """Have in *atoms*, those of a result, exactly these *tags*; pictures are JPEG and PNG."""
    encoder = atoms.get("©too")
    atoms.clear()
    natives, fields = tags.split("mp4")
    for pair in natives:
        assert isinstance(pair, tuple)
        atoms[pair[0]] = pair[1]
    for key, parts in _PAIRED.items():
        numbers = [_number(fields, part) for part in parts]
        if any(numbers):
            atoms[key] = [tuple(numbers)]
    for field, values in fields.items():
        if field != "CREATION_TIME":  # ffmpeg writes it where MP4 has it
            _put(atoms, field, values)
    if encoder:
        atoms["©too"] = encoder
    if tags.pictures:
        atoms["covr"] = [MP4Cover(p.data, _FORMATS[p.mime]) for p in tags.pictures]


def _take_freeform(tags: Tags, key: str, value: list[Any]) -> None:
    try:
        texts = [bytes(one).decode() for one in value]
    except UnicodeDecodeError:
        texts = []
    name = key.split(":", 2)[2]
    if texts and key.startswith(_FREEFORM):
        tags.add(name, texts, (key, value), form="mp4")
    else:
        tags.keep((key, value))


def _number(fields: dict[str, list[str]], field: str) -> int:
    """Take the number in *field* out of *fields*; 0 if it is not a number."""
    text = fields.get(field, [""])[0].strip()
    if not re.fullmatch(r"\d{1,5}", text) or int(text) > _LARGEST_NUMBER:
        return 0
    del fields[field]
    return int(text)


def _put(atoms: Any, field: str, values: list[str]) -> None:
    name = names_of(field).mp4 or field
    number = re.match(r"\s*(\d{1,4}(?:\.\d+)?)(?![\d:/])", values[0])
    if name in _NUMBERS and number:
        atoms[name] = [round(float(number[1]))]
    elif name == "cpil":
        atoms[name] = values[0].strip().lower() not in ("0", "false", "no")
    elif len(name) == len("©nam") and name not in (*_NUMBERS, *_PAIRED) and name != field:
        atoms[name] = values
    else:
        own = field if name in (*_NUMBERS, *_PAIRED) else name
        atoms[_FREEFORM + own] = [MP4FreeForm(v.encode(), AtomDataType.UTF8) for v in values]
