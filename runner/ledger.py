"""The record of what was done: a SQLite file in the destination that lets the same command resume a run.

Deleting it loses no media; existing targets are then checked against their sources again.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import chain, groupby
from pathlib import Path
from typing import Any, Self, TypeVar

from runner import __version__
from runner.attempt_table import AttemptTable
from runner.conversions import Conversions
from runner.database import FOLDER, Database
from runner.destination_lock import DestinationLock, RunLock
from runner.errors import ExitCode, SetupError, UsageError
from runner.media.strict import UnreadableError, text
from runner.models import Event, Plan, State
from runner.options import RunOptions
from runner.recording import Recording, Words, as_bytes, target_key
from runner.records import (
    KnownFailure,
    StoredResult,
)
from runner.run_table import RunTable
from runner.source_records import SourceTable

Row = TypeVar("Row")
_RESULT = (
    "source, source_size, source_mtime_ns, word, size, mtime_ns, sha256, notices, source_etag"
    " FROM paths JOIN results ON file = paths.id JOIN words ON words.id = results.recipe"
)


class Ledger:
    """The ledger of one destination; for one thread."""

    def __init__(self, destination: Path, *, writes: bool) -> None:
        """Open the ledger of *destination*, or create it; an empty one in memory if it may not write.

        Raises:
            SetupError: It cannot be used on this machine.
        """
        self.destination = destination
        self.lock: RunLock = DestinationLock(destination, _folder(destination))
        self.results_stay = False
        """Whether results stay in storage, and no byte of them comes here."""
        self._run: tuple[object, ...] | None = None
        self._recipes: dict[str, str] = {}
        self._made_with = ""
        self._words = Words()
        self._db = Database(
            _file(destination), self.lock.lock if writes else None, self._begin_again
        )

    @classmethod
    def open(cls, destination: Path) -> Self:
        """Open the ledger of *destination*, or create it.

        Raises:
            SetupError: The destination cannot be written.
        """
        try:
            _folder(destination).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"cannot write to the destination {destination}: {error.strerror}"
            raise SetupError(f"{message}; choose another with -o") from error
        return cls(destination, writes=True)

    @staticmethod
    def exists(destination: Path) -> bool:
        """Return whether there was ever a run in *destination*."""
        return _file(destination).exists()

    @classmethod
    def peek(cls, destination: Path) -> Self:
        """Open the ledger of *destination* read-only: nothing is written, whatever its condition."""
        return cls(destination, writes=False)

    @classmethod
    def if_any(cls, destination: Path) -> Self:
        """Open the ledger of *destination*; if there is none, a temporary empty one."""
        return cls(destination, writes=cls.exists(destination))

    @classmethod
    def read(cls, destination: Path) -> Self:
        """Open the existing ledger of *destination*.

        Raises:
            UsageError: There is none.
        """
        if not cls.exists(destination):
            raise UsageError(f"no runs in {destination}: give the output folder with -o")
        return cls(destination, writes=True)

    @property
    def damage(self) -> str:
        """The damage that was found but could not be repaired."""
        return self._db.damage

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def begin(
        self, plan: Plan, backend: str, command: str, options: RunOptions, made_with: str = ""
    ) -> None:
        """Record that the run of *plan* starts, and what its results are *made_with*."""
        facts = (time.time(), plan.files, options.as_json(), __version__)
        self._run = (plan.id, backend, as_bytes(command), *facts)
        left_out = (one.conversion.recipe for one in plan.left_out)
        recipes = chain(Conversions.of(plan.conversions).recipes, left_out)
        self._made_with = made_with
        self._recipes = {
            fingerprint: next(same).as_json()
            for fingerprint, same in groupby(recipes, lambda recipe: recipe.fingerprint)
        }
        self._write(self._begin_again)

    def _begin_again(self, db: sqlite3.Connection) -> None:
        """Write what is known about the current run, also into a ledger that has just been started."""
        if self._run is None:
            return
        db.execute(
            "INSERT OR REPLACE INTO runs (id, backend, command, started, files, options, runner)"
            " VALUES (?, ?, CAST(? AS TEXT), ?, ?, ?, ?)",
            self._run,
        )
        # of one that goes on
        db.execute(
            "UPDATE runs SET converted = (SELECT count(*) FROM attempts JOIN words ON words.id = run"
            " WHERE word = runs.id AND state = 'converted') WHERE id = ?",
            self._run[:1],
        )
        db.executemany("INSERT OR REPLACE INTO recipes VALUES (?, ?)", self._recipes.items())

    def end(
        self, run: str, exit_code: ExitCode, counts: dict[State, int], *, unfinished: bool = False
    ) -> None:
        """Record how *run* ended; *unfinished* says that files are left."""
        states = (State.CONVERTED, State.UP_TO_DATE, State.FAILED)
        facts = (time.time(), int(exit_code), int(unfinished), *(counts.get(s, 0) for s in states))

        def write(db: sqlite3.Connection) -> None:
            done = db.execute(
                # a run that was abandoned meanwhile stays abandoned
                "UPDATE runs SET ended = ?, exit_code = ?, unfinished = unfinished AND ?,"
                " converted = ?, up_to_date = ?, failed = ? WHERE id = ?",
                (*facts, run),
            )
            if done.rowcount != 1:  # with a damaged index, sqlite silently finds nothing
                raise UnreadableError("a run that began is missing")

        self._write(write)

    def record(self, run: str, event: Event) -> None:
        """Record the end of an attempt."""

        def write(db: sqlite3.Connection) -> None:
            recording = Recording(db, self._words, run, event.conversion)
            if event.is_known:
                recording.repeat_failure()
                return
            if event.state is State.CONVERTED:
                db.execute("UPDATE runs SET converted = converted + 1 WHERE id = ?", (run,))
            if event.result is not None:
                recording.result(event, event.result)
            if event.state is not State.UP_TO_DATE:
                recording.attempt(event)
            if event.state.is_final:
                recording.known_failure(event, self._made_with)

        self._write(write)

    @property
    def runs(self) -> RunTable:
        """All runs."""
        return RunTable(self._rows, self._write)

    @property
    def attempts(self) -> AttemptTable:
        """All attempts of all runs."""
        return AttemptTable(self._rows)

    @property
    def sources(self) -> SourceTable:
        """What became of sources that were not to stay."""
        return SourceTable(self._rows, self._write)

    def find(self, target: str) -> StoredResult | None:
        """Return what is known about *target*."""
        rows = self._rows(
            StoredResult.from_row,
            f"SELECT {_RESULT} WHERE target_key = ? AND target = CAST(? AS TEXT)",
            *target_key(target),
        )
        return rows[0] if rows else None

    def find_all(self, targets: Sequence[str]) -> dict[str, StoredResult]:
        """Return what is known about *targets*, by target: at once, as each query locks the file."""
        keys = [target_key(target)[0] for target in targets]
        places = ", ".join("?" * len(keys))
        found = self._rows(
            lambda row: (text(row[0]), StoredResult.from_row(row[1:])),
            f"SELECT target, {_RESULT} WHERE target_key IN ({places})",
            *keys,
        )
        return dict(reversed(found))  # of several, `find` returns the first

    def known_failures(self, made_with: str) -> dict[tuple[str, str], KnownFailure]:
        """Return the failures caused by sources, by target and source, as found with *made_with*."""
        rows = self._rows(
            KnownFailure.from_row,
            "SELECT target, source, known_failures.source_size, source_mtime_ns,"
            " known_failures.recipe, kind, message, source_etag"
            " FROM known_failures JOIN attempts USING (run, file, number)"
            " JOIN paths ON paths.id = file WHERE made_with = ?",
            made_with,
        )
        return {(known.target, known.source): known for known in rows}

    def forget_before(self, moment: datetime) -> int:
        """Remove the finished runs that began before *moment*; return how many."""
        old = [run for run in self.runs.all() if run.started < moment]
        return self.forget([run.id for run in old if run.backend == "local" or not run.unfinished])

    def forget(self, runs: Sequence[str]) -> int:
        """Remove *runs* and their logs, but keep what is known about targets; return how many."""

        def delete(db: sqlite3.Connection) -> None:
            db.executemany(
                "DELETE FROM attempts WHERE run = (SELECT id FROM words WHERE word = ?)",
                [(run,) for run in runs],
            )
            db.execute(
                "DELETE FROM files WHERE id NOT IN (SELECT file FROM results)"
                " AND id NOT IN (SELECT file FROM attempts)"
                " AND id NOT IN (SELECT file FROM known_failures)"
            )
            db.executemany("DELETE FROM node_uses WHERE run = ?", [(run,) for run in runs])
            db.executemany("DELETE FROM sources WHERE run = ?", [(run,) for run in runs])
            db.executemany("DELETE FROM runs WHERE id = ?", [(run,) for run in runs])

        self._write(delete)
        self._db.use(lambda db: db.execute("VACUUM"))
        return len(runs)

    def _rows(
        self, read: Callable[[tuple[Any, ...]], Row], query: str, *values: object
    ) -> list[Row]:
        return self._db.use(lambda db: [read(row) for row in db.execute(query, values)])

    def _write(self, write: Callable[[sqlite3.Connection], object]) -> None:
        def transaction(db: sqlite3.Connection) -> None:
            try:
                with db:
                    write(db)
            except BaseException:
                self._words.forget()  # what was added with it is taken back
                raise

        self._db.use(transaction)


def _folder(destination: Path) -> Path:
    return destination / FOLDER


def _file(destination: Path) -> Path:
    return _folder(destination) / "ledger.sqlite"
