"""Vorbis comments: of FLAC files and of all in Ogg."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any

from mutagen.flac import Picture as Block
from mutagen.flac import error as FlacError  # noqa: N812 - the library's own name is "error"

from runner.media.tags.model import Picture, Tags
from runner.media.tags.names import is_gain

if TYPE_CHECKING:
    from runner.media.tags.ffmetadata import Chapter

_PICTURE = "METADATA_BLOCK_PICTURE"
_KEY = re.compile(r"[ -<>-}]+")
_PAIRED = {"TRACKNUMBER": "TRACKTOTAL", "DISCNUMBER": "DISCTOTAL"}
# Opus has its own two fields, 5 dB below ReplayGain's reference, in 256ths of a dB; others it
# should not have: https://www.rfc-editor.org/rfc/rfc7845#section-5.2.1
_R128 = {"REPLAYGAIN_TRACK_GAIN": "R128_TRACK_GAIN", "REPLAYGAIN_ALBUM_GAIN": "R128_ALBUM_GAIN"}
_LARGEST_BLOCK = 2**24 - 2**18
"""Bytes of text that one block of a FLAC file holds beside names and chapters."""
LARGEST_PICTURE = 2**24 - 2**10
"""Bytes of picture data that one block of a FLAC file can hold beside the description."""


def from_file(file: Any) -> Tags:
    """Read the tags of mutagen's *file*, FLAC or Ogg."""
    tags = Tags("vorbis")
    comments: dict[str, list[str]] = {}
    for key, value in file.tags or ():
        comments.setdefault(key, []).append(value)
    upper = {key.upper(): values for key, values in comments.items()}
    for key, values in comments.items():
        name = key.upper()
        if name == "DESCRIPTION" and "COMMENT" not in upper:
            name = "COMMENT"  # so ffmpeg writes it, and others read it
        _take(tags, name, values, (key, values))
    tags.pictures += _pictures(file, upper)
    return tags


def put(file: Any, tags: Tags, chapters: list[Chapter]) -> list[str]:
    """Have in *file*, mutagen's of a result, exactly these *tags*; returns what it cannot hold."""
    comments = file.tags
    comments.clear()
    natives, fields = tags.split("vorbis")
    for pair in natives:
        assert isinstance(pair, tuple)
        key, values = pair
        comments.extend((key, value) for value in values)
    if type(file).__name__ == "OggOpus":
        fields = _with_r128(fields)
    lost = [field for field in fields if not _KEY.fullmatch(field)]
    if hasattr(file, "add_picture"):
        lost += _too_long({f: values for f, values in fields.items() if f not in lost})
    for field, values in fields.items():
        comments.extend((field, value) for value in values if field not in lost)
    comments.extend(_chapter_comments(chapters))
    blocks = [_block(picture) for picture in tags.pictures]
    if hasattr(file, "add_picture"):
        file.clear_pictures()
        for block in blocks:
            file.add_picture(block)
    else:
        comments.extend((_PICTURE, base64.b64encode(b.write()).decode()) for b in blocks)
    return lost


def _too_long(fields: dict[str, list[str]]) -> list[str]:
    """Return the longest of *fields*, without which the others fit into one block."""
    sizes = {field: sum(len(v.encode()) for v in values) for field, values in fields.items()}
    lost: list[str] = []
    while sum(sizes.values()) > _LARGEST_BLOCK:
        lost.append(max(sizes, key=lambda field: sizes[field]))
        del sizes[lost[-1]]
    return lost


def _take(tags: Tags, key: str, values: list[str], native: object) -> None:
    if key in _PAIRED and "/" in values[0]:
        number, total = values[0].split("/", 1)
        tags.add(key, [number], native)
        tags.add(_PAIRED[key], [total], native)
    elif key in _R128.values():
        gain = next(field for field, ours in _R128.items() if ours == key)
        if re.fullmatch(r"-?\d+", values[0]):
            tags.add(gain, [f"{int(values[0]) / 256 + 5:.2f} dB"])
    else:
        # what tells of loudness has another form in Opus than elsewhere
        tags.add(key, values, None if is_gain(key) else native)


def _with_r128(fields: dict[str, list[str]]) -> dict[str, list[str]]:
    made = {field: values for field, values in fields.items() if not is_gain(field)}
    for field, name in _R128.items():
        found = re.match(r"\s*([-+]?\d+(?:\.\d*)?)", "".join(fields.get(field, [])[:1]))
        if found and abs(steps := round((float(found[1]) - 5) * 256)) < 2**15:
            made[name] = [str(steps)]
    return made


def _pictures(file: Any, comments: dict[str, list[str]]) -> list[Picture]:
    blocks = list(getattr(file, "pictures", ()))
    blocks += filter(None, map(_unpacked, comments.get(_PICTURE, ())))
    pictures = [Picture(block.data, int(block.type), block.desc) for block in blocks]
    pictures += [Picture(_decoded(text)) for text in comments.get("COVERART", ())]
    return [picture for picture in pictures if picture.data]


def _unpacked(text: str) -> Block | None:
    try:
        return Block(_decoded(text))
    except FlacError:
        return None  # one picture is damaged, not the tags


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""


def _block(picture: Picture) -> Block:
    block = Block()
    block.data, block.mime = picture.data, picture.mime
    block.type, block.desc = picture.type, picture.description
    return block


def _chapter_comments(chapters: list[Chapter]) -> list[tuple[str, str]]:
    """As https://wiki.xiph.org/Chapter_Extension has them."""
    comments = []
    for number, chapter in enumerate(chapters[:1000]):
        minutes, seconds = divmod(chapter.start, 60)
        start = f"{minutes // 60:02.0f}:{minutes % 60:02.0f}:{seconds:06.3f}"
        comments.append((f"CHAPTER{number:03}", start))
        if chapter.title:
            comments.append((f"CHAPTER{number:03}NAME", chapter.title))
    return comments
