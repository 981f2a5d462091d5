"""Find where the frames of a FLAC file start and end, by the checksums in their headers and footers (RFC 9639)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.media.layout import Layout, gap_between
from runner.media.tag_bytes import tag_length

if TYPE_CHECKING:
    from runner.media.layout import Data

_MARK = b"fLaC"


def _table(polynomial: int, bits: int) -> tuple[int, ...]:
    top, mask = 1 << bits - 1, (1 << bits) - 1
    values = []
    for value in range(256):
        crc = value << bits - 8
        for _ in range(8):
            crc = (crc << 1 ^ polynomial if crc & top else crc << 1) & mask
        values.append(crc)
    return tuple(values)


_CRC8, _CRC16 = _table(0x07, 8), _table(0x8005, 16)


def find_flac(data: Data) -> Layout | None:
    """Return where the header and the frames of a FLAC file are; None if it has no header."""
    start = data.find(_MARK)
    if start < 0:
        return None
    tagged = tag_length(data, 0) if data[:3] == b"ID3" else 0
    first = _after_head(data, start + len(_MARK))
    last = _last_frame(data, first)
    end = _end_of_frame(data, last, *_frame_sizes(data, start)) if last is not None else first
    is_cut = end is None
    frames_end = last if end is None and last is not None else end or first
    return Layout(
        head=(start, first),
        before=gap_between(data, tagged, start, 0.0),
        after=gap_between(data, frames_end, len(data), 0.0),
        frames=((first, frames_end),),
        count=1,
        is_cut=is_cut,
    )


def _after_head(data: Data, position: int) -> int:
    """Return where the frames start, after the last metadata block."""
    while position + 4 <= len(data):
        head = data[position : position + 4]
        position += 4 + int.from_bytes(head[1:], "big")
        if head[0] & 0x80:
            break
    return min(position, len(data))


def _last_frame(data: Data, first: int) -> int | None:
    """Return where the last frame starts; a frame header must have the right checksum."""
    position = len(data)
    while (position := data.rfind(b"\xff", first, position)) >= 0:
        if data[position + 1 : position + 2] in (b"\xf8", b"\xf9") and _is_head(data, position):
            return position
    return None


def _is_head(data: Data, position: int) -> bool:
    head = data[position : position + 16]
    if len(head) < 6 or head[2] >> 4 == 0 or head[2] & 15 == 15 or head[3] & 1:
        return False
    number = head[4]
    length = 4 + max(1, next((i for i in range(8) if not number & 0x80 >> i), 7))
    length += {6: 1, 7: 2}.get(head[2] >> 4, 0) + {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    crc = 0
    for byte in head[: length + 1]:
        crc = _CRC8[crc ^ byte]
    return crc == 0 and length < len(head)


def _end_of_frame(data: Data, start: int, shortest: int, longest: int) -> int | None:
    """Return where the frame that starts at *start* ends; None if it is incomplete."""
    crc, before, ends = 0, 1, []
    for count, byte in enumerate(data[start : start + longest], start=1):
        crc = (crc << 8 & 0xFFFF) ^ _CRC16[crc >> 8 ^ byte]
        # the checksum over a frame including its checksum is 0, and stays 0 over zeros after it
        if crc == 0 != before and count >= shortest:
            ends.append(start + count)
        before = crc
    # one position in 65,536 has the right checksum by chance
    sure = [end for end in ends if end == len(data) or tag_length(data, end)]
    return max(sure or ends, default=None)


def _frame_sizes(data: Data, start: int) -> tuple[int, int]:
    """Return the shortest and the longest frame size, from the first metadata block."""
    sizes = data[start + 12 : start + 18]
    return int.from_bytes(sizes[:3], "big") or _SHORTEST, int.from_bytes(
        sizes[3:], "big"
    ) or _LONGEST


_SHORTEST = 9
"""The smallest frame in bytes: a header, a constant block and the checksum."""
_LONGEST = 1 << 20
