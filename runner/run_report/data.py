"""A run's data for programs and spreadsheets."""

import csv
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any, TextIO

from runner.costs import cost_as_json
from runner.formatting import printable
from runner.records import AttemptRecord
from runner.run_report.bottleneck import bottleneck
from runner.run_report.facts import RunFacts

_VERSION = 1
_COLUMNS = (
    *("run", "source", "target", "state", "attempt", "kind", "message", "source_bytes"),
    *("result_bytes", "uploaded_bytes", "media_seconds", "queued", "began", "seconds", "recorded"),
    *("worker", "versions"),
)
# a spreadsheet treats text that starts with these as a formula, and a file may have any name
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def as_json(facts: RunFacts) -> dict[str, Any]:
    """Return everything that is known, as one object."""
    run, duration = facts.run, facts.duration
    upload = facts.upload
    return {
        "v": _VERSION,
        "event": "report",
        "run": run.id,
        "where": run.backend,
        "pool": run.options.pool or None,
        "command": run.command,
        "options": asdict(run.options),
        "runner": run.runner or None,
        "began": duration.began.isoformat(),
        "ended": run.ended and duration.ended.isoformat(),
        "exit_code": run.exit_code,
        "unfinished": run.unfinished,
        "files": run.files,
        **asdict(facts.counts),
        "bytes": asdict(facts.volume) | {"saved": facts.volume.saved},
        "uploaded": upload and asdict(upload),
        "media_seconds": facts.media_seconds,
        "azure": facts.cost and cost_as_json(facts.cost),
        "bottleneck": bottleneck(facts),
        "attempts": [
            dict(zip(_COLUMNS[1:], _values(each), strict=True)) for each in facts.attempts
        ],
    }


def write_csv(facts: RunFacts, file: TextIO) -> None:
    """Write a line for each attempt, with a heading."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for attempt in facts.attempts:
        writer.writerow([facts.run.id, *map(_cell, _values(attempt))])


def _values(attempt: AttemptRecord) -> Iterator[object]:
    """Return the values of the columns after the run."""
    yield from (attempt.source, attempt.target, attempt.state.value, attempt.number)
    yield from (attempt.kind or None, attempt.message or None, attempt.source_size, attempt.size)
    yield from (attempt.sent, attempt.media_seconds, _moment(attempt.queued))
    yield from (_moment(attempt.began), round(attempt.seconds, 3), _moment(attempt.ended))
    yield from (attempt.worker or None, attempt.versions or None)


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    shown = printable(value)
    return f"'{shown}" if value.startswith(_FORMULAS) else shown
