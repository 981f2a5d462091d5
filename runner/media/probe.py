"""Read what a media file contains from ffmpeg's own log.

The conversion itself prints it, so no extra process is needed per file; only if the length of a result
looks wrong, its streams are read again (`read_streams`).
"""

from __future__ import annotations

import re
import subprocess
from collections import deque
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TYPE_CHECKING

from runner.media.exit_code import ended_from_outside
from runner.media.failures import ConversionError, Kind
from runner.media.process import Child

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CLOCK = r"(\d+):(\d\d):(\d\d(?:\.\d+)?)"
_INPUT = re.compile(r"Input #0, (\S+), from ")
_END_OF_INPUT = re.compile(r"^(?:Output #|Input #[1-9]|Stream mapping:)")
_DURATION = re.compile(rf"Duration: (?:N/A|{_CLOCK})")
_STREAM = re.compile(
    r"Stream #0:(\d+)(?:\[[^\]]*\])?(?:\(([^)]*)\))?[^:]*: "
    r"(Audio|Video|Subtitle|Data|Attachment): (\S+)(.*)"
)
_SAMPLES = re.compile(r" Hz, (.+?), (u8|s16|s32|s64|flt|dbl)(p?)\b(?: \((\d+) bit\))?")
_RATE = re.compile(r", (\d+) Hz\b")
_STREAM_DURATION = re.compile(rf"DURATION(?:-\w+)? *: {_CLOCK}")
_LEVEL = re.compile(
    r"^(?:\[[^\]]* @ (?:0x)?[0-9a-fA-F]+\] )*\[(?:info|warning|error|fatal|verbose)\] ?"
)
_TRACE_STREAM = re.compile(r"stream (\d+): start_time: (\S+) duration: (\S+)")
_TRACE_END = re.compile(r"format: start_time: \S+ duration: ")

# ffmpeg says this if the duration of a raw stream without an index is an estimate
_GUESSED = "Estimating duration from bitrate"
_WANTED = ("start_time", "Input #", "Duration", "Stream #", "DURATION", _GUESSED)
_LAST_LINES = 10


@dataclass(frozen=True)
class Stream:
    """One stream of a media file."""

    index: int
    kind: str
    """"audio", "video", "subtitle", "data" or "attachment"."""
    codec: str
    is_cover: bool = False
    start: float | None = None
    duration: float | None = None
    """The duration in seconds, if the container has it for this stream."""
    rate: int = 0
    """Samples per second, for audio."""
    layout: str = ""
    """For audio: "mono", "stereo", "5.1(side)", "3 channels"; empty if ffmpeg does not know."""
    bits: int = 0
    """Bits per audio sample if samples are integers; 0 for floating point."""
    language: str = ""
    """The language in the container: usually three letters (ISO 639-2)."""
    details: str = ""
    """ffmpeg's description of the stream after the codec."""
    notes: tuple[str, ...] = ()
    """The lines below it: tags and side data."""

    @property
    def is_default(self) -> bool:
        """Whether the container marks it as default."""
        return "(default)" in self.details

    @property
    def title(self) -> str:
        """Its tag of this name; empty without."""
        return next((v.strip() for n, _, v in self._tags if n.strip().lower() == "title"), "")

    @property
    def short_title(self) -> str:
        """The title, shortened to fit into a sentence."""
        return self.title if len(self.title) <= 40 else f"{self.title[:39]}…"

    @property
    def _tags(self) -> Iterator[tuple[str, str, str]]:
        return (note.partition(":") for note in self.notes)


@dataclass(frozen=True)
class MediaInfo:
    """The content of a media file."""

    format: str
    """ffmpeg's name of the demuxer, such as "mov,mp4,m4a,3gp,3g2,mj2"."""
    duration: float | None
    """The container's duration in seconds; None if unknown or only estimated."""
    streams: tuple[Stream, ...] = ()

    def all(self, kind: str) -> tuple[Stream, ...]:
        """Return the streams of this *kind*, without covers."""
        return tuple(s for s in self.streams if s.kind == kind and not s.is_cover)

    def stream(self, kind: str, number: int | None = 0) -> Stream | None:
        """Return the stream of this *kind* with this *number*, counting from 0 like ffmpeg."""
        return next(iter(self.all(kind)[number or 0 :]), None)


