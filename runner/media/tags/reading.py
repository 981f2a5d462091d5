"""Read all tags of a source, from every place where they can be."""

from __future__ import annotations

import struct
import zlib
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mutagen import MutagenError

from runner.media.tags import ape, asf, id3, mp4, vorbis
from runner.media.tags.kinds import kind_of
from runner.media.tags.model import Tags
from runner.media.tags.names import is_known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# What a tag that was made to harm, or is merely damaged, can raise besides (found by fuzzing):
# wrong lengths, offsets and types meet mutagen's arithmetic in many places.
HOSTILE = (
    *(MutagenError, struct.error, zlib.error, EOFError, MemoryError, RecursionError),
    *(ValueError, TypeError, AttributeError, LookupError, ArithmeticError, AssertionError),
    NotImplementedError,
)
# Their own tags are not all that these containers have: there are old chunks and atoms besides.
_NOT_ALL = ("id3", "mp4", "")
_READERS: dict[str, Callable[[Any], Tags]] = {
    "vorbis": vorbis.from_file,
    "mp4": mp4.from_file,
    "asf": asf.from_file,
    "id3": lambda file: id3.from_frames(file.tags or {}),
}


def open_as(name: str, path: str) -> Any:
    """Open the file at *path* with mutagen's class *name*, such as "flac.FLAC"."""
    module, kind = name.split(".")
    return getattr(import_module(f"mutagen.{module}"), kind)(path)


def read_tags(path: str, by_ffmpeg: Iterable[tuple[str, str]]) -> tuple[Tags, bool]:
    """Read the tags of the file at *path*; say whether all of them could be read.

    *by_ffmpeg* is what ffmpeg knows of them: all there is of containers that mutagen does not know.
    """
    tags, is_whole = Tags(), True
    kind = ""
    try:
        kind, name = kind_of(path)
        tags = _READERS[kind](open_as(name, path)) if kind in _READERS else _read_raw(path, kind)
    except HOSTILE:
        is_whole = False
    if not is_whole or kind in _NOT_ALL:
        tags.fill(_from_ffmpeg(by_ffmpeg, only_known=is_whole and bool(tags.items) and kind != ""))
    tags.unify_names()
    return tags, is_whole


def _read_raw(path: str, kind: str) -> Tags:
    """Read the tags before and after the audio; for each field, those that say more."""
    places: tuple[Callable[[str], Tags], ...] = (id3.read_head, ape.read_tail, id3.read_v1)
    if kind == "ape":
        places = (ape.read_tail, id3.read_head, id3.read_v1)
    tags, *others = (read(path) for read in places)
    for other in others:
        other.unify_names()
        tags.fill(other)
    return tags


def _from_ffmpeg(pairs: Iterable[tuple[str, str]], *, only_known: bool) -> Tags:
    tags = Tags()
    for key, value in pairs:
        name, _, language = key.rpartition("-")
        if not (name and len(language) == len("eng") and language.islower()):
            name = key
        for field, part in _parts(name, value):
            tags.add(field, [part])
    if only_known:
        tags.items = [item for item in tags.items if is_known(item.field)]
    return tags


def _parts(name: str, value: str) -> list[tuple[str, str]]:
    paired = {"track": ("TRACKNUMBER", "TRACKTOTAL"), "disc": ("DISCNUMBER", "DISCTOTAL")}
    if "/" in value and (parts := paired.get(name.lower())):
        return list(zip(parts, value.split("/", 1), strict=True))
    return [(name, value)]
