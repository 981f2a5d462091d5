"""ID3 tags: of MP3, WAV and AIFF files, and in front of or behind much else."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Any

import mutagen.id3._frames
from mutagen.id3 import ID3, Frames, ID3NoHeaderError, ID3TimeStamp, ParseID3v1, TextFrame

from runner.media.tags.charset import decode
from runner.media.tags.model import Picture, Tags
from runner.media.tags.names import TABLE, names_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runner.media.tags.ffmetadata import Chapter

_LARGEST_FRAME = 64 * 1024 * 1024


class _BoundedZlib:
    """What mutagen knows as zlib: a frame of a few kB may not become gigabytes."""

    error = zlib.error

    @staticmethod
    def decompress(data: bytes) -> bytes:
        inflating = zlib.decompressobj()
        text = inflating.decompress(data, _LARGEST_FRAME)
        if inflating.unconsumed_tail:
            raise zlib.error("the frame is too large")
        return text


mutagen.id3._frames.zlib = _BoundedZlib  # type: ignore[assignment,attr-defined] # noqa: SLF001 - no public way

_FIELDS = {names.id3: names.field for names in TABLE if names.id3}
_PAIRED = {
    "TRCK": ("TRACKNUMBER", "TRACKTOTAL"),
    "TPOS": ("DISCNUMBER", "DISCTOTAL"),
    "MVIN": ("MOVEMENT", "MOVEMENTTOTAL"),
}
_PEOPLE = {
    "arranger": "ARRANGER",
    "engineer": "ENGINEER",
    "producer": "PRODUCER",
    "DJ-mix": "DJMIXER",
    "mix": "MIXER",
}
_ROLES = {field: role for role, field in _PEOPLE.items()}
_MUSICBRAINZ = "http://musicbrainz.org"
_DATE = re.compile(r"\d{4}(?:-\d\d(?:-\d\d(?:[T ]\d\d(?::\d\d(?::\d\d)?)?)?)?)?")
# Where the stream's own positions are, and how it was encrypted: what is not true of another stream.
# Chapters are ffmpeg's to carry.
_OF_THE_STREAM = frozenset(
    (
        *("AENC", "ASPI", "CHAP", "CTOC", "ENCR", "ETCO", "GRID", "LINK", "MLLT", "POSS", "RBUF"),
        *("SEEK", "SIGN", "SYTC", "TDLY", "TDTG", "TFLT", "TLEN", "TSIZ", "TSSE"),
    )
)
_GAIN = ("RVA2", "RVAD", "RGAD", "XRVA", "EQU2", "EQUA", "RVRB")
_OF_THE_RESULT = ("CHAP", "CTOC", "TSSE")
# v2.3 has no frames for these; the sort orders are understood there all the same
_NOT_IN_V23 = ("TMOO", "TSST", "TDRL", "TDEN", "TDOR")
_SORT_ORDERS = ("TSOA", "TSOP", "TSOT")


def read_head(path: str) -> Tags:
    """Read the ID3v2 tag at the start of the file at *path*."""
    try:
        return from_frames(ID3(path, load_v1=False))
    except ID3NoHeaderError:
        return Tags("id3")


def read_v1(path: str) -> Tags:
    """Read the ID3v1 tag at the end of the file at *path*."""
    tags = Tags("id3")
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 128))
        data = file.read(128)
    frames = ParseID3v1(data) if data[:3] == b"TAG" else None
    for name, frame in (frames or {}).items():
        values = frame.genres if name == "TCON" else [str(text) for text in frame.text]
        # mutagen reads all of it as Latin-1, from which the bytes can be had again
        texts = [decode(text.encode("latin-1")) for text in values]
        tags.add("COMMENT" if name == "COMM" else name, texts, form="id3")
    return tags


def from_frames(frames: Any) -> Tags:
    """Read the *frames* of an ID3v2 tag."""
    tags = Tags("id3")
    for frame in frames.values():
        if frame.FrameID == "APIC":
            tags.pictures.append(Picture(frame.data, int(frame.type), frame.desc))
        elif frame.FrameID not in _OF_THE_STREAM:
            _take(tags, frame)
    return tags


def open_head(path: str) -> Any:
    """Open the ID3v2 tag at the start of the result at *path*."""
    try:
        frames = ID3(path, load_v1=False)
    except ID3NoHeaderError:
        frames = ID3()
        frames.filename = path  # type: ignore[assignment] # where it is saved
    return frames


def put(frames: Any, tags: Tags, chapters: Sequence[Chapter], *, version: str) -> None:
    """Have in *frames*, those of a result, exactly these *tags*."""
    for key in [key for key, frame in frames.items() if frame.FrameID not in _OF_THE_RESULT]:
        del frames[key]
    natives, fields = tags.split("id3")
    for frame in (*natives, *_frames(fields)):
        frames.add(frame)
    for picture in tags.pictures:
        description = picture.description
        while f"APIC:{description}" in frames:
            description += " "  # frames of one description replace each other
        frames.add(
            Frames["APIC"](
                encoding=3,
                mime=picture.mime,
                type=picture.type,
                desc=description,
                data=picture.data,
            )
        )
    for frame in _chapter_frames(chapters):
        frames.add(frame)
    if version == "2.3":
        _to_v23(frames)


def _chapter_frames(chapters: Sequence[Chapter]) -> list[Any]:
    """As https://id3.org/id3v2-chapters-1.0 has them."""
    names = [f"chp{number}" for number in range(len(chapters[:255]))]
    frames = []
    for name, chapter in zip(names, chapters, strict=False):
        title = Frames["TIT2"](encoding=3, text=[chapter.title])
        times = {"start_time": int(chapter.start * 1000), "end_time": int(chapter.end * 1000)}
        nowhere = {"start_offset": 0xFFFFFFFF, "end_offset": 0xFFFFFFFF}
        frames.append(Frames["CHAP"](element_id=name, **times, **nowhere, sub_frames=[title]))
    if names:
        table = {"element_id": "toc", "flags": 3, "child_element_ids": names, "sub_frames": []}
        frames.append(Frames["CTOC"](**table))
    return frames


