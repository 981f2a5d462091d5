"""Check whether a mix to mono is silent although its source is not.

Two channels with opposite phase, as from a wrongly wired microphone, sound fine by themselves and cancel
each other out.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.media.failures import ConversionError, Kind
from runner.media.recipe import option

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.media.ffmpeg import FfmpegResult
    from runner.media.recipe import Recipe

NOTICE = "mixed to mono, its two channels cancel each other out, so only the first one was used"
_REFUSAL = (
    "mixed to mono, its channels cancel each other out; use only one of them: "
    "-- ... -af 'pan=mono|c0=c0'"
)
_FIRST_CHANNEL = "pan=mono|c0=c0"
# In decibels below full scale: what nobody can hear, and how far that is from real audio.
_SILENCE, _APART = -60.0, 40.0
_BEGINNING = 30
"""Seconds that are enough to decide for nearly every file."""
_MONO_OUTPUT = re.compile(r"^.*Output #0.*?Stream #0:\d[^\n]*: Audio: [^\n]* Hz, mono\b", re.DOTALL)
_FILTERS = ("-af", "-filter", "-filter_complex", "-lavfi")
_MEASURE = ("-af", "volumedetect", "-f", "null", "-")
_PEAK = re.compile(r"max_volume: (\S+) dB")


def is_mixed_down(ran: FfmpegResult, number: int | None) -> bool:
    """Return whether *ran* mixed several channels of the audio stream *number* into one."""
    sound = ran.media.stream("audio", number) if ran.media else None
    several = sound is not None and sound.layout not in ("", "mono", "1 channels")
    return several and bool(_MONO_OUTPUT.search(ran.log))


def of_one_channel(recipe: Recipe, ran: FfmpegResult) -> Recipe:
    """Return *recipe* with the first channel instead of the mix of both.

    Raises:
        ConversionError: There are more than two, or the user has a filter of their own.
    """
    sound = ran.media and ran.media.stream("audio", recipe.audio_stream)
    own_filters = any(option(recipe.arguments, name) is not None for name in _FILTERS)
    if not sound or sound.layout not in ("stereo", "2 channels") or own_filters:
        raise ConversionError(Kind.INPUT, _REFUSAL, ran.log)
    chain = f"{_FIRST_CHANNEL},{recipe.audio_filter}".rstrip(",")
    return replace(recipe, audio_filter=chain)


def is_lost(
    run: Callable[..., FfmpegResult], result: str, source: tuple[str, ...], stream: str
) -> bool:
    """Return whether *result* is silent although the *stream* of its source is not.

    *run* runs ffmpeg with the given arguments; *source* are those for the source.
    """
    for limit in (("-t", str(_BEGINNING)), ()):
        peak = _peak(run(*limit, "-i", f"file:{result}", "-map", "0:a", *_MEASURE))
        if peak is None or peak > _SILENCE:
            return False
    before = _peak(run(*source, "-map", stream, *_MEASURE))
    return before is not None and peak is not None and before - peak > _APART


def _peak(ran: FfmpegResult) -> float | None:
    """Return the loudest sample, in decibels of full scale."""
    found = _PEAK.search(ran.log)
    return float(found[1]) if found and ran.code == 0 else None
