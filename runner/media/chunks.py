"""Count the bytes that a file lacks according to the length in its container.

ffmpeg shortens that length to what is there, and then sees nothing wrong with half a file.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_UNKNOWN = 0x7FFF0000
"""The smallest 32-bit length that programs (sox, ffmpeg, mplayer) write for an unknown one."""


def missing_bytes(path: str, demuxer: str) -> int:
    """Return how many bytes are missing at the end of the file at *path*; 0 if unknown.

    *demuxer* is the one that ffmpeg uses for the file.
    """
    end_of = _ENDS.get(demuxer)
    if end_of is None:
        return 0
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        end = end_of(file, size)
    return max(0, end - size) if end else 0


def _riff(file: BinaryIO, size: int) -> int:
    """WAV, RF64 and AVI, which may consist of several RIFFs."""
    start, end = 0, 0
    while start < size and (head := read_at(file, start, 12))[:4] in (b"RIFF", b"RF64"):
        if head[8:] == b"WAVE":
            return _wave(file, size)
        for name, body, length in chunks(file, start + 12, size, "little"):
            if name == b"LIST" and length < _UNKNOWN and read_at(file, body, 4) == b"movi":
                end = max(end, body + length)
        start += 8 + int.from_bytes(head[4:8], "little")
    return end


def _wave(file: BinaryIO, size: int) -> int:
    long = 0
    for name, body, length in chunks(file, 12, size, "little"):
        if name == b"ds64":
            long = int.from_bytes(read_at(file, body + 8, 8), "little")
        elif name == b"data":
            return body + length if length < _UNKNOWN else (long and body + long)
    return 0


def _aiff(file: BinaryIO, size: int) -> int:
    for name, body, length in chunks(file, 12, size, "big"):
        if name == b"SSND":
            return body + length if length < _UNKNOWN else 0
    return 0


def _caf(file: BinaryIO, _: int) -> int:
    position = 8
    while len(head := read_at(file, position, 12)) == 12:
        length = int.from_bytes(head[4:], "big", signed=True)
        if head[:4] == b"data":
            return position + 12 + length if length > 0 else 0
        if length < 0:
            return 0
        position += 12 + length
    return 0


def _w64(file: BinaryIO, _: int) -> int:
    position = 40
    while len(head := read_at(file, position, 24)) == 24:
        length = int.from_bytes(head[16:], "little")
        if head[:4] == b"data":
            return position + length if 24 < length < 1 << 62 else 0
        if length < 24:
            return 0
        position += (length + 7) & ~7
    return 0


def _au(file: BinaryIO, _: int) -> int:
    head = read_at(file, 0, 12)
    offset, length = int.from_bytes(head[4:8], "big"), int.from_bytes(head[8:], "big")
    return offset + length if length < _UNKNOWN else 0


_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def _asf(file: BinaryIO, _: int) -> int:
    head = read_at(file, 0, 1 << 16)
    properties = head.find(_ASF_PROPERTIES)
    if properties >= 0 and head[properties + 88 : properties + 89] == b"\x01":
        return 0  # a broadcast does not know its length
    start = int.from_bytes(head[16:24], "little")
    data = read_at(file, start, 24)
    length = int.from_bytes(data[16:], "little")
    return start + length if data[:16] == _ASF_DATA and 50 < length < 1 << 62 else 0


_EBML_SEGMENT = b"\x18\x53\x80\x67"


def _matroska(file: BinaryIO, _: int) -> int:
    head = read_at(file, 0, 1024)
    start = head.find(_EBML_SEGMENT) + 4
    if start < 4 or start >= len(head) or not head[start]:
        return 0
    width = 9 - head[start].bit_length()
    length = int.from_bytes(head[start : start + width], "big") & (1 << 7 * width) - 1
    is_known = length != (1 << 7 * width) - 1
    return start + width + length if is_known else 0


def chunks(
    file: BinaryIO, position: int, size: int, order: Literal["little", "big"]
) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name, position and length of each chunk of *file* from *position* to *size*."""
    while position < size and len(head := read_at(file, position, 8)) == 8:
        length = int.from_bytes(head[4:], order)
        yield head[:4], position + 8, length
        position += 8 + length + length % 2


def read_at(file: BinaryIO, position: int, size: int) -> bytes:
    """Return *size* bytes of *file* from *position* on; fewer at its end."""
    file.seek(position)
    return file.read(size)


_ENDS: Mapping[str, Callable[[BinaryIO, int], int]] = {
    "wav": _riff,
    "avi": _riff,
    "aiff": _aiff,
    "caf": _caf,
    "w64": _w64,
    "au": _au,
    "asf": _asf,
    "matroska,webm": _matroska,
}
"""Functions that return where a file of this demuxer should end."""
