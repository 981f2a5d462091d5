"""Measure how fast this machine converts the user's own files: parts of some, for a few seconds."""

import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice, repeat

from runner.estimate.looks import Look
from runner.estimate.speeds import Timing
from runner.media.failures import ConversionError
from runner.media.ffmpeg import Limits
from runner.media.recipe import Recipe
from runner.media.work import Work
from runner.media.worker import convert

_KINDS = 4
"""Of files that are measured: those that most of the media are of."""
_FIRST = 1.0
"""Seconds of media of the first part."""
_SECONDS = 2.0
"""After a part that took so long there is none that is longer."""
_GROWTH = 4.0
"""How much longer each part is than the one before."""
_LIMIT = 30.0
_SKIPPED = 0.3
"""Of a long file: its beginning is not like the rest."""


@dataclass(frozen=True)
class Calibration:
    """What was measured, and on how many files."""

    timings: tuple[Timing, ...]
    files: int


def calibrate(looks: Sequence[Look], ffmpeg: str, jobs: int) -> Calibration:
    """Convert parts of some files as the run would, so many at a time; nothing of it stays."""
    timings: list[Timing] = []
    files = 0
    kinds = _kinds(looks)
    if kinds:
        # the first conversion of a process is slower: it imports, and ffmpeg is not in memory yet
        _at_once(kinds[0][:1], ffmpeg, _FIRST)
    for kind in kinds:
        workers = max(1, min(jobs, len(looks)))
        chosen = list(islice(_cycle(kind), workers))
        found = _measured(chosen, ffmpeg)
        timings += found
        files += min(len(kind), workers) if found else 0
    return Calibration(tuple(timings), files)


def _measured(chosen: Sequence[Look], ffmpeg: str) -> list[Timing]:
    """The timings of longer and longer parts, until one takes some seconds.

    With one length alone, what a file costs once would be taken for what each second costs.
    """
    timings: list[Timing] = []
    longest = min(look.seconds for look in chosen)
    part = _FIRST
    while True:
        found = _at_once(chosen, ffmpeg, part)
        timings += found
        took = max((timing.seconds for timing in found), default=_LIMIT)
        is_second = part > _FIRST
        if part >= longest or not found or (is_second and took >= _SECONDS):
            return timings
        part = min(longest, part * _GROWTH)


def _kinds(looks: Sequence[Look]) -> list[list[Look]]:
    kinds: dict[object, list[Look]] = defaultdict(list)
    for look in looks:
        if look.seconds > 0:
            kinds[look.suffix, look.pixels].append(look)
    most = sorted(kinds.values(), key=lambda kind: -sum(look.seconds for look in kind))
    # files of the usual length say most
    return [sorted(kind, key=lambda k: abs(k.seconds - _middle(kind))) for kind in most[:_KINDS]]


def _middle(kind: Sequence[Look]) -> float:
    return sorted(look.seconds for look in kind)[len(kind) // 2]


def _cycle(kind: Sequence[Look]) -> "islice[Look]":
    # as many at a time as in the run, also where there is only one
    rounds = repeat(kind[:8])
    return islice((look for one in rounds for look in one), 64)


def _at_once(chosen: Sequence[Look], ffmpeg: str, seconds: float) -> list[Timing]:
    scratch = tempfile.mkdtemp(prefix="runner-plan-")
    try:
        with ThreadPoolExecutor(len(chosen)) as pool:
            done = pool.map(
                lambda each: _measure(each[1], ffmpeg, seconds, f"{scratch}/{each[0]}"),
                enumerate(chosen),
            )
            return [timing for timing in done if timing is not None]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _measure(look: Look, ffmpeg: str, seconds: float, scratch: str) -> Timing | None:
    if look.conversion.source.is_blob:
        return None
    recipe = look.conversion.recipe
    part = min(seconds, look.seconds)
    began = time.monotonic()
    try:
        made = convert(
            Work(
                source=look.conversion.source.path,
                target=f"{scratch}/result{recipe.suffix}",
                scratch=scratch,
                name="part",
                recipe=_of_a_part(recipe, look, part),
                ffmpeg=ffmpeg,
                limits=Limits(seconds=_LIMIT),
            )
        )
    except ConversionError:
        return None
    took = time.monotonic() - began
    return Timing(look.suffix, look.rate, part, took, made.size, look.pixels)


def _of_a_part(recipe: Recipe, look: Look, part: float) -> Recipe:
    if part >= look.seconds or recipe.input_arguments:
        return recipe
    begin = _SKIPPED * (look.seconds - part)
    return replace(recipe, input_arguments=("-ss", f"{begin:.3f}", "-t", f"{part:.3f}"))
