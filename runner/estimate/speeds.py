"""How long a file takes, by how long files of its kind took. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from runner.estimate.contents import FileContent

_FEW = 3
_ALIKE = (1.5, 4.0)
"""By what factor the rate in bytes of files of one kind may differ: at first, and if that gives few."""
_SPREAD = 1.5
"""Lengths that differ by less say nothing of what a file costs besides its length."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one file, or a part of one, took."""

    suffix: str
    rate: float
    """Bytes a second of the whole source."""
    media_seconds: float
    seconds: float
    result: float
    """Bytes."""
    pixels: int | None = None
    """Of its video; None if that was not recorded."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What a file takes: something once, and something for each second of it."""

    fixed: float
    per_second: float
    result_rate: float
    """Bytes of the result for a second."""

    def of(self, media_seconds: float) -> float:
        """Seconds for a file of that length."""
        return self.fixed + self.per_second * media_seconds


def fit(timings: Sequence[Timing]) -> Speed:
    """Fit a line to *timings* by least squares, with neither coefficient below zero."""
    lengths = [timing.media_seconds for timing in timings]
    times = [timing.seconds for timing in timings]
    rate = sum(timing.result for timing in timings) / max(sum(lengths), 1e-9)
    ratio = sum(times) / max(sum(lengths), 1e-9)
    if max(lengths) <= _SPREAD * min(lengths):
        return Speed(0.0, ratio, rate)
    middle, mean = sum(lengths) / len(lengths), sum(times) / len(times)
    spread = sum((length - middle) ** 2 for length in lengths)
    slope = sum((x - middle) * (t - mean) for x, t in zip(lengths, times, strict=True)) / spread
    fixed = mean - slope * middle
    if slope <= 0:
        return Speed(mean, 0.0, rate)
    return Speed(fixed, slope, rate) if fixed > 0 else Speed(0.0, ratio, rate)


class Speeds:
    """Finds the timings of files that are like another one."""

    def __init__(self, timings: Iterable[Timing], *, any_kind: bool) -> None:
        """*any_kind* says that files of other kinds are better than none: so it is with sound."""
        self._timings = [t for t in timings if t.media_seconds > 0 and t.seconds > 0]
        self._any_kind = any_kind
        self._known: dict[object, Speed | None] = {}

    def __len__(self) -> int:
        return len(self._timings)

    def of(self, content: FileContent) -> Speed | None:
        """Return how fast files like that of *content* were converted; None if there were none."""
        kind = (content.suffix, round(content.rate, -3), content.pixels)
        if kind not in self._known:
            self._known[kind] = self._find(content)
        return self._known[kind]

    def _find(self, content: FileContent) -> Speed | None:
        tiers = [self._alike(content, factor) for factor in _ALIKE]
        if self._any_kind:
            tiers.append(self._timings)
        best = next((tier for tier in tiers if len(tier) >= _FEW), None)
        best = best or next(filter(None, tiers), None)
        return fit(best) if best else None

    def _alike(self, content: FileContent, factor: float) -> list[Timing]:
        return [
            timing
            for timing in self._timings
            if timing.suffix == content.suffix
            and timing.pixels in (None, content.pixels)
            and content.rate / factor <= timing.rate <= content.rate * factor
        ]

    def covers(self, contents: Sequence[FileContent]) -> float:
        """Return the share of the media of *contents* whose speed is known."""
        whole = sum(content.seconds for content in contents)
        known = sum(content.seconds for content in contents if self.of(content))
        return known / whole if whole else 0.0

    def times(self, contents: Sequence[FileContent], scale: float = 1.0) -> list[float]:
        """Return the seconds of each; unknown kinds are taken to be like the others."""
        return self._all(contents, lambda speed, content: scale * speed.of(content.seconds))

    def results(self, contents: Sequence[FileContent]) -> list[float]:
        """Return the bytes of each result."""
        return self._all(contents, lambda speed, content: speed.result_rate * content.seconds)

    def _all(
        self, contents: Sequence[FileContent], value: Callable[[Speed, FileContent], float]
    ) -> list[float]:
        values = [(content, self.of(content)) for content in contents]
        known = [(value(speed, content), content.seconds) for content, speed in values if speed]
        share = sum(v for v, _ in known) / max(sum(s for _, s in known), 1e-9)
        return [
            value(speed, content) if speed else share * content.seconds for content, speed in values
        ]
