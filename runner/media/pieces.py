"""Plan the pieces in which a film's video is encoded side by side. Pure.

A piece is a range of time that begins at a keyframe of the source, so that the decoder can start there. Its
bounds lie between two frames: which frames belong to it depends neither on rounding nor on how
exactly a container can be searched.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from runner.media.picture import is_interlaced, picture_of
from runner.media.recipe import encoder, option, with_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from runner.media.picture import Samples
    from runner.media.probe import MediaInfo, Stream
    from runner.media.recipe import Recipe

_ENCODERS = ("libx264", "libx265", "libvpx-vp9", "libsvtav1")
"""What these encode begins with a keyframe, and depends on nothing before it."""
_CONTAINERS = re.compile(r"mov,mp4|matroska,webm")
"""Their time stamps are those of frames, and they can be searched."""
_ONE_RATE = ("-maxrate", "-minrate", "-bufsize", "-pass", "-passlogfile", "-qmin", "-qmax")
_OF_THE_WHOLE = ("-vf", "-filter", "-filter_complex", "-lavfi", "-r", "-vsync", "-fps_mode", "-t", "-to", "-ss",
                 "-frames", "-fs", "-force_key_frames", "-copyts", "-enc_time_base", "-video_track_timescale")  # fmt: skip
"""Options that mean something else for a piece than for the whole."""
_UNEVEN = 0.0011
"""How far a frame may be from its place at a constant rate, in seconds: Matroska rounds to milliseconds."""
LEAST_SECONDS, _MOST_SECONDS = 60.0, 300.0
"""The shortest piece that is made without being asked for, as each one costs a keyframe and a start; and the longest."""
_USUAL_PIECES = 32


_JUST = 0.3
"""The part of a frame's time by which a piece starts before its first frame."""


class UnsplittableError(Exception):
    """The film cannot be encoded in pieces; the message is the reason."""


@dataclass(frozen=True)
class Split:
    """How to encode a film in pieces."""

    folder: str
    """Where finished pieces are kept until the film is done, also if this runner is killed."""
    seconds: float | None = None
    """The length of a piece; None for one that suits the film."""
    least: float = 2 * LEAST_SECONDS
    """The shortest film that is cut without being asked for, in seconds."""
    at_a_time: int = 1
    threads: int | None = None
    """For each encoder; None for as many as it likes."""

    def length(self, whole: float) -> float | None:
        """Return the length of the pieces of a film that is *whole* seconds long; None for one piece.

        It does not depend on the machine's cores or what else is running, so that after an
        interruption the same pieces are wanted.
        """
        if self.seconds is None and whole < self.least:
            return None
        seconds = self.seconds or min(max(LEAST_SECONDS, whole / _USUAL_PIECES), _MOST_SECONDS)
        return seconds if whole >= 2 * seconds else None


@dataclass(frozen=True)
class Frames:
    """The frames of a video, as its packets announce them."""

    base: float
    """Seconds of a unit of the time stamps."""
    times: tuple[int, ...]
    """When they are shown, in order."""
    keys: tuple[int, ...]
    """The keyframes among them."""

    @property
    def start(self) -> float:
        """When the first one is shown, in seconds."""
        return self.times[0] * self.base

    @property
    def step(self) -> float:
        """The time from one to the next, in seconds, on average."""
        return (self.times[-1] - self.times[0]) * self.base / (len(self.times) - 1)


@dataclass(frozen=True)
class Piece:
    """One piece; all times are in seconds from the start of the source."""

    number: int
    frames: int
    start: float
    """Just before its first frame; 0 for the start of the file."""
    end: float | None
    """Just before the first frame of the next piece; None for the last one."""

    @property
    def input(self) -> tuple[str, ...]:
        """The options of ffmpeg's input.

        ffmpeg decodes from the keyframe or one before it, and drops what is shown earlier.
        """
        return ("-ss", f"{self.start:.6f}") if self.start else ()

    @property
    def filters(self) -> tuple[str, ...]:
        """The filters that drop what comes after it."""
        return () if self.end is None else (f"trim=end={self.end - self.start:.6f}",)


@dataclass(frozen=True)
class Cut:
    """How a film was cut."""

    pieces: tuple[Piece, ...]
    offset: float
    """When its first frame is shown, in seconds from the start of the source."""

    def as_facts(self) -> dict[str, object]:
        """Return what `from_facts` reads, for JSON."""
        return asdict(self)

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Cut:
        """Read what `as_facts` returned."""
        return cls(tuple(Piece(**piece) for piece in facts["pieces"]), facts["offset"])


