"""Compute where the bars of the timeline and of the rates are drawn. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runner.formatting import bytes_text, count_text, seconds_text, shortened
from runner.models import State
from runner.run_report.facts import RunFacts, Span, total_seconds
from runner.run_report.names import Names
from runner.run_report.timeline import Amount, Bar, Lane, converted_bytes, lanes, rates, waiting

WIDTH = 1000
"""The width of a drawing in its own units; the page scales it."""
_HEIGHT = 100
_STEPS = 50
"""Bars of a drawing of rates."""
_WHOLE = 10
"""From so many files on, an average has no decimals."""
_WITH_STEPS = 2.0
"""From this width on, the steps of an attempt can be seen."""
_MOST_LANES = 100
_LONGEST_NAME = 24
"""Characters: nodes have names of seventy."""
_OUTCOMES = {State.CONVERTED: "ok", State.FAILED: "bad", State.RETRYING: "again"}


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, and what it represents."""

    x: float
    width: float
    y: float
    height: float
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class DrawnLane:
    """A lane of the timeline."""

    name: str
    short_name: str
    summary: str
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class DrawnRates:
    """How much of something there was over time."""

    title: str
    most: str
    """The highest rate, formatted."""
    mean: str
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """When what was done."""

    lanes: tuple[DrawnLane, ...]
    left_out: int
    """The number of lanes that are not drawn."""
    drawings: tuple[DrawnRates, ...]
    marks: tuple[str, ...]
    """The times at the left, in the middle and at the right."""


def draw(facts: RunFacts, names: Names) -> Timeline:
    """Draw the timeline of a run; without lanes if the ledger does not know when its work was done."""
    found = lanes(facts, WIDTH)
    return Timeline(
        lanes=tuple(_lane(lane, facts, names) for lane in found[:_MOST_LANES]),
        left_out=max(0, len(found) - _MOST_LANES),
        drawings=tuple(filter(None, (_throughput(facts), _queue(facts)))),
        marks=_marks(facts.drawn),
    )


def _lane(lane: Lane, facts: RunFacts, names: Names) -> DrawnLane:
    whole = facts.drawn
    busy = total_seconds(bar.span for bar in lane.bars)
    share = f", {busy / whole.seconds:.0%} of the time" if whole.seconds > 0 else ""
    attempts = count_text(sum(bar.attempts for bar in lane.bars), "attempt")
    boxes = tuple(box for bar in lane.bars for box in _boxes(bar, facts, names))
    if lane.boot:
        boxes = (_part("boot", lane.boot, whole, "the node starts"), *boxes)
    slot = f"task slot {lane.slot}: " if lane.slot > 1 else ""
    name, summary = names.worker(lane.name), f"{slot}{attempts}, busy {seconds_text(busy)}{share}"
    return DrawnLane(name, shortened(name, _LONGEST_NAME), summary, boxes)


def _boxes(bar: Bar, facts: RunFacts, names: Names) -> tuple[Box, ...]:
    """Return the bar of an attempt, and its steps on top, except the conversion itself."""
    whole = facts.drawn
    box = _box(bar, whole, names)
    if bar.attempts > 1 or box.width < _WITH_STEPS:
        return (box,)
    what = names.source(bar.first)
    parts = (each for each in facts.steps_of(bar.first) if each[0] != "convert")
    drawn = (_part(name, span, whole, f"{what}: {name}") for name, span in parts)
    return (box, *(step for step in drawn if step.width >= 1))


def _part(kind: str, span: Span, whole: Span, what: str) -> Box:
    x = _place(span.began, whole)
    width = round(_place(span.ended, whole) - x, 1)
    return Box(round(x, 1), width, 2, 8, kind, f"{what}, {seconds_text(span.seconds)}")


def _box(bar: Bar, whole: Span, names: Names) -> Box:
    x = _place(bar.span.began, whole)
    # bars that are too short to be seen are drawn as lines
    width = max(1.0, round(_place(bar.span.ended, whole) - x, 1))
    what = names.source(bar.first) if bar.attempts == 1 else count_text(bar.attempts, "attempt")
    title = f"{what}: {bar.state.value}, {seconds_text(bar.span.seconds)}"
    # failures are taller, so that they can be seen without colour
    y, height = (2, 8) if bar.state is State.CONVERTED else (0, 12)
    return Box(round(x, 1), width, y, height, _OUTCOMES.get(bar.state, "ok"), title)


def _throughput(facts: RunFacts) -> DrawnRates | None:
    amounts = converted_bytes(facts)
    return _rates("Source data converted", amounts, facts.drawn, _per_second) if amounts else None


def _queue(facts: RunFacts) -> DrawnRates | None:
    amounts = waiting(facts)
    return _rates("Files waiting for a node", amounts, facts.drawn, _files) if amounts else None


def _per_second(rate: float) -> str:
    return f"{bytes_text(rate)}/s"


def _files(count: float) -> str:
    number = f"{count:.1f}".removesuffix(".0") if count < _WHOLE else f"{count:.0f}"
    return f"{number} file{'' if number == '1' else 's'}"


def _rates(
    title: str, amounts: Sequence[Amount], whole: Span, text: Callable[[float], str]
) -> DrawnRates | None:
    if whole.seconds <= 0:
        return None
    found = rates(amounts, whole, _STEPS)
    most, width = max(found), WIDTH / _STEPS
    if most <= 0:
        return None
    step = whole.seconds / _STEPS
    boxes = tuple(
        Box(
            *(number * width, width - 1, round(_HEIGHT - (high := rate / most * _HEIGHT), 1)),
            *(round(high, 1), "rate", f"{_offset(number * step, whole)}: {text(rate)}"),
        )
        for number, rate in enumerate(found)
        if rate > 0
    )
    return DrawnRates(title, text(most), text(sum(found) / _STEPS), boxes)


def _place(moment: datetime, whole: Span) -> float:
    if whole.seconds <= 0:
        return 0.0
    return (moment - whole.began).total_seconds() / whole.seconds * WIDTH


def _marks(whole: Span) -> tuple[str, ...]:
    return tuple(_offset(whole.seconds * part, whole) for part in (0, 0.5, 1))


def _offset(seconds: float, whole: Span) -> str:
    """Format the time of day, and the time since the start of the run."""
    moment = whole.began + timedelta(seconds=seconds)
    return f"{moment:%H:%M:%S} (+{seconds_text(seconds)})" if seconds else f"{moment:%H:%M:%S}"
