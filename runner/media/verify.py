"""Check a result against its source: ffmpeg exits with 0 even after half a file."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from runner.media.choices import resolve_recipe
from runner.media.chunks import missing_bytes
from runner.media.damage import REMEDY
from runner.media.exit_code import ended_from_outside
from runner.media.failures import ConversionError, Kind, fault_lines
from runner.media.ffmpeg_errors import decoded_in_part
from runner.media.listing import Track, list_frames, list_packets
from runner.media.ogg import ending_of
from runner.media.probe import MediaInfo, Stream, read_streams
from runner.media.process import run
from runner.media.source import check_source

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from runner.media.ffmpeg import Ffmpeg, FfmpegResult
    from runner.media.recipe import Recipe

_NO_END_MARK = "the file has no end mark: it was cut off, or recorded from a broadcast"
_PRIMING = 3 * 1024
"""Samples of the longest frames in use, which an encoder may add before and after the audio."""


def tolerance(seconds: float, rate: int = 0) -> float:
    """Return how far lengths may differ, in seconds, because of priming, padding and rounding.

    Priming is counted in samples, so at a low *rate* it takes longer.
    """
    return max(0.25, seconds / 1000, _PRIMING / rate if rate else 0.0)


_ENDS_EARLY = re.compile(r"partial file|File ended prematurely")


def check_length(
    ffmpeg: Ffmpeg, source: Sequence[str], result: str, recipe: Recipe, ran: FfmpegResult
) -> None:
    """Compare the length of *result* with the stream of the source that it was made from.

    Two numbers that a conversion prints are enough for nearly every file: the time stamp at which ffmpeg
    stopped writing, and how much audio it decoded, because time stamps continue after a gap. If one of
    them is less than the length of the source's container, the source is read again: it may be damaged,
    or its streams may start late or end early. A result that is longer than its source's header says is
    complete: in joined files, the header is wrong.

    *source* are ffmpeg's arguments for the source.

    Raises:
        ConversionError: The result is shorter than it must be, or empty.
    """
    if recipe.media == "image":
        return
    seen = ran.media
    length = seen.duration if seen else None
    audio = seen.stream("audio", recipe.audio_stream) if seen else None
    rate = audio.rate if audio else 0
    decoded = _decoded_seconds(audio, ran)
    if recipe.media == "audio" and decoded == 0:
        raise ConversionError(Kind.INPUT, "no sound in it could be decoded", ran.log)
    shortest = ran.seconds if decoded is None else min(ran.seconds, decoded)
    if length:
        _check_after_skipping(recipe, ran, shortest, length)
    if ran.seconds and (not length or not recipe.keeps_length or _reaches(shortest, length, rate)):
        return
    made = _length_of(read_streams(ffmpeg.program, result)) or ran.seconds or decoded
    if not made:
        raise ConversionError(Kind.INPUT, f"the result contains no {recipe.media}", ran.log)
    if recipe.media == "audio" and ran.seconds:
        made = min(made, ran.seconds)  # when copying, ffmpeg 4 keeps the length in FLAC's header
    if length and recipe.keeps_length:
        _check_what_is_there(ffmpeg, source, recipe, ran, length, made)


def _check_after_skipping(
    recipe: Recipe, ran: FfmpegResult, shortest: float, length: float
) -> None:
    """Refuse a source that ffmpeg says breaks off, if `-ss` hides it from the other checks."""
    skipped = recipe.skipped_seconds
    if skipped is not None and _ENDS_EARLY.search(ran.log):
        there = shortest + skipped
        if there < length * 0.98:  # seeking may be slightly off
            raise ConversionError(Kind.INPUT, _short(there, length, ran), ran.log)


def check_ending(path: str, recipe: Recipe, ran: FfmpegResult) -> tuple[str, ...]:
    """Return notices about the end of the source at *path*, where ffmpeg does not notice a cut.

    Raises:
        ConversionError: It is cut off.
    """
    seen = ran.media
    if seen is None or not recipe.keeps_length:
        return ()
    if ending := ending_of(path) if seen.format == "ogg" else None:
        if ending.missing:
            message = f"the file is cut off after {ran.seconds:.1f} s, within a page{REMEDY}"
            raise ConversionError(Kind.INPUT, message, ran.log)
        return () if ending.is_ended else (_NO_END_MARK,)
    missing = missing_bytes(path, seen.format)
    # for very few samples, ffmpeg prints no time
    there = max(ran.seconds, _decoded_seconds(seen.stream("audio", recipe.audio_stream), ran) or 0)
    wanted = there * (1 + missing / os.path.getsize(path))
    if not _reaches(there, wanted):
        raise ConversionError(Kind.INPUT, _short(there, wanted, ran), ran.log)
    return (f"the last {missing:,} bytes of the file are missing",) if missing else ()


def _check_what_is_there(
    ffmpeg: Ffmpeg,
    source: Sequence[str],
    recipe: Recipe,
    ran: FfmpegResult,
    length: float,
    made: float,
) -> None:
    """Compare the length in a source's header with the packets in the file."""
    media = read_streams(ffmpeg.program, source[-1].removeprefix("file:"), recipe.input_arguments)
    audio = media.stream("audio", recipe.audio_stream) if media else None
    rate, decoded = audio.rate if audio else 0, _decoded_seconds(audio, ran)
    if media is not None and media.format == "asf":
        # its length, and that of each of its streams, is the time when it ends
        length -= min((s.start for s in media.streams if s.start), default=0.0)
        media = None
    wanted, *_ = (media and _mapped_length(media, recipe)) or (length,)
    if audio is not None and decoded is not None:
        _check_inner_gaps(ffmpeg, source, audio, ran)
    if "Input #0, ogg," in ran.log:
        return  # its last page shows whether it is complete, and its time may start anywhere
    own = (f"0:{audio.index}",) if audio else ()
    tracks = list_packets(ffmpeg, source, *own, "0:V?")
    if audio is not None and decoded is not None and (packets := tracks.get(0)):
        span = packets.end - packets.start
        if not _reaches(decoded, span, rate):
            raise ConversionError(Kind.INPUT, _short(decoded, span, ran), ran.log)
    is_whole = _reaches(_longest(tracks.values()), length, rate)
    if decoded is None and is_whole:
        # it was copied, or ffmpeg ended before it could print how much it decoded
        own_track = tracks.get(0) if audio else None
        mapped = [own_track] if own_track and recipe.media == "audio" else tracks.values()
        there = min(wanted, max((track.end - track.start for track in mapped), default=0.0))
        if not _reaches(made, there, rate):
            message = f"ffmpeg stopped early: {made:.1f} s of {there:.1f} s are in the result"
            raise ConversionError(Kind.TRANSIENT, message, ran.log)
    if not is_whole and not _reaches(made, wanted, rate):
        raise ConversionError(Kind.INPUT, _short(made, wanted, ran), ran.log)


