"""The tables of the ledger's SQLite file, version by version."""

import sqlite3
from contextlib import suppress
from pathlib import Path

from runner import __version__
from runner.errors import SetupError
from runner.formatting import display_path, printable
from runner.media.strict import UnreadableError, text

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
# Two sources may share a target in a run that reports clashes, so the source is part of the key.
_NOTICES_AND_KNOWN_FAILURES = """
DROP VIEW history;
ALTER TABLE results ADD COLUMN notices TEXT NOT NULL DEFAULT '[]';
ALTER TABLE attempts RENAME TO attempts_before;
CREATE TABLE attempts (
    run TEXT NOT NULL, target TEXT NOT NULL, number INTEGER NOT NULL, source TEXT NOT NULL,
    recipe TEXT NOT NULL, state TEXT NOT NULL, kind TEXT, message TEXT, seconds REAL NOT NULL,
    ended REAL NOT NULL, log BLOB NOT NULL, notices TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (run, target, source, number)
) STRICT;
INSERT INTO attempts SELECT *, '[]' FROM attempts_before;
DROP TABLE attempts_before;
CREATE VIEW history AS
    SELECT run, target, number, source, recipes.recipe, state, kind, message, seconds, log, ended,
        notices
    FROM attempts JOIN recipes ON recipes.fingerprint = attempts.recipe;
CREATE TABLE known_failures (
    target TEXT NOT NULL, source TEXT NOT NULL, source_size INTEGER NOT NULL,
    source_mtime_ns INTEGER NOT NULL, recipe TEXT NOT NULL, made_with TEXT NOT NULL,
    run TEXT NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (target, source)
) STRICT, WITHOUT ROWID;
"""
# NULL means unknown: the row is older than this step, or the attempt did not get that far.
_EXECUTIONS = """
DROP VIEW history;
ALTER TABLE runs ADD COLUMN runner TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN source_size INTEGER;
ALTER TABLE attempts ADD COLUMN size INTEGER;
ALTER TABLE attempts ADD COLUMN media_seconds REAL;
ALTER TABLE attempts ADD COLUMN sent INTEGER;
ALTER TABLE attempts ADD COLUMN queued REAL;
ALTER TABLE attempts ADD COLUMN began REAL;
ALTER TABLE attempts ADD COLUMN worker TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN versions TEXT NOT NULL DEFAULT '';
UPDATE attempts SET (source_size, size) = (SELECT results.source_size, results.size FROM results
    WHERE results.target = attempts.target AND results.run = attempts.run
    AND results.source = attempts.source) WHERE state = 'converted';
CREATE VIEW history AS
    SELECT run, target, number, source, recipes.recipe, state, kind, message, seconds, log, ended,
        notices, source_size, size, media_seconds, sent, queued, began, worker, versions
    FROM attempts JOIN recipes ON recipes.fingerprint = attempts.recipe;
"""
# What nodes were there while a run was watched, and what they cost an hour.
_NODES = """
DROP VIEW history;
ALTER TABLE runs ADD COLUMN vm_size TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN prices TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN steps TEXT NOT NULL DEFAULT '[]';
CREATE TABLE node_uses (
    run TEXT NOT NULL, node TEXT NOT NULL, spot INTEGER, since REAL NOT NULL, until REAL NOT NULL,
    allocated REAL, ready REAL,
    PRIMARY KEY (run, node, since)
) STRICT, WITHOUT ROWID;
CREATE VIEW history AS
    SELECT run, target, number, source, recipes.recipe, state, kind, message, seconds, log, ended,
        notices, source_size, size, media_seconds, sent, queued, began, worker, versions, steps
    FROM attempts JOIN recipes ON recipes.fingerprint = attempts.recipe;
"""
# One row a source that is not to stay where it is, and what became of it.
_SOURCES = """
CREATE TABLE sources (
    run TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    changed_ns INTEGER NOT NULL, names INTEGER NOT NULL, file TEXT NOT NULL,
    choice TEXT NOT NULL, state TEXT NOT NULL, place TEXT NOT NULL, reason TEXT NOT NULL, at REAL,
    PRIMARY KEY (run, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX sources_by_state ON sources (state)
"""
# Empty for a file: only blobs have one.
_ETAGS = """
ALTER TABLE results ADD COLUMN source_etag TEXT NOT NULL DEFAULT '';
ALTER TABLE known_failures ADD COLUMN source_etag TEXT NOT NULL DEFAULT '';
"""
STEPS = (
    _SCHEMA,
    "ALTER TABLE runs ADD COLUMN options TEXT NOT NULL DEFAULT '{}'",
    "CREATE TABLE written_by (runner TEXT NOT NULL) STRICT",
    _NOTICES_AND_KNOWN_FAILURES,
    _EXECUTIONS,
    _NODES,
    _SOURCES,
    "ALTER TABLE runs RENAME COLUMN place TO backend",
    _ETAGS,
)
"""The changes of each version. A new value that older runners cannot read also needs a version."""
VERSION = len(STEPS)
_FAR_FUTURE = 1000
"""No version will ever be this high: if one is, the file is damaged."""


def with_tables(db: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """Return *db*, at *path*, upgraded to all tables of this version; it is closed if that fails."""
    # on POSIX, names are bytes and need not be UTF-8
    db.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    try:
        # Safe against the end of the process; a power cut may cost the ledger, not media. The
        # rollback journal, unlike a write-ahead log, also works on network file systems.
        db.execute("PRAGMA synchronous = OFF")
        if version_in(db, path) < VERSION:
            with db:
                db.execute("BEGIN IMMEDIATE")
                version = version_in(db, path)
                for statement in ";".join(STEPS[version:]).split(";"):
                    db.execute(statement)
                db.execute("INSERT INTO written_by VALUES (?)", (__version__,))
                db.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        db.close()
        raise
    return db


def version_in(db: sqlite3.Connection, path: Path) -> int:
    """Return the version of the tables in *db*, which is at *path*.

    Raises:
        SetupError: A newer runner wrote it.
    """
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if not 0 <= version < _FAR_FUTURE:
        raise UnreadableError("its version makes no sense")
    if version > VERSION:
        raise SetupError(
            f"{display_path(path)} was written by a newer runner: this one is {__version__}, and it "
            f"needs {_writer(db)} or later (the ledger's format is {version}, not {VERSION})"
        )
    if version == 0 and db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise UnreadableError("another program made it")
    return version


def _writer(db: sqlite3.Connection) -> str:
    """Return which runner upgraded *db* to its version, if known."""
    with suppress(sqlite3.DatabaseError, UnicodeDecodeError, UnreadableError, TypeError):
        row = db.execute("SELECT runner FROM written_by ORDER BY rowid DESC LIMIT 1").fetchone()
        return printable(text(row[0]))[:20]
    return "another"