def _take(tags: Tags, frame: Any) -> None:
    name = frame.FrameID
    is_text = isinstance(frame, TextFrame)  # MVNM and GRP1 too, not those with a language
    if name in _TAKEN_APART:
        for field, values in _TAKEN_APART[name](frame):
            tags.add(field, values, frame, form="id3" if name == "TXXX" else "")
    elif is_text:
        tags.add(name, [str(text) for text in frame.text], frame, form="id3")
    elif name in _FIELDS and hasattr(frame, "url"):
        tags.add(name, [frame.url], frame, form="id3")
    elif name in _GAIN:
        tags.keep(frame, "REPLAYGAIN_RVA2")
    elif name != "UFID" or frame.owner != _MUSICBRAINZ:
        tags.keep(frame)
    else:
        tags.add("MUSICBRAINZ_TRACKID", [frame.data.decode("ascii", "replace")], frame)


def _pair(frame: Any) -> list[tuple[str, list[str]]]:
    numbers = str(frame.text[0]).split("/", 1)
    return [(f, [n]) for f, n in zip(_PAIRED[frame.FrameID], numbers, strict=False)]


def _comment(frame: Any) -> list[tuple[str, list[str]]]:
    if frame.desc.startswith("iTun"):  # not for people
        return [(frame.desc, frame.text)]
    return [(f"COMMENT:{frame.desc}" if frame.desc else "COMMENT", frame.text)]


def _people(frame: Any) -> list[tuple[str, list[str]]]:
    others = [(role, person) for role, person in frame.people if role not in _PEOPLE]
    performers = [f"{person} ({role})" if role else person for role, person in others]
    people = [(_PEOPLE[role], [person]) for role, person in frame.people if role in _PEOPLE]
    return [*people, ("PERFORMER", performers)]