def _check_inner_gaps(
    ffmpeg: Ffmpeg, source: Sequence[str], audio: Stream, ran: FfmpegResult
) -> None:
    """See that the sound that a source has lost between its packets is not too much."""
    sound = list_frames(ffmpeg, source, f"0:{audio.index}")[0].get(0, Track())
    lost = sum(gap for *_, gap in sound.inner_gaps)
    if lost > tolerance(sound.total, audio.rate):
        raise _lost(lost, sound, ran)


def _longest(tracks: Collection[Track]) -> float:
    """Return the seconds that a container of *tracks* may say that it lasts."""
    # that of its longest stream, counted from its start
    end = max((track.end for track in tracks), default=0.0)
    start = min((track.start for track in tracks), default=0.0)
    # an edit list may shorten the last video frame, or skip the first
    a_frame = max((track.total / track.count for track in tracks if track.count), default=0)
    return max(end, end - start) + a_frame


def _lost(lost: float, sound: Track, ran: FfmpegResult) -> ConversionError:
    if reason := decoded_in_part(ran.log):
        return ConversionError(Kind.INPUT, reason, ran.log)
    at = max(sound.inner_gaps, key=lambda gap: gap[2])[1]
    message = f"damaged at {at:.1f} s: {lost:.1f} s of sound are missing{REMEDY}"
    return ConversionError(Kind.INPUT, message, ran.log)


def _short(made: float, wanted: float, ran: FfmpegResult) -> str:
    early = f"the file ends early: {made:.1f} s of {wanted:.1f} s are there{REMEDY}"
    return decoded_in_part(ran.log) or early


