"""Find out where the errors in a source are: around its content, or inside it.

ffmpeg continues after an error. So a stream that it complained about is decoded again up to the first
error (`-xerror`), and the number of frames until then is compared with that of the whole run. If no
good frame follows, the error is in the last frame or after it; if none precedes it, it is before the
first frame. Anything in between loses content, and is damage.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runner.media.failures import ConversionError, Kind
from runner.media.ffmpeg_errors import decoded_in_part
from runner.media.listing import Track, is_head, list_frames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.media.complaints import Complaint
    from runner.media.ffmpeg import Ffmpeg, FfmpegResult
    from runner.media.layout import Layout
    from runner.media.probe import MediaInfo
    from runner.media.recipe import Recipe

REMEDY = "; --verify none converts what can be read"
_LONGEST_TAIL = 0.5
"""In seconds: the content of one packet of a broadcast, which is lost completely if it is cut."""

_KEY_FRAMES = 30.0
"""Seconds between two of them, at the most that is usual."""
_FEW = 3
"""Frames that a decoder may hold back, or skip at the start."""
_ENDS_EARLY = re.compile(r"ended prematurely|Truncating packet|partial file")
_CUT = "the file ends inside a packet, which was ignored"


def check_layout(
    layout: Layout, length: float | None, ran: FfmpegResult, *, has_complaints: bool
) -> None:
    """Refuse a stream with anything but tags between its frames.

    Raises:
        ConversionError: The message says where.
    """
    hole = layout.hole
    # less than a frame, without a complaint from ffmpeg, did not cost a frame
    if hole and (has_complaints or hole.unknown >= layout.bytes_a_frame):
        raise damaged(hole.seconds, length, ran)


def goes_back(recipe: Recipe, ran: FfmpegResult, source: MediaInfo) -> bool:
    """Return whether more was decoded than the target's time shows: in joined files, time starts again."""
    # what lies between the key frame before and the place that -ss names is decoded, and thrown away:
    # https://ffmpeg.org/ffmpeg.html#Main-options
    spare = _KEY_FRAMES if "-ss" in recipe.input_arguments else 1.0
    sounds = [s for s in source.all("audio") if s.rate and s.index in ran.samples]
    decoded = max((ran.samples[s.index] / s.rate for s in sounds), default=0.0)
    return ran.seconds > 0 and decoded > 1.1 * ran.seconds + spare


def check_all_is_decoded(layout: Layout, ran: FfmpegResult, source: MediaInfo) -> None:
    """Refuse a stream if ffmpeg decoded less than the length of its frames.

    Raises:
        ConversionError: The message says how much.
    """
    sound = source.stream("audio")
    if not sound or not sound.rate or sound.index not in ran.samples:
        return
    decoded = ran.samples[sound.index] / sound.rate
    if decoded < layout.seconds * (1 - layout.without_data / layout.count) - _LONGEST_TAIL:
        message = f"only {decoded:.1f} s of {layout.seconds:.1f} s were decoded{REMEDY}"
        raise ConversionError(Kind.INPUT, message, ran.log)


def check_complaints(
    ffmpeg: Ffmpeg,
    source: Sequence[str],
    complaints: Sequence[Complaint],
    ran: FfmpegResult,
    length: float | None,
) -> tuple[str, ...]:
    """Return notices about a source that was converted in spite of *complaints*.

    *source* are ffmpeg's arguments for the source, and *length* its length in seconds, if known.

    Raises:
        ConversionError: It is damaged inside; the message says where.
    """
    said: list[str] = []
    for stream in sorted(ran.frames):
        mine = [complaint for complaint in complaints if complaint.stream in (stream, None)]
        if mine:
            said.append(_check_stream(ffmpeg, source, stream, mine, ran, length))
    return tuple(dict.fromkeys(filter(None, said)))


def damaged(seconds: float, length: float | None, ran: FfmpegResult) -> ConversionError:
    """Return the failure for a source with an error *seconds* after its start."""
    if reason := decoded_in_part(ran.log):
        return ConversionError(Kind.INPUT, reason, ran.log)
    of = f" of {length:.1f} s" if length and length > seconds else ""
    return ConversionError(Kind.INPUT, f"damaged at {max(0, seconds):.1f} s{of}{REMEDY}", ran.log)


def _check_stream(
    ffmpeg: Ffmpeg,
    source: Sequence[str],
    stream: int,
    complaints: Sequence[Complaint],
    ran: FfmpegResult,
    length: float | None,
) -> str:
    good, code = _frames(ffmpeg, source, stream, "-xerror")
    if stream in ran.samples and good.gaps:
        raise damaged(good.gaps[0][1], length, ran)
    behind = ran.frames[stream] - good.count
    if code == 0:
        return _CUT if any(_ENDS_EARLY.search(complaint.line) for complaint in complaints) else ""
    if is_head(good.count, good.total) and behind > len(complaints):
        return _check_rest(ffmpeg, source, stream, ran, length)
    a_frame = good.total / good.count if good.count else 0.0
    if behind > len(complaints) + 1 or behind * a_frame > _LONGEST_TAIL:
        raise damaged(good.end, length, ran)
    return "what follows the last complete frame was ignored"


def _check_rest(
    ffmpeg: Ffmpeg, source: Sequence[str], stream: int, ran: FfmpegResult, length: float | None
) -> str:
    """Do the same for a stream whose first error is at its start."""
    whole, _ = _frames(ffmpeg, source, stream)
    if stream in ran.samples:
        if whole.inner_gaps:
            raise damaged(whole.inner_gaps[0][1], length, ran)
        return "what comes before the first complete frame was ignored"
    # video frames need not be evenly spaced: from the first good one on, there must be no error
    start = f"{max(0.0, whole.start) + 0.001:.3f}"
    rest, _ = _frames(ffmpeg, source, stream, "-xerror", "-ss", start)
    if rest.count + _FEW < whole.count:
        raise damaged(rest.end, length, ran)
    return "what comes before the first complete picture was ignored"


def _frames(ffmpeg: Ffmpeg, source: Sequence[str], stream: int, *options: str) -> tuple[Track, int]:
    tracks, ran = list_frames(ffmpeg, source, f"0:{stream}", options=options)
    return tracks.get(0, Track()), ran.code
