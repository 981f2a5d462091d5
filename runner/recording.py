"""Write the end of an attempt into the ledger's tables."""

import json
import sqlite3
import time

from runner.models import Conversion, Event, Kind, NodeUse, Result
from runner.records import packed


def record_result(db: sqlite3.Connection, run: str, event: Event, result: Result) -> None:
    """Record the target of *event*, and what it was made from."""
    conversion, source = event.conversion, event.conversion.source
    db.execute(
        "INSERT OR REPLACE INTO results VALUES"
        " (CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(as_bytes(conversion.target), as_bytes(source.path), source.size, source.mtime_ns),
            conversion.recipe.fingerprint,
            *(result.size, result.mtime_ns, result.sha256, run, json.dumps(event.notices)),
            source.etag,
        ),
    )


def record_attempt(db: sqlite3.Connection, run: str, event: Event) -> None:
    """Record how the attempt of *event* ended."""
    failure = event.failure
    conversion = event.conversion
    log = f"on a node with {event.versions}\n{event.log}" if event.versions else event.log
    db.execute(
        "INSERT OR REPLACE INTO attempts VALUES"
        " (?, CAST(? AS TEXT), ?, CAST(? AS TEXT), ?, ?, ?, CAST(? AS TEXT), ?, ?, ?, ?,"
        " ?, ?, ?, ?, ?, ?, CAST(? AS TEXT), CAST(? AS TEXT), ?)",
        (
            *(run, as_bytes(conversion.target), event.attempt, as_bytes(conversion.source.path)),
            *(conversion.recipe.fingerprint, event.state.value),
            *(failure and failure.kind.value, failure and as_bytes(failure.message)),
            *(event.seconds, time.time(), packed(log), json.dumps(event.notices)),
            *_execution_of(event),
        ),
    )


def _execution_of(event: Event) -> tuple[object, ...]:
    size, execution = event.conversion.source.size, event.execution
    return (
        None if size < 0 else size,
        event.result and event.result.size,
        event.media_total,
        *(execution.sent, execution.queued, execution.began),
        *(as_bytes(execution.worker), as_bytes(event.versions or execution.ffmpeg)),
        json.dumps([(step.name, step.began, step.ended) for step in execution.steps]),
    )


def record_known_failure(db: sqlite3.Connection, run: str, event: Event, made_with: str) -> None:
    """Record a failure caused by the source, replacing the previous one."""
    conversion, source = event.conversion, event.conversion.source
    # without a log the file was never opened: it may not exist, or its target's name was taken
    if event.failure is not None and event.failure.kind is Kind.INPUT and event.log:
        db.execute(
            "INSERT OR REPLACE INTO known_failures VALUES"
            " (CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?, ?, ?, ?, ?)",
            (
                *(*_names(conversion), source.size, source.mtime_ns, conversion.recipe.identity),
                *(made_with, run, event.attempt, source.etag),
            ),
        )
    else:
        db.execute(
            "DELETE FROM known_failures WHERE target = CAST(? AS TEXT) AND source = CAST(? AS TEXT)",
            _names(conversion),
        )


def repeat_failure(db: sqlite3.Connection, run: str, conversion: Conversion) -> None:
    """Copy the known failure of *conversion* into *run*, with its log."""
    db.execute(
        "INSERT OR REPLACE INTO attempts (run, target, number, source, recipe, state, kind, message,"
        " seconds, ended, log, notices, source_size)"
        " SELECT ?, target, 1, source, attempts.recipe, state,"
        " kind, message, seconds, ?, log, notices, known_failures.source_size"
        " FROM known_failures JOIN attempts USING (run, target, source, number)"
        " WHERE target = CAST(? AS TEXT) AND source = CAST(? AS TEXT)",
        (run, time.time(), *_names(conversion)),
    )
    db.execute(
        "UPDATE known_failures SET run = ?, number = 1"
        " WHERE target = CAST(? AS TEXT) AND source = CAST(? AS TEXT)",
        (run, *_names(conversion)),
    )


def record_node(db: sqlite3.Connection, run: str, use: NodeUse) -> None:
    """Write down how long a node was there for *run*."""
    db.execute(
        "INSERT OR REPLACE INTO node_uses VALUES (?, ?, ?, ?, ?, ?, ?)",
        (run, use.node, use.spot, use.since, use.until, use.allocated, use.ready),
    )


def as_bytes(text: str) -> bytes:
    """Encode *text* for a parameter that is cast to TEXT: on POSIX, names need not be UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def _names(conversion: Conversion) -> tuple[bytes, bytes]:
    return as_bytes(conversion.target), as_bytes(conversion.source.path)