def parse_log(log: str) -> MediaInfo | None:
    """Parse what *log*, at level info, says about the first input; None if ffmpeg opened none."""
    lines = map(_without_level, log.splitlines())
    head = next(filter(None, map(_INPUT.search, lines)), None)
    if head is None:
        return None
    duration: float | None = None
    streams: list[Stream] = []
    notes: list[list[str]] = []
    for line in map(str.strip, takewhile(_is_of_input, lines)):
        if found := _DURATION.match(line):
            duration = _seconds(found) if found[1] else None
        elif found := _STREAM.match(line):
            streams.append(_stream(found, line))
            notes.append([])
        elif notes:
            notes[-1].append(line)
    return MediaInfo(
        head[1].rstrip(","),
        None if _GUESSED in log else duration,
        tuple(map(_noted, streams, notes)),
    )


def _is_of_input(line: str) -> bool:
    return not _END_OF_INPUT.match(line)


def read_streams(ffmpeg: str, path: str, options: tuple[str, ...] = ()) -> MediaInfo | None:
    """Open *path* again, with input *options*, for each stream's own start and length.

    ffmpeg only prints these at level trace (in the same form from 4.2 to 9.0), with every index entry: this
    takes up to a second for an hour of video, so it is only done in case of doubt.

    Raises:
        ConversionError: ffmpeg was ended from outside.
    """
    command = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "repeat+level+trace"]
    lines = []
    end: deque[str] = deque(maxlen=_LAST_LINES)
    with Child([*command, *options, "-i", f"file:{path}"], stderr=subprocess.PIPE) as child:
        assert child.stderr is not None
        for data in child.stderr:
            line = data.decode(errors="replace")
            end.append(line)
            if any(word in line for word in _WANTED):
                lines.append(line)
    if how := ended_from_outside(child.returncode, "".join(end)):
        raise ConversionError(Kind.TRANSIENT, f"ffmpeg {how}")
    media = parse_log("".join(lines))
    return media and _with_trace(media, lines)


def _stream(found: re.Match[str], line: str) -> Stream:
    index, language, kind, codec, details = found.groups()
    rate, samples = _RATE.search(line), _SAMPLES.search(line)
    return Stream(
        index=int(index),
        kind=kind.lower(),
        codec=codec.rstrip(","),
        is_cover="(attached pic)" in line,
        rate=int(rate[1]) if rate else 0,
        layout=samples[1] if samples else "",
        bits=_bits(samples) if samples else 0,
        language=(language or "")[:35],  # BCP 47 tags are not longer
        details=details,
    )


def _noted(stream: Stream, notes: list[str]) -> Stream:
    """Return *stream* with the lines below its own, of which one may say how long it is."""
    if not notes:
        return stream
    lengths = [_seconds(found) for found in map(_STREAM_DURATION.match, notes) if found]
    duration = lengths[-1] if lengths else stream.duration
    return replace(stream, notes=tuple(notes), duration=duration)


def _bits(samples: re.Match[str]) -> int:
    form, raw = samples[2], samples[4]
    return int(raw or form[1:]) if form[0] in "us" else 0


def _with_trace(media: MediaInfo, lines: Iterable[str]) -> MediaInfo:
    traced: dict[int, tuple[float | None, float | None]] = {}
    for line in lines:
        if _TRACE_END.search(line):
            break
        if found := _TRACE_STREAM.search(line):
            traced[int(found[1])] = (_number(found[2]), _number(found[3]))
    return replace(
        media, streams=tuple(_timed(s, *traced.get(s.index, (None, None))) for s in media.streams)
    )


def _timed(stream: Stream, start: float | None, duration: float | None) -> Stream:
    if duration is None and stream.duration is not None:
        # Matroska's DURATION tag is the time when the stream ends
        duration = stream.duration - (start or 0)
    return replace(stream, start=start, duration=duration)


def _without_level(line: str) -> str:
    return _LEVEL.sub("", line)


def _seconds(clock: re.Match[str]) -> float:
    hours, minutes, seconds = clock.groups()[-3:]
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:  # "NOPTS"
        return None
    return value if abs(value) < 1e12 else None  # ffmpeg 4 prints NOPTS as a huge number
