"""The ledger's SQLite file: its tables, how it is opened, and what its errors mean."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.errors import UnfitError, UsageError
from runner.media.target import OURS

FOLDER = OURS
_SCHEMA = """
CREATE TABLE runs (
    id TEXT PRIMARY KEY, place TEXT NOT NULL, command TEXT NOT NULL, started REAL NOT NULL,
    files INTEGER NOT NULL, ended REAL, exit_code INTEGER,
    converted INTEGER NOT NULL DEFAULT 0, up_to_date INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0, unfinished INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE TABLE recipes (fingerprint TEXT PRIMARY KEY, recipe TEXT NOT NULL) STRICT;
CREATE TABLE results (
    target TEXT PRIMARY KEY, source TEXT NOT NULL, source_size INTEGER NOT NULL,
    source_mtime_ns INTEGER NOT NULL, recipe TEXT NOT NULL, size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL, run TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE attempts (
    run TEXT NOT NULL, target TEXT NOT NULL, number INTEGER NOT NULL, source TEXT NOT NULL,
    recipe TEXT NOT NULL, state TEXT NOT NULL, kind TEXT, message TEXT, seconds REAL NOT NULL,
    ended REAL NOT NULL, log BLOB NOT NULL,
    PRIMARY KEY (run, target, number)
) STRICT;
CREATE VIEW history AS
    SELECT run, target, number, source, recipes.recipe, state, kind, message, seconds, log, ended
    FROM attempts JOIN recipes ON recipes.fingerprint = attempts.recipe;
"""
_STEPS = (_SCHEMA, "ALTER TABLE runs ADD COLUMN options TEXT NOT NULL DEFAULT '{}'")
"""What each version has beyond the one before it."""
_VERSION = len(_STEPS)


def connect(path: Path) -> sqlite3.Connection:
    """Open the database at *path*, or begin it.

    Raises:
        UsageError: A newer version wrote it.
        sqlite3.DatabaseError: It is damaged, or cannot be written.
    """
    db = sqlite3.connect(path, timeout=10)
    # names are bytes on POSIX, and need not be UTF-8
    db.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    # Safe against the end of the process; a power cut may cost the ledger, not media. The rollback
    # journal, unlike a write-ahead log, also works on network file systems.
    db.execute("PRAGMA synchronous = OFF")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > _VERSION:
        db.close()
        raise UsageError(f"{path} was written by a newer runner: update this one")
    if version < _VERSION:
        with db:
            db.execute("BEGIN IMMEDIATE")
            version = db.execute("PRAGMA user_version").fetchone()[0]
            for statement in ";".join(_STEPS[version:]).split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {_VERSION}")
    return db


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Raise `UnfitError` for what goes wrong with the file at *path*."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise UnfitError(f"cannot write {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        advice = f"delete {FOLDER}/ledger.sqlite there; that costs a check of the results, no media"
        raise UnfitError(f"the ledger of {path} is damaged ({error}): {advice}") from error
    except OSError as error:
        raise UnfitError(f"cannot write {path}: {error.strerror}") from error
