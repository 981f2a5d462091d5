"""What the ledger remembers of sources that are not to stay: as they were, and what became of them."""

import os
import sqlite3
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from runner.database import Rows, Write
from runner.media.paths import mtime_ns_of
from runner.media.strict import UnreadableError, text, whole
from runner.models import Conversion, Recipe, Source
from runner.recording import as_bytes, target_key
from runner.source_choice import KEPT, SourceChoice, is_choice

ASKED = "asked"
"""It goes once its result is verified."""
LEAVING = "leaving"
"""It is about to go: what a killed run leaves so is looked at by the next one."""
_COLUMNS = "run, path, size, mtime_ns, changed_ns, names, file, choice, state, place, reason"


@dataclass(frozen=True, slots=True)
class Identity:
    """Which file a name stood for, and how it was."""

    size: int
    mtime_ns: int
    changed_ns: int
    """When anything about it changed; on Windows when it was created."""
    names: int
    """How many hard links it has."""
    file: str
    """Its device and its number there."""

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """Return the state of the file with this *status*."""
        file = f"{status.st_dev}:{status.st_ino}"
        times = (mtime_ns_of(status), status.st_ctime_ns)
        return cls(status.st_size, *times, status.st_nlink, file)

    def is_still(
        self, status: os.stat_result, *, renamed: bool = False, keeps_number: bool = True
    ) -> bool:
        """Return whether the file with this *status* is the same one, unchanged.

        Programs that edit tags can keep size and mtime, but not the time of the change; renaming
        the file, or taking one of its names away, changes that too. On volumes of Windows where renaming does
        not *keep* its *number*, the time when it was created stands for that.
        """
        now = Identity.of(status)
        same = (self.size, self.mtime_ns) == (now.size, now.mtime_ns)
        is_file = stat.S_ISREG(status.st_mode)
        if renamed and not keeps_number:
            return is_file and same and self.birth == now.birth
        untold = renamed or self.names != now.names
        is_it = self.file == now.file and (untold or self.changed_ns == now.changed_ns)
        return is_file and same and is_it

    @property
    def birth(self) -> tuple[str, int]:
        """On Windows, on what device it was created, and when."""
        return self.file.partition(":")[0], self.changed_ns


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A source that a run was asked not to leave where it is."""

    run: str
    path: str
    identity: Identity
    """As it was before the run read it."""
    choice: SourceChoice
    state: str = ASKED
    """`ASKED`, `LEAVING`, `KEPT`, or what was done."""
    place: str = ""
    """Where it was moved to, or is about to be."""
    reason: str = ""
    """Why it was kept."""

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> Self:
        """Read a row of `sources`.

        Raises:
            UnreadableError: It is damaged.
        """
        run, path, size, mtime_ns, changed_ns, names, file, choice, state, place, reason = row
        if not is_choice(choice):
            raise UnreadableError("a source with an unknown choice")
        size, mtime_ns, changed_ns, names = map(whole, (size, mtime_ns, changed_ns, names))
        identity = Identity(size, mtime_ns, changed_ns, names, text(file))
        words = map(text, (state, place, reason))
        return cls(text(run), text(path), identity, SourceChoice.parse(choice), *words)

    @property
    def row(self) -> tuple[object, ...]:
        """What `from_row` reads."""
        one = self.identity
        facts = (one.size, one.mtime_ns, one.changed_ns, one.names, one.file)
        choice = ":".join(filter(None, (self.choice.action, self.choice.folder)))
        names = map(as_bytes, (choice, self.state, self.place, self.reason))
        return self.run, as_bytes(self.path), *facts, *names


@dataclass(frozen=True)
class SourceTable:
    """The ledger's memory of the sources; each call is committed when it returns."""

    rows: Rows
    write: Write

    def ask(self, records: Iterable[SourceRecord]) -> None:
        """Write down *records* before their run reads them.

        Of a run that goes on, what was written down before stays, unless the file is another one: it
        may have been read already.
        """
        rows = [record.row for record in records]

        def ask(db: sqlite3.Connection) -> None:
            db.executemany(
                "DELETE FROM sources WHERE run = ?1 AND path = CAST(?2 AS TEXT)"
                " AND (size != ?3 OR mtime_ns != ?4 OR file != ?7)",
                [row[:7] for row in rows],
            )
            db.executemany(
                f"INSERT INTO sources ({_COLUMNS}) VALUES"  # noqa: S608 - a constant
                " (?, CAST(? AS TEXT), ?, ?, ?, ?, ?, CAST(? AS TEXT), CAST(? AS TEXT),"
                " CAST(? AS TEXT), CAST(? AS TEXT)) ON CONFLICT DO UPDATE SET"
                " choice = excluded.choice, state = excluded.state, reason = excluded.reason",
                rows,
            )

        self.write(ask)

    def set(self, record: SourceRecord) -> None:
        """Write down what becomes of the source of *record*, and when."""
        words = map(as_bytes, (record.state, record.place, record.reason))
        facts = (record.identity.changed_ns, record.identity.names, time.time())
        values = (*words, *facts, record.run, as_bytes(record.path))
        self.write(
            lambda db: db.execute(
                "UPDATE sources SET state = CAST(? AS TEXT), place = CAST(? AS TEXT),"
                " reason = CAST(? AS TEXT), changed_ns = ?, names = ?, at = ?"
                " WHERE run = ? AND path = CAST(? AS TEXT)",
                values,
            )
        )

    def of(self, run: str) -> list[SourceRecord]:
        """Return all sources of *run* that are not to be kept."""
        query = f"SELECT {_COLUMNS} FROM sources WHERE run = ? ORDER BY path"  # noqa: S608
        return self.rows(SourceRecord.from_row, query, run)

    def counts(self, run: str) -> dict[str, int]:
        """How many sources of *run* there are in each state."""
        query = "SELECT state, count(*) FROM sources WHERE run = ? GROUP BY state"
        return dict(self.rows(lambda row: (text(row[0]), whole(row[1])), query, run))

    def leaving(self) -> list[SourceRecord]:
        """Return those that were being removed when their run was killed."""
        query = f"SELECT {_COLUMNS} FROM sources WHERE state = ?"  # noqa: S608
        return self.rows(SourceRecord.from_row, query, LEAVING)

    def gone(self, run: str) -> list[Conversion]:
        """Return the conversions of *run* whose sources have been removed: nothing is left to do for them."""
        return self.rows(
            _conversion,
            "SELECT sources.path, sources.size, sources.mtime_ns, history.target, history.recipe"
            " FROM sources JOIN history ON history.run = sources.run AND history.source = sources.path"
            " WHERE sources.run = ? AND history.state = 'converted' AND sources.state NOT IN (?, ?, ?)",
            *(run, ASKED, LEAVING, KEPT),
        )

    def before(self, path: str, target: str) -> SourceRecord | None:
        """Return what the run that made *target* recorded about *path*."""
        query = (
            f"SELECT {_COLUMNS} FROM sources WHERE path = CAST(? AS TEXT)"  # noqa: S608
            " AND run = (SELECT word FROM paths JOIN results ON file = paths.id"
            " JOIN words ON words.id = results.run"
            " WHERE target_key = ? AND target = CAST(? AS TEXT))"
        )
        found = self.rows(SourceRecord.from_row, query, as_bytes(path), *target_key(target))
        return found[0] if found else None

    def converted_at(self, target: str) -> float | None:
        """Return the earliest time at which the source of *target* was read, in seconds since the epoch."""
        found = self.rows(
            lambda row: row[0],
            "SELECT min(coalesce(attempts.began, attempts.ended - attempts.seconds),"
            " coalesce(runs.started, attempts.ended))"
            " FROM paths JOIN results ON results.file = paths.id"
            " JOIN attempts USING (run, file) JOIN words ON words.id = results.run"
            " LEFT JOIN runs ON runs.id = word"
            " WHERE target_key = ? AND target = CAST(? AS TEXT) AND attempts.state = 'converted'",
            *target_key(target),
        )
        return found[0] if found and isinstance(found[0], float) else None


def _conversion(row: tuple[Any, ...]) -> Conversion:
    path, size, mtime_ns, target, recipe = row
    source = Source(text(path), whole(size), whole(mtime_ns))
    return Conversion(source, text(target), Recipe.from_json(text(recipe)))
