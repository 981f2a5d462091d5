"""What has been done: a SQLite file in the destination that makes the same command a resume.

Deleting it loses no media; targets that are there are then checked against their sources again.
"""

import json
import os
import socket
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from runner.database import FOLDER, connect, sqlite_errors
from runner.errors import ExitCode, PassingError, UnfitError, UsageError
from runner.models import Conversion, Event, Plan, Result, Source, State
from runner.options import RunOptions
from runner.records import AttemptRecord, Record, RunRecord, packed


class Ledger:
    """The memory of one destination; for one thread."""

    def __init__(self, destination: Path, connection: sqlite3.Connection) -> None:
        self.destination = destination
        self._db = connection
        self._lock = FileLock(_folder(destination) / "lock", timeout=0)

    @classmethod
    def open(cls, destination: Path) -> Self:
        """Open the ledger of *destination*, or begin it.

        Raises:
            UnfitError: The destination cannot be written.
        """
        try:
            _folder(destination).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"cannot write to the destination {destination}: {error.strerror}"
            raise UnfitError(f"{message}; choose another with -o") from error
        path = _folder(destination) / "ledger.sqlite"
        with sqlite_errors(path):
            try:
                return cls(destination, connect(path))
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                # damaged, by a power cut say: it costs a check of what is there, and no media
                path.replace(path.with_suffix(".damaged"))
                path.with_suffix(".sqlite-journal").unlink(missing_ok=True)
                return cls(destination, connect(path))

    @staticmethod
    def exists(destination: Path) -> bool:
        """Whether a run was ever done in *destination*."""
        return (_folder(destination) / "ledger.sqlite").exists()

    @classmethod
    def peek(cls, destination: Path) -> Self:
        """The ledger of *destination* for looking only: an empty one where there is none."""
        if cls.exists(destination):
            return cls.open(destination)
        return cls(destination, connect(Path(":memory:")))

    @classmethod
    def read(cls, destination: Path) -> Self:
        """Open the ledger of *destination* to look something up.

        Raises:
            UsageError: There is none.
        """
        if not cls.exists(destination):
            raise UsageError(f"no runs in {destination}: name the folder of the results with -o")
        return cls.open(destination)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.close()

    @contextmanager
    def locked(self, run: str) -> Iterator[None]:
        """Hold the destination for *run*; the lock ends with the process, however it ends.

        Raises:
            PassingError: Another runner holds it; the message says who.
        """
        holder = _folder(self.destination) / "holder.json"
        try:
            self._lock.acquire()
        except Timeout as error:
            raise PassingError(f"{self.destination} is in use by {_describe(holder)}") from error
        except OSError as error:
            raise UnfitError(f"cannot write {holder}: {error.strerror}") from error
        try:
            facts = {
                "run": run,
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "since": time.time(),
            }
            with sqlite_errors(holder):
                holder.write_text(json.dumps(facts))
            yield
        finally:
            with suppress(OSError):
                holder.unlink()
            self._lock.release()

    def is_locked(self) -> bool:
        """Whether a runner is at work here."""
        try:
            with self._lock.acquire():
                return False
        except Timeout:
            return True
        except OSError:  # who may only read cannot ask
            return False

    def begin(self, plan: Plan, place: str, command: str, options: RunOptions) -> None:
        """Write down that the run of *plan* starts."""
        facts = (time.time(), len(plan.conversions), options.as_json())
        with self._transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO runs (id, place, command, started, files, options)"
                " VALUES (?, ?, CAST(? AS TEXT), ?, ?, ?)",
                (plan.id, place, _bytes(command), *facts),
            )
            recipes = {c.recipe.fingerprint: c.recipe for c in plan.conversions}
            db.executemany(
                "INSERT OR REPLACE INTO recipes VALUES (?, ?)",
                [(fingerprint, recipe.as_json()) for fingerprint, recipe in recipes.items()],
            )

    def end(
        self, run: str, exit_code: ExitCode, counts: dict[State, int], *, unfinished: bool = False
    ) -> None:
        """Write down how *run* ended; *unfinished* says that files are left."""
        states = (State.CONVERTED, State.UP_TO_DATE, State.FAILED)
        with self._transaction() as db:
            db.execute(
                "UPDATE runs SET ended = ?, exit_code = ?, unfinished = ?,"
                " converted = ?, up_to_date = ?, failed = ? WHERE id = ?",
                (
                    *(time.time(), int(exit_code), int(unfinished)),
                    *(counts.get(state, 0) for state in states),
                    run,
                ),
            )

    def give_up(self, run: str) -> None:
        """Write down that nobody takes *run* up again."""
        with self._transaction() as db:
            db.execute("UPDATE runs SET unfinished = 0 WHERE id = ?", (run,))

    def unfinished(self, place: str) -> list[str]:
        """The runs at *place* that were cut off or left alone, and can be taken up; newest first."""
        rows = self._db.execute(
            "SELECT id FROM runs WHERE place = ? AND unfinished ORDER BY started DESC", (place,)
        )
        return [str(row[0]) for row in rows]

    def record(self, run: str, event: Event) -> None:
        """Write down the end of an attempt."""
        with self._transaction() as db:
            if event.result is not None:
                self._record_result(db, run, event.conversion, event.result)
            if event.state is not State.UP_TO_DATE:
                self._record_attempt(db, run, event)

    def find(self, target: str) -> Record | None:
        """What is known of *target*."""
        with sqlite_errors(self.destination):
            row = self._db.execute(
                "SELECT source, source_size, source_mtime_ns, recipe, size, mtime_ns, sha256"
                " FROM results WHERE target = CAST(? AS TEXT)",
                (_bytes(target),),
            ).fetchone()
        if row is None:
            return None
        source = Source(row[0], row[1], row[2])
        return Record(source, row[3], Result(size=row[4], mtime_ns=row[5], sha256=row[6]))

    def runs(self) -> list[RunRecord]:
        """All runs, the newest first."""
        rows = self._db.execute(
            "SELECT id, place, command, started, ended, exit_code, files, converted, up_to_date,"
            " failed, unfinished, options FROM runs ORDER BY started DESC"
        )
        return [RunRecord.from_row(row) for row in rows]

    def run(self, name: str | None) -> RunRecord:
        """The run that is called *name*, or starts so; the newest without a name.

        Raises:
            UsageError: There is none, or there are several.
        """
        found = [run for run in self.runs() if name is None or run.id.startswith(name)]
        if not found:
            raise UsageError(
                f"no run '{name}' here; `runner runs` lists them" if name else "no runs yet"
            )
        if name and len(found) > 1 and found[0].id != name:
            raise UsageError(f"'{name}' could be {', '.join(run.id for run in found[:5])}")
        return found[0]

    def attempts(self, run: str, *, state: State | None = None) -> list[AttemptRecord]:
        """The newest attempt at each conversion of *run*, or those that ended in *state*."""
        rows = self._db.execute(
            "SELECT * FROM history WHERE run = ? AND number = (SELECT max(number) FROM attempts"
            " WHERE attempts.run = history.run AND attempts.target = history.target)"
            " AND (? IS NULL OR state = ?) ORDER BY ended",
            (run, state and state.value, state and state.value),
        )
        return [AttemptRecord.from_row(row) for row in rows]

    def attempts_at(self, file: str) -> list[AttemptRecord]:
        """All attempts at the conversion whose source or target is *file*, the newest first."""
        names = (_bytes(file), _bytes(os.path.abspath(file)))
        rows = self._db.execute(
            "SELECT * FROM history WHERE target = CAST(? AS TEXT) OR source = CAST(? AS TEXT)"
            " ORDER BY ended DESC",
            names,
        )
        return [AttemptRecord.from_row(row) for row in rows]

    def forget_before(self, moment: datetime) -> int:
        """Remove the runs that began before then, but for unfinished ones; returns how many."""
        old = [run for run in self.runs() if run.started < moment]
        return self.forget([run.id for run in old if run.place == "local" or not run.unfinished])

    def forget(self, runs: Sequence[str]) -> int:
        """Remove *runs* with their logs; what the targets are is kept. Returns how many."""
        with self._transaction() as db:
            db.executemany("DELETE FROM attempts WHERE run = ?", [(run,) for run in runs])
            db.executemany("DELETE FROM runs WHERE id = ?", [(run,) for run in runs])
        with sqlite_errors(self.destination):
            self._db.execute("VACUUM")
        return len(runs)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with sqlite_errors(self.destination), self._db:
            yield self._db

    def _record_result(
        self, db: sqlite3.Connection, run: str, conversion: Conversion, result: Result
    ) -> None:
        source = conversion.source
        db.execute(
            "INSERT OR REPLACE INTO results VALUES"
            " (CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?, ?, ?, ?, ?)",
            (
                *(_bytes(conversion.target), _bytes(source.path), source.size, source.mtime_ns),
                conversion.recipe.fingerprint,
                *(result.size, result.mtime_ns, result.sha256, run),
            ),
        )

    def _record_attempt(self, db: sqlite3.Connection, run: str, event: Event) -> None:
        failure = event.failure
        conversion = event.conversion
        db.execute(
            "INSERT OR REPLACE INTO attempts VALUES"
            " (?, CAST(? AS TEXT), ?, CAST(? AS TEXT), ?, ?, ?, CAST(? AS TEXT), ?, ?, ?)",
            (
                *(run, _bytes(conversion.target), event.attempt, _bytes(conversion.source.path)),
                *(conversion.recipe.fingerprint, event.state.value),
                *(failure and failure.kind.value, failure and _bytes(failure.message)),
                *(event.seconds, time.time(), packed(event.log)),
            ),
        )


def _folder(destination: Path) -> Path:
    return destination / FOLDER


def _describe(holder: Path) -> str:
    try:
        facts: dict[str, Any] = json.loads(holder.read_text())
        since = f"{datetime.fromtimestamp(facts['since']).astimezone():%H:%M:%S}"
        return f"run {facts['run']} (process {facts['pid']} on {facts['host']}, since {since})"
    except (OSError, ValueError, KeyError):
        return "another runner"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
