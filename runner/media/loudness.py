"""Normalise loudness in two passes (EBU R128), and restore sample rate and bit depth."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from runner.media.recipe import encoder, option

if TYPE_CHECKING:
    from runner.media.probe import Stream
    from runner.media.recipe import Recipe

# Encoders that keep the bit depth of their input: loudnorm gives them floating point.
LOSSLESS = ("flac", "alac", "wavpack", "tta")


def measuring(recipe: Recipe) -> str:
    """Return the filters of the first pass."""
    return _joined(recipe.audio_filter, f"{_target(recipe)}:print_format=json")


def correcting(recipe: Recipe, log: str, source: Stream | None) -> str:
    """Return the filters of the second pass, from the *log* of the first pass over *source*."""
    if not (measured := _measured(log)):
        return recipe.audio_filter  # silence has no loudness to change
    correction = f"{_target(recipe)}:linear=true:{measured}"
    return _joined(recipe.audio_filter, correction, _as_before(recipe, source))


def is_corrected(filters: str) -> bool:
    """Return whether *filters*, from `correcting`, change a measured loudness."""
    return "measured_" in filters


def _target(recipe: Recipe) -> str:
    return f"loudnorm=I={recipe.loudness:g}:TP=-1.5:LRA=11"


def _as_before(recipe: Recipe, source: Stream | None) -> str:
    """Return filters that undo a side effect of loudnorm: its output is double at 192 kHz.

    ffmpeg 4.2 would reject an `aresample` before another `aformat`. See
    https://ffmpeg.org/ffmpeg-filters.html#loudnorm
    """
    wanted = []
    if source and source.rate and option(recipe.arguments, "-ar") is None:
        wanted.append(f"sample_rates={source.rate}")
    if source and 0 < source.bits <= 16 and _keeps_depth(recipe.arguments):
        wanted.append("sample_fmts=s16|s16p")
    # loudnorm returns short audio in one piece, whose size ffmpeg 9 uses as FLAC's block size
    return _joined("aformat=" + ":".join(wanted) if wanted else "", "asetnsamples=n=4096:p=0")


def _keeps_depth(arguments: tuple[str, ...]) -> bool:
    return encoder(arguments, "a") in LOSSLESS and option(arguments, "-sample_fmt") is None


def _joined(*filters: str) -> str:
    return ",".join(filter(None, filters))


def _measured(log: str) -> str:
    """Return what loudnorm's first pass printed, as options for the second; empty for silence."""
    start = log.rfind("{")
    values: dict[str, Any] = {}
    with suppress(ValueError):
        values, _ = json.JSONDecoder().raw_decode(log[start:])
    names = ("i", "tp", "lra", "thresh")
    found = {name: str(values.get(f"input_{name}", "-inf")) for name in names}
    offset = str(values.get("target_offset", "inf"))
    if any("inf" in value or "nan" in value for value in (*found.values(), offset)):
        return ""
    parts = [
        f"measured_{name.upper() if name != 'thresh' else name}={v}" for name, v in found.items()
    ]
    return ":".join([*parts, f"offset={offset}"])
