"""Hold a result to its source: ffmpeg's exit code is 0 for half a file too."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runner.media.choices import settle
from runner.media.exit_code import ended_from_outside
from runner.media.failures import ConversionError, Kind, fault_lines
from runner.media.probe import MediaInfo, read_streams
from runner.media.process import run
from runner.media.source import check_source

if TYPE_CHECKING:
    from runner.media.ffmpeg import Ffmpeg, Ran
    from runner.media.recipe import Recipe


def tolerance(seconds: float) -> float:
    """How far lengths may differ, in seconds: priming and padding, and clocks that round."""
    return max(0.25, seconds / 1000)


def check_length(
    ffmpeg: str, source: str, result: str, recipe: Recipe, ran: Ran, seen: MediaInfo | None
) -> None:
    """Compare the length of *result* with the stream of *source* that it was made from.

    Two figures that a conversion prints settle nearly every file: the time stamp at which ffmpeg
    stopped writing, and how much sound it decoded, as time stamps run on over a hole. Only where
    one falls short of the length of the source's container, which streams that begin late or end
    early explain as well as a damaged file, are both files opened again. A result that is longer
    than its source promised lacks nothing: lengths in headers are wrong where files were joined.

    Raises:
        ConversionError: The result is shorter than it must be, or empty.
    """
    if recipe.media == "image":
        return
    length = seen and seen.duration
    heard = _heard(recipe, ran, seen)
    shortest = ran.seconds if heard is None else min(ran.seconds, heard)
    if ran.seconds and (not length or not recipe.keeps_length or _reaches(shortest, length)):
        return
    result_media = read_streams(ffmpeg, result)
    made = (result_media and result_media.duration) or ran.seconds
    if not made:
        raise ConversionError(Kind.INPUT, f"no {recipe.media} in it", ran.log)
    if not length or not recipe.keeps_length:
        return
    media = read_streams(ffmpeg, source, recipe.input_arguments)
    wanted, *_ = (media and _mapped_length(media, recipe)) or (length,)
    audio = media and media.stream("audio", recipe.audio_stream)
    sound = (audio and audio.duration) or (wanted if recipe.media == "audio" else 0.0)
    if _reaches(ran.seconds, wanted) and heard is not None and not _reaches(heard, sound):
        message = f"damaged: {sound - heard:.1f} s of {sound:.1f} s of sound are lost"
        raise ConversionError(Kind.INPUT, message, ran.log)
    if not _reaches(made, wanted):
        message = f"the file ends early: {made:.1f} s of {wanted:.1f} s"
        raise ConversionError(Kind.INPUT, message, ran.log)


def check_existing(ffmpeg: str, source: str, target: str, recipe: Recipe) -> None:
    """Compare a *target* that nobody remembers making with the *source* it should come from.

    Raises:
        ConversionError: It is not that source converted.
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
    recipe = settle(recipe, media)
    lengths = _mapped_length(media, recipe)
    if lengths and made.duration and not any(_close(made.duration, wanted) for wanted in lengths):
        raise ConversionError(Kind.INPUT, f"{made.duration:.1f} s instead of {lengths[0]:.1f} s")
    # what its header promises need not be there
    end = _read_through(ffmpeg, target)
    if lengths and not _reaches(end, min(lengths)):
        raise ConversionError(Kind.INPUT, f"it ends at {end:.1f} s of {lengths[0]:.1f} s")


def _read_through(ffmpeg: str, path: str) -> float:
    """The time at which *path* ends, in seconds, by reading all of it without decoding.

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
        ConversionError: It does not decode without a fault.
    """
    ran = ffmpeg.run(("-xerror", "-i", f"file:{result}", "-f", "null", "-"), lambda *_: None)
    if ran.code != 0 or fault_lines(ran.log):
        fault = (fault_lines(ran.log) or [f"exit code {ran.code}"])[-1]
        raise ConversionError(Kind.INPUT, f"the result does not decode: {fault}", log + ran.log)


def _heard(recipe: Recipe, ran: Ran, seen: MediaInfo | None) -> float | None:
    """How many seconds of the mapped audio were decoded; none if it was only copied."""
    audio = seen and seen.stream("audio", recipe.audio_stream)
    if not audio or not audio.rate or audio.index not in ran.samples:
        return None
    return ran.samples[audio.index] / audio.rate


def _mapped_length(media: MediaInfo, recipe: Recipe) -> tuple[float, ...] | None:
    """The lengths that a target may have, as formats treat what begins late or early differently.

    They are: of the stream that ends last, of the time until then, and of that from the first start.
    """
    audio = media.stream("audio", recipe.audio_stream)
    mapped = (audio,) if recipe.media == "audio" else (media.stream("video"), audio)
    known = [(s.start or 0.0, s.duration) for s in mapped if s and s.duration]
    if known:
        start, duration = max(known, key=sum)
        return duration, start + duration, start + duration - min(known)[0]
    return (media.duration,) if media.duration else None


def _reaches(made: float, wanted: float) -> bool:
    return made >= wanted - tolerance(wanted)


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= tolerance(other)
