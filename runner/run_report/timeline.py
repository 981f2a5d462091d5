"""Compute lanes of work and rates over time, for drawing. Pure."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter

from runner.models import State
from runner.records import AttemptRecord
from runner.run_report.facts import RunFacts, Span


@dataclass(frozen=True, slots=True)
class Bar:
    """Work without a visible break: one attempt, or several that are too short to be distinguished."""

    span: Span
    state: State
    attempts: int
    first: AttemptRecord


@dataclass(frozen=True, slots=True)
class Lane:
    """What one worker or node did, or one of several simultaneous tasks of a node."""

    name: str
    """Empty if unknown."""
    bars: tuple[Bar, ...]
    boot: Span | None = None
    """Of the node, if it was made for this run."""
    slot: int = 1
    """Which of the node's tasks at a time these are, as far as can be told from their times."""


@dataclass(frozen=True, slots=True)
class Amount:
    """Something that was done, or lasted, evenly over a period."""

    span: Span
    quantity: float


def lanes(facts: RunFacts, steps: int) -> tuple[Lane, ...]:
    """Arrange the work of a run in lanes without overlaps.

    Anything shorter than the *steps*th part of the run is merged with its neighbours.
    """
    by_worker: dict[str, list[Bar]] = defaultdict(list)
    for attempt in facts.attempts:
        if (span := facts.span_of(attempt)) is not None:
            by_worker[attempt.worker].append(Bar(span, attempt.state, 1, attempt))
    least = facts.drawn.seconds / steps
    boots = dict(facts.boots)
    return tuple(
        Lane(worker, _joined(bars, least), None if number else boots.get(worker), number + 1)
        for worker in sorted(by_worker, key=_natural)
        for number, bars in enumerate(_packed(by_worker[worker]))
    )


def rates(amounts: Iterable[Amount], whole: Span, steps: int) -> tuple[float, ...]:
    """Return how much of *amounts* per second there was in each of the *steps* of the *whole* time."""
    sums = [0.0] * steps
    width = whole.seconds / steps
    if width <= 0:
        return tuple(sums)
    for amount in amounts:
        begin = _place(amount.span.began, whole, width)
        end = _place(amount.span.ended, whole, width)
        if end <= begin:  # no duration: it counts in one step
            sums[min(int(begin), steps - 1)] += amount.quantity
            continue
        for step in range(int(begin), min(int(end) + 1, steps)):
            part = min(end, step + 1) - max(begin, step)
            sums[step] += amount.quantity * part / (end - begin)
    return tuple(total / width for total in sums)


def converted_bytes(facts: RunFacts) -> list[Amount]:
    """Return the bytes of converted sources, each spread over the time of its conversion."""
    return [
        Amount(span, attempt.source_size)
        for attempt in facts.that_ended(State.CONVERTED)
        if attempt.source_size is not None and (span := facts.span_of(attempt)) is not None
    ]


def waiting(facts: RunFacts) -> list[Amount]:
    """Return the tasks that waited for a node; their rate is the number that waits."""
    spans = filter(None, map(facts.wait_of, facts.attempts))
    return [Amount(span, span.seconds) for span in spans]


def _place(moment: datetime, whole: Span, width: float) -> float:
    return max(0.0, (moment - whole.began).total_seconds() / width)


def _packed(bars: Iterable[Bar]) -> list[list[Bar]]:
    """Arrange *bars* in as few rows as possible."""
    rows: list[list[Bar]] = []
    for bar in sorted(bars, key=attrgetter("span.began")):
        free = (row for row in rows if row[-1].span.ended <= bar.span.began)
        row = next(free, None)
        if row is None:
            rows.append([bar])
        else:
            row.append(bar)
    return rows


def _joined(bars: Sequence[Bar], least: float) -> tuple[Bar, ...]:
    """Merge those *bars* with the same outcome that are shorter than *least* seconds and equally close."""
    joined: list[Bar] = []
    for bar in bars:
        last = joined[-1] if joined else None
        if last and last.state is bar.state and _are_close(last.span, bar.span, least):
            span = Span(last.span.began, bar.span.ended)
            attempts = last.attempts + bar.attempts
            joined[-1] = replace(last, span=span, attempts=attempts)
        else:
            joined.append(bar)
    return tuple(joined)


def _are_close(one: Span, other: Span, least: float) -> bool:
    return other.seconds < least and Span(one.ended, other.began).seconds < least


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort "worker 10" after "worker 2"."""
    return [(int(part or 0), word) for word, part in re.findall(r"(\D*)(\d{0,18})", name)]
