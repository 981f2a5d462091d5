"""List the frames or the packets of a source's streams by their time stamps, as ffmpeg reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.media.ffmpeg import Ffmpeg, FfmpegResult

# One line for each, at once, in words that are the same from ffmpeg 4.2 to 9.0.
_LISTED = ("-f", "framecrc", "-flush_packets", "1", "pipe:1")
_LINE = re.compile(rb"(\d+), +(-?\d+), +(-?\d+), +(\d+),")
_TIME_BASE = re.compile(rb"#tb (\d+): (\d+)/(\d+)")
_SHORTEST_GAP = 0.01
"""Seconds: containers round time stamps to milliseconds, and some encoders worse."""

# With what a stream may begin that was cut out of another, in frames and in seconds.
_HEAD_FRAMES, _HEAD_SECONDS = 3, 0.5


def is_head(frames: int, seconds: float) -> bool:
    """Whether so many frames of so many seconds may be a beginning that belongs elsewhere."""
    return frames <= _HEAD_FRAMES and seconds <= _HEAD_SECONDS


@dataclass
class Track:
    """What was listed of one stream; all times are in seconds."""

    base: float = 1.0
    count: int = 0
    start: float = 0.0
    end: float = 0.0
    total: float = 0.0
    """The lengths of all frames together."""
    gaps: list[tuple[int, float, float]] = field(default_factory=list)
    """Where the next frame does not follow the last one: its number, its time, how far off."""
    _last: float = 0.0

    @property
    def inner_gaps(self) -> list[tuple[int, float, float]]:
        """The gaps behind the first frames, which may come from elsewhere."""
        return [gap for gap in self.gaps if not is_head(gap[0], gap[1] - self.start)]

    def add(self, time: float, length: float) -> None:
        """Take in the next frame."""
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
    """The decoded frames of *streams* of a source, up to where ffmpeg stops, and how it did."""
    # in several threads a decoder is further than what it gave
    return _list(ffmpeg, (*options, "-threads", "1", *source), streams, ())


def list_packets(ffmpeg: Ffmpeg, source: Sequence[str], *streams: str) -> dict[int, Track]:
    """The packets of *streams* of a source, all that it has."""
    return _list(ffmpeg, source, streams, ("-c", "copy"))[0]


def _list(
    ffmpeg: Ffmpeg, source: Sequence[str], streams: Sequence[str], codec: Sequence[str]
) -> tuple[dict[int, Track], FfmpegResult]:
    tracks: dict[int, Track] = {}

    def take_in(line: bytes) -> None:
        if found := _LINE.match(line):
            track = tracks[int(found[1])]
            track.add(int(found[3]) * track.base, int(found[4]) * track.base)
        elif found := _TIME_BASE.match(line):
            tracks[int(found[1])] = Track(base=int(found[2]) / int(found[3]))

    maps = (part for stream in streams for part in ("-map", stream))
    ran = ffmpeg.run((*source, *maps, *codec, *_LISTED), on_line=take_in)
    return tracks, ran
