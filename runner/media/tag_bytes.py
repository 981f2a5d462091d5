"""Find the length of tags before, after and between the frames of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import mmap

    Data = bytes | mmap.mmap

_ID3V1, _ID3V2_HEAD, _APE_FOOTER = 128, 10, 32
_AMR = (b"#!AMR-WB\n", b"#!AMR\n")
TAG_MARKS = (b"ID3", b"TAG", b"3DI", b"APETAGEX", b"LYRICSBEGIN", *_AMR)
"""The first bytes of tags, and of other data before a stream."""


def tag_length(data: Data, position: int) -> int:
    """Return the length of the tag that starts at *position*; 0 if there is none."""
    mark = data[position : position + 11]
    if mark[:3] == b"ID3" or mark[:3] == b"3DI":
        return _id3v2_length(data, position)
    if mark[:8] == b"APETAGEX":
        return _ape_length(data, position)
    if mark == b"LYRICSBEGIN":
        end = data.find(b"LYRICS200", position)
        return end + 9 - position if end > 0 else 0
    if mark[:5] == b"#!AMR":
        return next((len(head) for head in _AMR if mark.startswith(head)), 0)
    # an ID3v1 tag is where its file ended: at the end, or where the next joined file starts
    if mark[:3] == b"TAG" and position + _ID3V1 <= len(data):
        return _ID3V1
    return 0


def _id3v2_length(data: Data, position: int) -> int:
    head = data[position : position + _ID3V2_HEAD]
    if len(head) < _ID3V2_HEAD or head[3] > 4 or any(byte > 0x7F for byte in head[6:]):
        return 0
    if head[:3] == b"3DI":  # the footer of a tag that was already removed
        return _ID3V2_HEAD
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return _ID3V2_HEAD + size + (_ID3V2_HEAD if head[5] & 0x10 else 0)


def ape_items_before(data: Data, position: int) -> int:
    """Return how many bytes before an APE footer at *position* belong to its tag; 0 if it is not a footer."""
    head = data[position : position + _APE_FOOTER]
    if head[:8] != b"APETAGEX" or int.from_bytes(head[20:24], "little") & 1 << 29:
        return 0
    return max(0, int.from_bytes(head[12:16], "little") - _APE_FOOTER)


def _ape_length(data: Data, position: int) -> int:
    head = data[position : position + _APE_FOOTER]
    size, flags = int.from_bytes(head[12:16], "little"), int.from_bytes(head[20:24], "little")
    is_header = bool(flags & 1 << 29)
    return _APE_FOOTER + size if is_header else _APE_FOOTER
