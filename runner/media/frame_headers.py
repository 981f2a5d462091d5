"""Parse the frame headers of streams without a container: the length of a frame in bytes and time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable, Mapping

    Data = bytes | mmap.mmap


class FrameHeader(NamedTuple):
    """The content of a frame header."""

    length: int
    """In bytes, including the header."""
    seconds: float
    stream: object
    """The same for all frames of a stream."""
    has_data: bool = True


# ISO 11172-3 and 13818-3: kbit/s by "MPEG-1 or later" and layer
_MPEG_RATES = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_SAMPLES = {(True, 1): 384, (True, 2): 1152, (True, 3): 1152}
_MPEG_SAMPLES |= {(False, 1): 384, (False, 2): 1152, (False, 3): 576}
_MPEG_SAMPLE_RATES = (44100, 48000, 32000)


def mpeg(data: Data, at: int) -> FrameHeader | None:
    """MPEG audio, layers I to III, except free format, which ffmpeg cannot decode either."""
    head = data[at : at + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] < 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    rate, sample_rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or not 0 < rate < 15 or sample_rate == 3:
        return None
    is_first = version == 3
    hertz = _MPEG_SAMPLE_RATES[sample_rate] >> {3: 0, 2: 1, 0: 2}[version]
    samples = _MPEG_SAMPLES[is_first, layer]
    kilobits = _MPEG_RATES[is_first, layer][rate - 1]
    slot = 4 if layer == 1 else 1
    length = (samples // 8 * kilobits * 1000 // hertz // slot + (head[2] >> 1 & 1)) * slot
    return FrameHeader(length, samples / hertz, (version, layer, hertz))


_ADTS_RATES = (
    96000,
    88200,
    64000,
    48000,
    44100,
    32000,
    24000,
    22050,
    16000,
    12000,
    11025,
    8000,
    7350,
)


def adts(data: Data, at: int) -> FrameHeader | None:
    """AAC with ADTS headers (ISO 13818-7)."""
    head = data[at : at + 7]
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return None
    rate = head[2] >> 2 & 15
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    if rate >= len(_ADTS_RATES) or length < 7:
        return None
    return FrameHeader(
        length, 1024 * ((head[6] & 3) + 1) / _ADTS_RATES[rate], (head[1], head[2] & 0xFC)
    )


_AC3_RATES = (48000, 44100, 32000)
_AC3_KILOBITS = (
    32,
    40,
    48,
    56,
    64,
    80,
    96,
    112,
    128,
    160,
    192,
    224,
    256,
    320,
    384,
    448,
    512,
    576,
    640,
)


def ac3(data: Data, at: int) -> FrameHeader | None:
    """AC-3 and E-AC-3 (ETSI TS 102 366)."""
    head = data[at : at + 6]
    if len(head) < 6 or head[:2] != b"\x0b\x77":
        return None
    rate, version = head[4] >> 6, head[5] >> 3
    if version > 16 or rate == 3:
        return None
    if version > 10:
        is_dependent = head[2] >> 6 == 1
        length = ((head[2] & 7) << 8 | head[3]) * 2 + 2
        blocks = (1, 2, 3, 6)[head[4] >> 4 & 3]
        seconds = 0.0 if is_dependent else 256 * blocks / _AC3_RATES[rate]
        return FrameHeader(length, seconds, ("eac3", rate))
    size = head[4] & 0x3F
    if size >= 2 * len(_AC3_KILOBITS):
        return None
    kilobits = _AC3_KILOBITS[size >> 1]
    words = kilobits * 96000 // _AC3_RATES[rate] + (size & 1 if rate == 1 else 0)
    return FrameHeader(words * 2, 1536 / _AC3_RATES[rate], ("ac3", rate))


_AMR_NARROW = (12, 13, 15, 17, 19, 20, 26, 31, 5, 0, 0, 0, 0, 0, 0, 0)
_AMR_WIDE = (17, 23, 32, 36, 40, 46, 50, 58, 60, 5, 0, 0, 0, 0, 0, 0)
_AMR_SILENCE = (15,)
"""The frame type without data, which phones write during silence (RFC 4867)."""


def amr(data: Data, at: int) -> FrameHeader | None:
    """AMR, narrow-band or wide-band according to the file header (RFC 4867, section 5)."""
    head = data[at : at + 1]
    # the bit for a good frame is set, and the other four, which are not part of the type, are not
    if not head or head[0] & 0x87 != 0x04:
        return None
    sizes = _AMR_WIDE if data[:9] == b"#!AMR-WB\n" else _AMR_NARROW
    kind = head[0] >> 3 & 15
    return FrameHeader(1 + sizes[kind], 0.02, "amr", has_data=sizes[kind] > 5)


def wavpack(data: Data, at: int) -> FrameHeader | None:
    """WavPack: blocks with their size and position among all samples."""
    head = data[at : at + 32]
    if len(head) < 32 or head[:4] != b"wvpk" or head[9] != 4:
        return None
    flags = int.from_bytes(head[24:28], "little")
    rate = (
        6000,
        8000,
        9600,
        11025,
        12000,
        16000,
        22050,
        24000,
        32000,
        44100,
        48000,
        64000,
        88200,
        96000,
        192000,
        44100,
    )
    # DSD counts its samples in bytes
    is_first = bool(flags & 1 << 11) and not flags >> 31
    samples = int.from_bytes(head[20:24], "little") if is_first else 0
    length = int.from_bytes(head[4:8], "little") + 8
    return FrameHeader(length, samples / rate[flags >> 23 & 15], "wavpack")


def dts(data: Data, at: int) -> FrameHeader | None:
    """Read the DTS core, in 16-bit words (ETSI TS 102 114), without the extensions of DTS-HD."""
    head = data[at : at + 9]
    if len(head) < 9 or head[:4] != b"\x7f\xfe\x80\x01":
        return None
    blocks = ((head[4] & 1) << 6 | head[5] >> 2) + 1
    length = ((head[5] & 3) << 12 | head[6] << 4 | head[7] >> 4) + 1
    rates = {
        1: 8000,
        2: 16000,
        3: 32000,
        6: 11025,
        7: 22050,
        8: 44100,
        11: 12000,
        12: 24000,
        13: 48000,
    }
    rate = rates.get(head[8] >> 2 & 15)
    return FrameHeader(length, blocks * 32 / rate, rate) if rate and length > 95 else None


READERS: Mapping[str, tuple[bytes, Callable[[Data, int], FrameHeader | None]]] = {
    "mp3": (b"\xff", mpeg),
    "aac": (b"\xff", adts),
    "ac3": (b"\x0b\x77", ac3),
    "eac3": (b"\x0b\x77", ac3),
    "amr": (b"", amr),
    "wv": (b"wvpk", wavpack),
    "dts": (b"\x7f\xfe\x80\x01", dts),
}
"""By ffmpeg's names of the demuxers: how a frame starts, and the function that parses its header."""
