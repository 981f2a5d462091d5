"""Write the end of an attempt into the ledger's tables."""

import json
import sqlite3
import time
from dataclasses import dataclass
from functools import cached_property

from runner.file_rows import FileRow, key_of
from runner.models import STEPS, Conversion, Event, Kind, NodeUse, Result, Step
from runner.records import compressed


class Words:
    """The numbers of words that many rows share; they are valid until a transaction fails."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def forget(self) -> None:
        """Look them up again from now on."""
        self._known.clear()

    def number(self, db: sqlite3.Connection, word: str) -> int:
        """Return the number of *word*, which it gets when it is first needed."""
        known = self._known.get(word)
        if known is None:
            known = self._known[word] = _look_up(db, word) or _add(db, word)
        return known


@dataclass(frozen=True)
class Recording:
    """What is written down of one conversion in one transaction."""

    db: sqlite3.Connection
    words: Words
    run: str
    conversion: Conversion

    @cached_property
    def file(self) -> int:
        """The number of its target and source, which they get when it is first needed."""
        target, source = as_bytes(self.conversion.target), as_bytes(self.conversion.source.path)
        row = FileRow.of(target, source)
        known = self.db.execute(
            "SELECT id FROM paths WHERE target_key = ?"
            " AND target = CAST(? AS TEXT) AND source = CAST(? AS TEXT)",
            (row.target_key, target, source),
        ).fetchone()
        if known:
            return int(known[0])
        folders = (
            self._word(folder.decode("utf-8", "surrogateescape"))
            for folder in (row.folder, row.target_folder)
        )
        added = self.db.execute(
            "INSERT INTO files"
            " (folder, target_folder, name, shared, tail, target_key, source_key)"
            " VALUES (?, ?, CAST(? AS TEXT), ?, CAST(? AS TEXT), ?, ?)",
            (*folders, row.name, row.shared, row.tail, row.target_key, row.source_key),
        )
        return int(added.lastrowid or 0)

    def result(self, event: Event, result: Result) -> None:
        """Record the target of *event*, and what it was made from."""
        source, key = self.conversion.source, target_key(self.conversion.target)
        # a target that was made of another source before is of this one now
        self.db.execute(
            "DELETE FROM results WHERE file IN (SELECT id FROM paths WHERE target_key = ?"
            " AND target = CAST(? AS TEXT) AND id != ?)",
            (*key, self.file),
        )
        self.db.execute(
            "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(self.file, source.size, source.mtime_ns, self._recipe()),
                *(result.size, result.mtime_ns, _digest(result.sha256), self._word(self.run)),
                *(json.dumps(event.notices), source.etag),
            ),
        )

    def attempt(self, event: Event) -> None:
        """Record how the attempt of *event* ended."""
        failure, execution = event.failure, event.execution
        log = f"on a node with {event.versions}\n{event.log}" if event.versions else event.log
        ended = time.time()
        self.db.execute(
            "INSERT OR REPLACE INTO attempts VALUES"
            " (?, ?, ?, ?, ?, ?, CAST(? AS TEXT), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(self._word(self.run), self.file, event.attempt, self._recipe()),
                event.state.value,
                *(failure and failure.kind.value, failure and as_bytes(failure.message)),
                *(event.seconds, ended, compressed(log), json.dumps(event.notices)),
                *_execution_of(event),
                *(self._word(execution.worker), self._word(event.versions or execution.ffmpeg)),
                _steps(execution.steps, ended),
            ),
        )

    def known_failure(self, event: Event, made_with: str) -> None:
        """Record a failure caused by the source, replacing the previous one."""
        source = self.conversion.source
        # without a log the file was never opened: it may not exist, or its target's name was taken
        if event.failure is not None and event.failure.kind is Kind.INPUT and event.log:
            self.db.execute(
                "INSERT OR REPLACE INTO known_failures VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(self.file, source.size, source.mtime_ns, self.conversion.recipe.identity),
                    *(made_with, self._word(self.run), event.attempt, source.etag),
                ),
            )
        else:
            self.db.execute("DELETE FROM known_failures WHERE file = ?", (self.file,))

    def repeat_failure(self) -> None:
        """Copy the known failure of the conversion into the run, with its log."""
        run = self._word(self.run)
        self.db.execute(
            "INSERT OR REPLACE INTO attempts (run, file, number, recipe, state, kind, message,"
            " seconds, ended, log, notices, source_size)"
            " SELECT ?, file, 1, attempts.recipe, state,"
            " kind, message, seconds, ?, log, notices, known_failures.source_size"
            " FROM known_failures JOIN attempts USING (run, file, number) WHERE file = ?",
            (run, time.time(), self.file),
        )
        self.db.execute(
            "UPDATE known_failures SET run = ?, number = 1 WHERE file = ?", (run, self.file)
        )

    def _recipe(self) -> int:
        return self._word(self.conversion.recipe.fingerprint)

    def _word(self, word: str) -> int:
        return self.words.number(self.db, word)


def _execution_of(event: Event) -> tuple[object, ...]:
    size, execution = event.conversion.source.size, event.execution
    return (
        None if size < 0 else size,
        event.result and event.result.size,
        event.media_total,
        *(execution.sent, execution.queued, execution.began),
    )


def _steps(steps: tuple[Step, ...], ended: float) -> str:
    """Return *steps* as `records` reads them: by number, in milliseconds before the end of the attempt."""
    rows = [
        [STEPS.index(step.name), *(round(1000 * (ended - at)) for at in (step.began, step.ended))]
        for step in steps
    ]
    return json.dumps(rows, separators=(",", ":"))


def record_node(db: sqlite3.Connection, run: str, use: NodeUse) -> None:
    """Write down how long a node was there for *run*."""
    db.execute(
        "INSERT OR REPLACE INTO node_uses VALUES (?, ?, ?, ?, ?, ?, ?)",
        (run, use.node, use.spot, use.since, use.until, use.allocated, use.ready),
    )


def as_bytes(text: str) -> bytes:
    """Encode *text* for a parameter that is cast to TEXT: on POSIX, names need not be UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def target_key(name: str) -> tuple[int, bytes]:
    """Return by what *name* is looked up, and what to compare with."""
    encoded = as_bytes(name)
    return key_of(encoded), encoded


def _digest(sha256: str) -> bytes | str:
    """Return the hash as half as many bytes, if it is one."""
    try:
        digest = bytes.fromhex(sha256)
    except ValueError:
        return sha256
    return digest if digest and digest.hex() == sha256 else sha256


def _look_up(db: sqlite3.Connection, word: str) -> int | None:
    query = "SELECT id FROM words WHERE word = CAST(? AS TEXT)"
    found = db.execute(query, (as_bytes(word),)).fetchone()
    return int(found[0]) if found else None


def _add(db: sqlite3.Connection, word: str) -> int:
    added = db.execute("INSERT INTO words (word) VALUES (CAST(? AS TEXT))", (as_bytes(word),))
    return int(added.lastrowid or 0)