_TAKEN_APART: Mapping[str, Callable[[Any], list[tuple[str, list[str]]]]] = {
    "TXXX": lambda frame: [(frame.desc, frame.text)],
    **dict.fromkeys(_PAIRED, _pair),
    "COMM": _comment,
    "USLT": lambda frame: [("LYRICS", [frame.text])],
    "TCON": lambda frame: [("GENRE", frame.genres)],
    "WXXX": lambda frame: [(f"URL:{frame.desc}" if frame.desc else "URL", [frame.url])],
    **dict.fromkeys(("TIPL", "TMCL", "IPLS"), _people),
}


def _frames(fields: dict[str, list[str]]) -> list[Any]:
    """*fields* as frames."""
    frames: list[Any] = []
    for name, parts in _PAIRED.items():
        number, total = (fields.pop(part, [""])[0] for part in parts)
        if number or total:
            text = f"{number}/{total}" if total else number
            frames.append(Frames[name](encoding=3, text=[text]))
    people = [[_ROLES[f], v] for f in _ROLES for v in fields.pop(f, [])]
    if people:
        frames.append(Frames["TIPL"](encoding=3, people=people))
    if performers := fields.pop("PERFORMER", []):
        pairs = [re.fullmatch(r"(.*?)(?: \((.*)\))?", one, re.DOTALL) for one in performers]
        people = [[found[2] or "", found[1]] for found in pairs if found]
        frames.append(Frames["TMCL"](encoding=3, people=people))
    return frames + [frame for field, values in fields.items() for frame in _frame(field, values)]


def _frame(field: str, values: list[str]) -> list[Any]:
    known = names_of(field).id3
    name, _, description = known.partition(":") if known else ("TXXX", "", field)
    if name.startswith("TD"):
        return _date_frames(name, field, values)
    whole: dict[str, Any] = {"encoding": 3, "text": values}
    head, _, rest = field.partition(":")
    if head == "COMMENT":
        # players show those of no language but English
        name, whole = "COMM", {**whole, "lang": "eng", "desc": rest}
    elif field == "iTunNORM":
        name, whole = "COMM", {**whole, "lang": "eng", "desc": field}
    elif field == "LYRICS":
        name, whole = "USLT", {"encoding": 3, "lang": "eng", "text": "\n\n".join(values)}
    elif field == "MUSICBRAINZ_TRACKID":
        name, whole = "UFID", {"owner": _MUSICBRAINZ, "data": values[0].encode()}
    elif head == "URL":
        name, whole = "WXXX", {"encoding": 3, "desc": rest, "url": values[0]}
    elif name.startswith("W"):
        whole = {"url": values[0]}
    elif name == "TXXX":
        whole["desc"] = description
    return [Frames[name](**whole)]


def _date_frames(name: str, field: str, values: list[str]) -> list[Any]:
    """A frame of a time stamp, and one of free text for what cannot be one."""
    frames = []
    stamps = [ID3TimeStamp(value[:19]) for value in values if _DATE.match(value)]
    years = re.findall(r"(?<!\d)[12]\d{3}(?!\d)", " ".join(values))
    if stamps or years:
        frames.append(Frames[name](encoding=3, text=stamps or [ID3TimeStamp(years[0])]))
    if not stamps:
        frames.append(Frames["TXXX"](encoding=3, desc=field, text=values))
    return frames


def _to_v23(frames: Any) -> None:
    kept = [frame for name in _SORT_ORDERS for frame in frames.getall(name)]
    for name in _NOT_IN_V23:
        for frame in frames.getall(name):
            text = [str(one) for one in frame.text]
            if name != "TDOR" or len(text[0]) > len("2005"):
                kept.append(Frames["TXXX"](encoding=1, desc=_FIELDS[name], text=text))
    frames.update_to_v23()
    for frame in kept:
        frames.add(frame)
