"""List the frames or the packets of a source's streams by their time stamps, as ffmpeg reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.media.ffmpeg import Ffmpeg, FfmpegResult

# One line for each, without buffering, in a format that is the same from ffmpeg 4.2 to 9.0.
_LISTED = ("-f", "framecrc", "-flush_packets", "1", "pipe:1")
_LINE = re.compile(rb"(\d+), +(-?\d+), +(-?\d+), +(\d+),")
_TIME_BASE = re.compile(rb"#tb (\d+): (\d+)/(\d+)")
_PACKET = re.compile(
    rb"\d+, +-?\d+, +(-?\d+), +-?\d+, +(\d+), (0x[0-9a-f]+)(?:, F=0x([0-9A-Fa-f]+))?"
)
_DISCARDED = 4
"""Of a packet's flags: it is decoded for others, and not shown, as before the start of an edit list."""
_NO_TIME = 1 << 62
_SHORTEST_GAP = 0.01
"""In seconds: containers round time stamps to milliseconds, and some encoders more."""

# What a stream that was cut out of another may start with, in frames and in seconds.
_HEAD_FRAMES, _HEAD_SECONDS = 3, 0.5


def is_head(frames: int, seconds: float) -> bool:
    """Return whether this many frames of this many seconds may be leftovers at the start."""
    return frames <= _HEAD_FRAMES and seconds <= _HEAD_SECONDS


@dataclass
class Track:
    """The listing of one stream; all times are in seconds."""

    base: float = 1.0
    count: int = 0
    start: float = 0.0
    end: float = 0.0
    total: float = 0.0
    """The total length of all frames."""
    gaps: list[tuple[int, float, float]] = field(default_factory=list)
    """Where a frame does not follow the previous one: its number, its time, and the distance."""
    _last: float = 0.0

    @property
    def inner_gaps(self) -> list[tuple[int, float, float]]:
        """The gaps after the first frames, which may be leftovers."""
        return [gap for gap in self.gaps if not is_head(gap[0], gap[1] - self.start)]

    def add(self, time: float, length: float) -> None:
        """Add the next frame."""
        if not self.count:
            self.start = time
        elif (gap := time - self.end) > max(_SHORTEST_GAP, 0.9 * min(length, self._last)):
            self.gaps.append((self.count, self.end, gap))
        self._last = length
        self.count += 1
        self.total += length
        self.end = max(self.end, time + length) if self.count > 1 else time + length


def list_frames(
    ffmpeg: Ffmpeg, source: Sequence[str], *streams: str, options: Sequence[str] = ()
) -> tuple[dict[int, Track], FfmpegResult]:
    """List the decoded frames of *streams* of a source until ffmpeg stops, and return its outcome."""
    # with several threads, a decoder is ahead of its output
    return _list(ffmpeg, (*options, "-threads", "1", *source), streams, ())


def list_packets(ffmpeg: Ffmpeg, source: Sequence[str], *streams: str) -> dict[int, Track]:
    """List all packets of *streams* of a source."""
    return _list(ffmpeg, source, streams, ("-c", "copy"))[0]


@dataclass
class Packets:
    """The packets of one stream, in the order of the file."""

    base: Fraction = Fraction(1)
    """Seconds of a unit of the time stamps."""
    times: list[int] = field(default_factory=list)
    """When each is shown; those that only prepare others are left out."""
    keys: list[int] = field(default_factory=list)
    """The keyframes among them."""
    sums: list[str] = field(default_factory=list)
    """The length and the checksum of each."""
    header: str = ""
    """The same of what the decoder needs before the first packet."""
    is_timed: bool = True
    """Whether every packet has a time stamp."""


def list_in_detail(
    ffmpeg: Ffmpeg, source: Sequence[str], stream: str
) -> tuple[Packets, FfmpegResult]:
    """List the packets of one *stream* of a source with their checksums, and return ffmpeg's outcome."""
    packets = Packets()

    def take_in(line: bytes) -> None:
        if found := _PACKET.match(line):
            time, size, crc, flags = found.groups()
            flag = int(flags or b"1", 16)
            packets.sums.append(f"{int(size)} {crc.decode()}")
            if abs(int(time)) >= _NO_TIME:
                packets.is_timed = False
            elif not flag & _DISCARDED:
                packets.times.append(int(time))
                if flag & 1:
                    packets.keys.append(int(time))
        elif found := _TIME_BASE.match(line):
            packets.base = Fraction(int(found[2]), int(found[3]))
        elif line.startswith(b"#extradata"):
            packets.header = line.decode(errors="replace").partition(":")[2].strip()

    ran = ffmpeg.run(
        (*source, "-map", stream, "-c", "copy", "-f", "framecrc", "pipe:1"), on_line=take_in
    )
    return packets, ran


def _list(
    ffmpeg: Ffmpeg, source: Sequence[str], streams: Sequence[str], codec: Sequence[str]
) -> tuple[dict[int, Track], FfmpegResult]:
    tracks: dict[int, Track] = {}

    def take_in(line: bytes) -> None:
        if b"F=" in line:
            return  # of video, keyframes are enough: an edit list may cut what lies between them
        if found := _LINE.match(line):
            track = tracks[int(found[1])]
            track.add(int(found[3]) * track.base, int(found[4]) * track.base)
        elif found := _TIME_BASE.match(line):
            tracks[int(found[1])] = Track(base=int(found[2]) / int(found[3]))

    maps = (part for stream in streams for part in ("-map", stream))
    ran = ffmpeg.run((*source, *maps, *codec, *_LISTED), on_line=take_in)
    return tracks, ran