def check_existing(ffmpeg: str, source: str, target: str, recipe: Recipe) -> None:
    """Compare a *target* that the ledger does not know with the *source* that it should come from.

    Raises:
        ConversionError: It is not a conversion of that source.
    """
    check_source(source)
    made = read_streams(ffmpeg, target)
    wanted_kind = "audio" if recipe.media == "audio" else "video"
    if made is None or made.stream(wanted_kind) is None:
        raise ConversionError(Kind.INPUT, f"without {wanted_kind}")
    if not recipe.keeps_length:
        return
    media = read_streams(ffmpeg, source, recipe.input_arguments)
    if media is None:
        raise ConversionError(Kind.INPUT, "cannot be compared: its source is damaged")
    recipe = resolve_recipe(recipe, media)
    lengths = _mapped_length(media, recipe)
    if lengths and made.duration and not any(_close(made.duration, wanted) for wanted in lengths):
        raise ConversionError(Kind.INPUT, f"{made.duration:.1f} s instead of {lengths[0]:.1f} s")
    # its header may promise more than there is
    end = _read_through(ffmpeg, target)
    if lengths and not _reaches(end, min(lengths)):
        raise ConversionError(Kind.INPUT, f"it ends at {end:.1f} s of {lengths[0]:.1f} s")


def _read_through(ffmpeg: str, path: str) -> float:
    """Return the time at which *path* ends, in seconds, by reading all of it without decoding.

    Raises:
        ConversionError: It cannot be read to its end, or ffmpeg was ended from outside.
    """
    command = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "level+verbose", "-xerror"]
    output = ["-map", "0:a?", "-map", "0:V?", "-c", "copy", "-f", "null", "-"]
    done = run([*command, "-nostats", "-progress", "pipe:1", "-i", f"file:{path}", *output])
    if how := ended_from_outside(done.returncode, done.stderr.decode(errors="replace")):
        raise ConversionError(Kind.TRANSIENT, f"ffmpeg {how}")
    if done.returncode != 0:
        raise ConversionError(Kind.INPUT, "damaged")
    times = re.findall(rb"out_time_us=(\d+)", done.stdout)
    return int(times[-1]) / 1e6 if times else 0.0


def check_decodes(ffmpeg: Ffmpeg, result: str, log: str) -> None:
    """Decode *result* from end to end.

    Raises:
        ConversionError: It does not decode without errors.
    """
    ran = ffmpeg.run(("-xerror", "-i", f"file:{result}", "-f", "null", "-"), lambda *_: None)
    if ran.code != 0 or fault_lines(ran.log):
        fault = (fault_lines(ran.log) or [f"exit code {ran.code}"])[-1]
        raise ConversionError(Kind.INPUT, f"the result does not decode: {fault}", log + ran.log)


def _decoded_seconds(audio: Stream | None, ran: FfmpegResult) -> float | None:
    """Return how many seconds of the mapped *audio* were decoded; None if it was only copied."""
    if not audio or not audio.rate or audio.index not in ran.samples:
        return None
    return ran.samples[audio.index] / audio.rate


def _length_of(result: MediaInfo | None) -> float:
    """Return the length of the audio and video of a *result*; 0 if unknown.

    The container's length is not used, because a list of chapters may be longer.
    """
    streams = (*result.all("audio"), *result.all("video")) if result else ()
    ends = [(stream.start or 0.0) + stream.duration for stream in streams if stream.duration]
    length = (result and result.duration) or 0.0
    return min(length, max(ends)) if ends else length


def _mapped_length(media: MediaInfo, recipe: Recipe) -> tuple[float, ...] | None:
    """Return the valid lengths of a target, because formats treat streams that start late differently.

    For the mapped stream that ends last, these are its own length, the time from 0 to its end, and the time
    from the start of the first stream to its end.
    """
    audio = media.stream("audio", recipe.audio_stream)
    mapped = (audio,) if recipe.media == "audio" else (media.stream("video"), audio)
    known = [(s.start or 0.0, s.duration) for s in mapped if s and s.duration]
    if known:
        start, duration = max(known, key=sum)
        return duration, start + duration, start + duration - min(known)[0]
    return (media.duration,) if media.duration else None


def _reaches(made: float, wanted: float, rate: int = 0) -> bool:
    return made >= wanted - tolerance(wanted, rate)


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= tolerance(other)
