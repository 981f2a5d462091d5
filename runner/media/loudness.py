"""Bring sound to one loudness in two passes (EBU R128), and give back its rate and depth."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from runner.media.recipe import encoder, option

if TYPE_CHECKING:
    from runner.media.probe import Stream
    from runner.media.recipe import Recipe

# Encoders that keep as many bits as they are given: loudnorm gives them floating point.
LOSSLESS = ("flac", "alac", "wavpack", "tta")


def measuring(recipe: Recipe) -> str:
    """The filters of the first pass."""
    return _joined(recipe.audio_filter, f"{_target(recipe)}:print_format=json")


def correcting(recipe: Recipe, log: str, source: Stream | None) -> str:
    """The filters of the second pass, after the first, of *source*, left this *log*."""
    if not (measured := _measured(log)):
        return recipe.audio_filter  # silence has no loudness to change
    correction = f"{_target(recipe)}:linear=true:{measured}"
    return _joined(recipe.audio_filter, correction, _as_before(recipe, source))


def is_corrected(filters: str) -> bool:
    """Whether *filters*, from `correcting`, change a loudness that could be measured."""
    return "measured_" in filters


def _target(recipe: Recipe) -> str:
    return f"loudnorm=I={recipe.loudness:g}:TP=-1.5:LRA=11"


def _as_before(recipe: Recipe, source: Stream | None) -> str:
    """Filters that undo what loudnorm does besides: it works, and goes on, at 192 kHz in double.

    One that resamples by itself would be refused by ffmpeg 4.2 before another `aformat`.
    """
    wanted = []
    if source and source.rate and option(recipe.arguments, "-ar") is None:
        wanted.append(f"sample_rates={source.rate}")
    if source and 0 < source.bits <= 16 and _keeps_depth(recipe.arguments):
        wanted.append("sample_fmts=s16|s16p")
    # a short sound leaves loudnorm in one piece, which ffmpeg 9 takes for the size of FLAC's blocks
    return _joined("aformat=" + ":".join(wanted) if wanted else "", "asetnsamples=n=4096:p=0")


def _keeps_depth(arguments: tuple[str, ...]) -> bool:
    return encoder(arguments, "a") in LOSSLESS and option(arguments, "-sample_fmt") is None


def _joined(*filters: str) -> str:
    return ",".join(filter(None, filters))


def _measured(log: str) -> str:
    """What loudnorm's first pass printed, as options of its second; empty for silence."""
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
