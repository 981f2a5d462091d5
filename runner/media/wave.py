"""Read the header of a WAV file that is plain enough to become FLAC and lose nothing by that."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.media.chunks import chunks, read_at
from runner.media.hashing import md5_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_PCM, _EXTENSIBLE = 1, 0xFFFE
_PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")
_SPEAKERS = {1: (0, 4), 2: (0, 3)}
"""The channel masks of mono and stereo, which FLAC has without a mask of its own."""
_KEPT = frozenset((b"fmt ", b"data", b"fact", b"LIST"))
_FILLERS = frozenset((b"JUNK",))
"""What ffmpeg writes where a ds64 chunk might have to be."""
_TEXTS = frozenset(
    (b"IART", b"INAM", b"IPRD", b"ICRD", b"ICMT", b"IGNR", b"ITRK", b"IPRT", b"ICOP", b"ISFT")
)
_MOST_TEXT = 1 << 16


@dataclass(frozen=True)
class Wave:
    """A WAV file with nothing but PCM in mono or stereo, and a few texts."""

    path: str
    size: int
    """Of the file, in bytes."""
    rate: int
    channels: int
    bits: int
    start: int
    """Where the samples are, in bytes."""
    length: int

    @property
    def format(self) -> tuple[int, int, int, int]:
        """The rate, channels, bits and number of samples a channel, as FLAC's header has them."""
        return (self.rate, self.channels, self.bits, self.length * 8 // self.bits // self.channels)

    def md5(self) -> str:
        """Return the hash of all samples, which are the file's own bytes."""
        return md5_of(self.path, self.start, self.length)


def read_wave(path: str) -> Wave | None:
    """Return what the header of the file at *path* says; None if it is no plain WAV file, or not whole.

    Raises:
        OSError: It cannot be read.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = read_at(file, 0, 12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return None
        if int.from_bytes(head[4:8], "little") != size - 8:
            return None  # it was cut off, or never finished, or something follows
        return _read_chunks(file, path, size)


def _read_chunks(file: BinaryIO, path: str, size: int) -> Wave | None:
    found: dict[bytes, tuple[int, int]] = {}
    end = 12
    for name, body, length in chunks(file, 12, size, "little"):
        end = body + length + length % 2
        if name in _FILLERS:
            continue
        if name not in _KEPT or name in found:
            return None
        if name == b"LIST" and not _is_plain_text(file, body, length):
            return None
        found[name] = body, length
    if end != size or b"fmt " not in found or b"data" not in found:
        return None
    (body, length), (start, sound) = found[b"fmt "], found[b"data"]
    if body > start or not (layout := _layout(read_at(file, body, min(length, 40)))):
        return None
    rate, channels, bits = layout
    if not sound or sound % (channels * bits // 8):
        return None
    return Wave(path, size, rate, channels, bits, start, sound)


def _layout(fmt: bytes) -> tuple[int, int, int] | None:
    """Return the rate, channels and bits of a `fmt ` chunk; None if it is anything but plain."""

    def number(start: int, width: int) -> int:
        return int.from_bytes(fmt[start : start + width], "little")

    tag, channels, rate, bits = number(0, 2), number(2, 2), number(4, 4), number(14, 2)
    if len(fmt) < 16 or bits not in (16, 24) or channels not in _SPEAKERS or not rate:
        return None
    if number(12, 2) != channels * bits // 8:
        return None
    if tag == _PCM:
        return rate, channels, bits
    is_plain = number(18, 2) == bits and number(20, 4) in _SPEAKERS[channels]
    if tag == _EXTENSIBLE and len(fmt) == 40 and is_plain and fmt[24:] == _PCM_GUID:
        return rate, channels, bits
    return None


def _is_plain_text(file: BinaryIO, body: int, length: int) -> bool:
    """Return whether a LIST chunk has only texts that FLAC's comments hold as well, each once."""
    if length > _MOST_TEXT or read_at(file, body, 4) != b"INFO":
        return False
    texts = list(_texts(file, body + 4, body + length))
    names = [name for name, _ in texts]
    return set(names) <= _TEXTS and len(set(names)) == len(names) and all(t for _, t in texts)


def _texts(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, bool]]:
    """Yield the name of each text, and whether it is what it seems to be."""
    for name, body, length in chunks(file, start, end, "little"):
        text = read_at(file, body, length).rstrip(b"\0")
        try:
            is_text = text.decode().isprintable()
        except UnicodeDecodeError:
            is_text = False  # which charset it is in, only whoever reads the file can guess
        yield name, is_text and body + length <= end