def check_recipe(recipe: Recipe, media: MediaInfo, video: Stream, samples: Samples) -> None:
    """Refuse what cannot be encoded in pieces as in one.

    Raises:
        UnsplittableError: The message is the reason.
    """
    name = encoder(recipe.arguments, "v") or ""
    rates = [v for w, v in pairwise(recipe.arguments) if w in ("-b", "-b:v", "-b:v:0", "-vb")]
    if not recipe.film:
        raise UnsplittableError("its arguments are your own")
    if recipe.input_arguments:
        raise UnsplittableError("it has --input-args")
    if name not in _ENCODERS:
        raise UnsplittableError(f"the encoder {name or 'by default'} is not known to allow it")
    if any(rate != "0" for rate in rates):
        raise UnsplittableError("its bit rate is set for the whole film")
    for word in (*_ONE_RATE, *_OF_THE_WHOLE):
        if option(recipe.arguments, word) is not None:
            raise UnsplittableError(f"the option {word} is for the whole film")
    if is_interlaced(picture_of(video), samples, recipe):
        raise UnsplittableError("it is interlaced")
    if not _CONTAINERS.match(media.format):
        raise UnsplittableError(f"its container ({media.format}) may not be searched exactly")


def for_piece(recipe: Recipe) -> Recipe:
    """Return *recipe* so that the header of its video is the same on every machine, as it is one for all pieces."""
    if encoder(recipe.arguments, "v") != "libx265":
        return recipe
    # else x265 writes there which instructions the processor has, and how many threads it started:
    # https://x265.readthedocs.io/en/stable/cli.html#cmdoption-info
    silent = with_parameters(recipe, "-x265-params", "info=0")
    return replace(recipe, arguments=(*recipe.arguments, *silent))


def plan_pieces(frames: Frames, seconds: float) -> Cut:
    """Cut *frames* into pieces of about so many *seconds*.

    Raises:
        UnsplittableError: The rate of its frames varies, or it has too few keyframes.
    """
    _check_rate(frames)
    cuts = _cuts(frames, seconds)
    if not cuts:
        raise UnsplittableError("it has too few keyframes")
    places = {time: number for number, time in enumerate(frames.times)}
    firsts = [0, *(places[cut] for cut in cuts), len(frames.times)]
    pieces = []
    for number, (first, after) in enumerate(pairwise(firsts)):
        end = _before(frames, after) if after < len(frames.times) else None
        pieces.append(Piece(number, after - first, _before(frames, first), end))
    return Cut(tuple(pieces), frames.start)


def _check_rate(frames: Frames) -> None:
    if len(frames.times) < 2 or frames.step <= 0:
        raise UnsplittableError("it has too few frames")
    most = _UNEVEN + frames.base
    for number, time in enumerate(frames.times):
        if abs((time - frames.times[0]) * frames.base - number * frames.step) > most:
            raise UnsplittableError("its frame rate varies")


def _cuts(frames: Frames, seconds: float) -> list[int]:
    cuts: list[int] = []
    last = frames.times[0]
    for key in frames.keys:
        if (key - last) * frames.base >= seconds:
            cuts.append(key)
            last = key
    # the rest is not worth a piece of its own
    if cuts and (frames.times[-1] - cuts[-1]) * frames.base < seconds / 2:
        cuts.pop()
    return cuts


def _before(frames: Frames, number: int) -> float:
    """Return the time just before the frame *number*.

    That it is less than half a frame matters to the encoder's clock, which rounds the time from there.
    """
    return max(0.0, frames.times[number] * frames.base - _JUST * frames.step)


def exactly(frames: Frames, count: int) -> bool:
    """Return whether *frames* are so many, start at 0, and are as far apart as the encoder's clock says."""
    if len(frames.times) != count or frames.times[0] != 0:
        return False
    steps = {after - before for before, after in pairwise(frames.times)}
    return len(steps) <= 1


def concat_list(names: Sequence[str], lengths: Sequence[float]) -> str:
    """Return the list for ffmpeg's concat demuxer: https://ffmpeg.org/ffmpeg-formats.html#concat-1."""
    lines = ["ffconcat version 1.0"]
    for name, length in zip(names, lengths, strict=True):
        lines += [f"file {name}", f"duration {length:.6f}"]
    return "\n".join([*lines, ""])
