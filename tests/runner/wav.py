"""Read WAV files by their chunks, without ffmpeg."""

import struct
from dataclasses import dataclass
from pathlib import Path

_INTEGERS, _FLOATS, _EXTENSIBLE = 1, 3, 0xFFFE


@dataclass(frozen=True)
class Wav:
    """What a WAV file holds."""

    codec: str
    """In ffmpeg's words, such as "pcm_s16le"."""
    seconds: float


def read_wav(path: Path) -> Wav:
    """Read the file at *path*; all that its chunks announce is there."""
    data = path.read_bytes()
    chunks, at = {}, 12
    while at < len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        chunks[name] = data[at + 8 : at + 8 + size]
        assert len(chunks[name]) == size, name
        at += 8 + size + size % 2
    form, _, _, bytes_a_second, _, bits = struct.unpack_from("<HHIIHH", chunks[b"fmt "])
    if form == _EXTENSIBLE:  # which begins its GUID
        (form,) = struct.unpack_from("<H", chunks[b"fmt "], 24)
    kind = {_INTEGERS: "s", _FLOATS: "f"}[form]
    return Wav(f"pcm_{kind}{bits}le", len(chunks[b"data"]) / float(bytes_a_second))
