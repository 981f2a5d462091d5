"""What kept a run from being faster: the part that was busy for most of its time. Pure."""

from collections.abc import Iterable

from runner.costs import covered
from runner.run_report.facts import RunFacts, Span
from runner.run_report.timeline import lanes

_HALF = 0.5
"""A share of the time; what is busy for less is not called a bottleneck."""
_LEAST = 2.0
"""Seconds; shorter runs have none worth a name."""


def bottleneck(facts: RunFacts) -> str:
    """A sentence on what was busy for most of the time; empty where that is not known."""
    whole = facts.drawn.seconds
    if whole < _LEAST:
        return ""
    shares = {name: seconds / whole for name, seconds in _busy(facts).items()}
    if not shares:
        return ""
    name, share = max(shares.items(), key=lambda each: each[1])
    if share >= _HALF:
        return f"The bottleneck: {name} {min(share, 1):.0%} of the time."
    said = ", ".join(f"{what} {part:.0%}" for what, part in shares.items() if part >= 0.01)
    return f"Nothing was busy for most of the time ({said})." if said else ""


def _busy(facts: RunFacts) -> dict[str, float]:
    """Return how many seconds each step was busy."""
    rows = lanes(facts, 10**9)
    if not rows:
        return {}
    workers = sum(bar.span.seconds for row in rows for bar in row.bars) / len(rows)
    if facts.is_local:
        who = "the worker was" if len(rows) == 1 else f"all {len(rows)} workers were"
        return {f"{who} busy": workers}
    sent, collected = (
        covered((s.began, s.ended) for a in facts.attempts for s in a.steps if s.name == name)
        for name in ("send", "collect")
    )
    down = {} if facts.results_stay else {"the downlink was full": collected}
    return {
        "the uplink was full": sent,
        **down,
        "files waited for nodes": _waiting(facts),
        "the nodes were busy": workers,
    }


def _waiting(facts: RunFacts) -> float:
    """Return the seconds in which something waited and nothing ran."""
    running = [span for a in facts.attempts if (span := facts.span_of(a)) is not None]
    waits = [span for a in facts.attempts if (span := facts.wait_of(a)) is not None]
    return covered(_periods((*running, *waits))) - covered(_periods(running))


def _periods(spans: Iterable[Span]) -> list[tuple[float, float]]:
    return [(span.began.timestamp(), span.ended.timestamp()) for span in spans]
