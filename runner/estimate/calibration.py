"""Measure how fast this machine converts the user's own files: parts of some, for a few seconds."""

import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import cycle, islice

from runner.estimate.contents import FileContent
from runner.estimate.extracts import Extracts
from runner.estimate.speeds import Timing
from runner.media.failures import ConversionError
from runner.media.ffmpeg import Limits, ProcessHandle
from runner.media.recipe import Recipe
from runner.media.work import Work
from runner.media.worker import convert
from runner.own_cores import OwnCores, cores_for

_KINDS = 4
"""The kinds of files that are measured: those with most of the media."""
_FIRST = 1.0
"""Seconds of media of the first part."""
_SECONDS = 2.0
"""Seconds; after a part that took this long, no longer one is timed."""
_GROWTH = 4.0
"""How much longer each part is than the one before."""
_LIMIT = 30.0
_MOST_AT_ONCE = 64
_SKIPPED = 0.3
"""Of a long file: its beginning is not like the rest."""
_READABLE = 0.8
"""Of the seconds that the beginning of a blob should hold: media are not spread evenly."""


@dataclass(frozen=True)
class Calibration:
    """What was measured, and on how many files."""

    timings: tuple[Timing, ...]
    files: int


@dataclass(frozen=True)
class _Sample:
    """A file that parts of are converted, and what it holds."""

    content: FileContent
    path: str
    seconds: float
    """Of media that can be read."""
    skipped: float = _SKIPPED

    @classmethod
    def of(cls, content: FileContent) -> "_Sample":
        return cls(content, content.conversion.source.path, content.seconds)

    @classmethod
    def of_blob(cls, content: FileContent, extracts: Extracts | None) -> "_Sample | None":
        extract = extracts.to_measure(content.conversion.source) if extracts else None
        if extract is None:
            return None
        if extract.beginning >= content.size:
            return cls(content, extract.path, content.seconds)
        there = _READABLE * content.seconds * extract.beginning / content.size
        return cls(content, extract.path, there, skipped=0.0)


def calibrate(
    contents: Sequence[FileContent], ffmpeg: str, jobs: int, extracts: Extracts | None = None
) -> Calibration:
    """Convert parts of some files as the run would, so many at a time; nothing of it stays."""
    timings: list[Timing] = []
    files = 0
    kinds = list(filter(None, (_samples(kind, extracts) for kind in _kinds(contents))))
    if kinds:
        # the first conversion of a process is slower: it imports, and ffmpeg is not in memory yet
        _at_once(kinds[0][:1], ffmpeg, _FIRST)
    for samples in kinds:
        workers = max(1, min(jobs, len(contents)))
        # as many at a time as in the run, also where there is only one
        chosen = list(islice(cycle(samples), min(workers, _MOST_AT_ONCE)))
        found = _measured(chosen, ffmpeg)
        timings += found
        files += min(len(samples), workers) if found else 0
    return Calibration(tuple(timings), files)


def _samples(kind: Sequence[FileContent], extracts: Extracts | None) -> list[_Sample]:
    """The files here of one *kind*; of blobs a single one, as it has to come here first."""
    here = [_Sample.of(content) for content in kind[:8] if not content.conversion.source.is_blob]
    if here:
        return here
    blob = _Sample.of_blob(kind[0], extracts)
    return [blob] if blob else []


def _measured(chosen: Sequence[_Sample], ffmpeg: str) -> list[Timing]:
    """Time longer and longer parts, until one takes some seconds.

    With one length alone, what a file costs once would be taken for what each second costs.
    """
    timings: list[Timing] = []
    longest = min(sample.seconds for sample in chosen)
    part = _FIRST
    while True:
        found = _at_once(chosen, ffmpeg, part)
        timings += found
        took = max((timing.seconds for timing in found), default=_LIMIT)
        is_second = part > _FIRST
        if part >= longest or not found or (is_second and took >= _SECONDS):
            return timings
        part = min(longest, part * _GROWTH)


def _kinds(contents: Sequence[FileContent]) -> list[list[FileContent]]:
    kinds: dict[object, list[FileContent]] = defaultdict(list)
    for content in contents:
        if content.seconds > 0:
            kinds[content.suffix, content.pixels].append(content)
    most = sorted(kinds.values(), key=lambda kind: -sum(content.seconds for content in kind))
    # files of the usual length say most
    return [sorted(kind, key=lambda k: abs(k.seconds - _middle(kind))) for kind in most[:_KINDS]]


def _middle(kind: Sequence[FileContent]) -> float:
    return sorted(content.seconds for content in kind)[len(kind) // 2]


def _at_once(chosen: Sequence[_Sample], ffmpeg: str, seconds: float) -> list[Timing]:
    scratch = tempfile.mkdtemp(prefix="runner-plan-")
    # the files of a run here keep to cores, too
    own_cores = OwnCores(cores_for(len(chosen), [one.content.conversion.recipe for one in chosen]))
    try:
        with ThreadPoolExecutor(len(chosen)) as pool:
            done = pool.map(
                lambda each: _measure(each[1], ffmpeg, seconds, f"{scratch}/{each[0]}", own_cores),
                enumerate(chosen),
            )
            return [timing for timing in done if timing is not None]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _measure(
    sample: _Sample, ffmpeg: str, seconds: float, scratch: str, own_cores: OwnCores
) -> Timing | None:
    content = sample.content
    recipe = content.conversion.recipe
    part = min(seconds, sample.seconds)
    work = Work(
        source=sample.path,
        target=f"{scratch}/result{recipe.suffix}",
        scratch=scratch,
        name="part",
        recipe=_of_a_part(recipe, sample, part),
        ffmpeg=ffmpeg,
        limits=Limits(seconds=_LIMIT),
    )
    handle = ProcessHandle()
    began = time.monotonic()
    try:
        with own_cores.one(handle):
            made = convert(work, handle)
    except ConversionError:
        return None
    took = time.monotonic() - began
    return Timing(content.suffix, content.rate, part, took, made.size, content.pixels)


def _of_a_part(recipe: Recipe, sample: _Sample, part: float) -> Recipe:
    if part >= sample.content.seconds or recipe.input_arguments:
        return recipe
    begin = sample.skipped * (sample.seconds - part)
    return replace(recipe, input_arguments=("-ss", f"{begin:.3f}", "-t", f"{part:.3f}"))
