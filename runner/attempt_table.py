"""What the ledger tells of attempts at conversions."""

import os
from collections.abc import Iterator
from itertools import chain

from runner.database import Rows
from runner.media.paths import is_windows, spelled
from runner.models import Recipe, State
from runner.recording import target_key
from runner.records import AttemptRecord, compressed

_HISTORY = (
    "run, target, number, source, recipe, state, kind, message, seconds, log, ended, notices,"
    " source_size, size, media_seconds, sent, queued, began, worker, versions, steps"
)
"""What `AttemptRecord.from_row` reads."""
_IS_TO_TELL = (
    "(run_id, file, number) IN (SELECT run, file, number FROM attempts INDEXED BY attempts_to_tell"
    " WHERE run = (SELECT id FROM words WHERE word = ?)"
    " AND (state != 'converted' OR notices != '[]'))"
)
"""Whether an attempt failed, or has notices."""
_MOST_EARLIER = 2000
"""Attempts that say how long one takes; more would not say it better."""


class AttemptTable:
    """The attempts at the conversions of all runs."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def newest(self, run: str) -> list[AttemptRecord]:
        """Return the newest attempt at each conversion of *run*."""
        return self._newest(run, "true")

    def failed(self, run: str) -> list[AttemptRecord]:
        """Return the newest attempt at each conversion of *run* that failed."""
        return self._newest(run, f"{_IS_TO_TELL} AND state = ?", run, State.FAILED.value)

    def to_tell(self, run: str) -> list[AttemptRecord]:
        """Return the newest attempt at each conversion of *run*, if it failed or has notices."""
        return self._newest(run, _IS_TO_TELL, run)

    def _newest(self, run: str, condition: str, *values: object) -> list[AttemptRecord]:
        return self._rows(
            AttemptRecord.from_row,
            f"SELECT {_HISTORY} FROM history WHERE run = ? AND number = (SELECT max(number)"  # noqa: S608
            " FROM attempts WHERE attempts.run = run_id AND attempts.file = history.file)"
            f" AND ({condition}) ORDER BY ended",
            *(run, *values),
        )

    def all(self, run: str) -> list[AttemptRecord]:
        """Return every attempt of *run* in the order in which they ended; only failed ones have logs."""
        columns = _HISTORY.replace("log", "iif(state = ?, ?, log)")
        return self._rows(
            AttemptRecord.from_row,
            f"SELECT {columns} FROM history WHERE run = ? ORDER BY ended",  # noqa: S608
            *(State.CONVERTED.value, compressed(""), run),
        )

    def each(self, run: str, at_a_time: int = 2000) -> Iterator[AttemptRecord]:
        """Yield every attempt of *run* in no order and without its log: a million are not held at once."""
        columns = _HISTORY.replace("log", "?").replace("notices", "'[]'").replace("versions", "''")
        last = (-1, -1)
        while page := self._rows(
            lambda row: ((row[0], row[1]), AttemptRecord.from_row(row[2:])),
            f"SELECT file, number, {columns} FROM history"  # noqa: S608
            " WHERE run_id = (SELECT id FROM words WHERE word = ?) AND (file, number) > (?, ?)"
            " ORDER BY file, number LIMIT ?",
            *(compressed(""), run, *last, at_a_time),
        ):
            yield from (attempt for _, attempt in page)
            last = page[-1][0]

    def earlier(self, recipe: Recipe) -> list[AttemptRecord]:
        """Return the newest successful attempts with *recipe*, without their logs."""
        columns = _HISTORY.replace("log", "?").replace("notices", "'[]'").replace("versions", "''")
        return self._rows(
            AttemptRecord.from_row,
            f"SELECT {columns} FROM history WHERE (run_id, file, number) IN"  # noqa: S608
            " (SELECT run, file, number FROM attempts"
            " WHERE recipe = (SELECT id FROM words WHERE word = ?) AND state = ?"
            " ORDER BY ended DESC LIMIT ?) ORDER BY ended DESC",
            *(compressed(""), recipe.fingerprint, State.CONVERTED.value, _MOST_EARLIER),
        )

    def at(self, file: str) -> list[AttemptRecord]:
        """Return all attempts at the conversions whose source or target is *file*, newest first."""
        target, source = file, os.path.abspath(file)
        if is_windows():
            target, source = self._spelled(target), self._spelled(source)
        return self._rows(
            AttemptRecord.from_row,
            f"SELECT {_HISTORY} FROM history WHERE file IN"  # noqa: S608
            " (SELECT id FROM paths WHERE target_key = ? AND target = CAST(? AS TEXT)"
            " UNION SELECT id FROM paths WHERE source_key = ? AND source = CAST(? AS TEXT))"
            " AND run_id IN (SELECT words.id FROM runs JOIN words ON word = runs.id)"
            " ORDER BY ended DESC",
            *(*target_key(target), *target_key(source)),
        )

    def _spelled(self, file: str) -> str:
        """Return *file* as it is spelled in the ledger: Windows ignores case and the kind of slash."""
        known = self._rows(tuple, "SELECT target, source FROM paths")
        return spelled(file, chain.from_iterable(known))
