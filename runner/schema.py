"""The tables of the ledger's SQLite file, version by version."""

import sqlite3
from contextlib import suppress
from functools import partial
from pathlib import Path

from runner import __version__
from runner.errors import SetupError
from runner.file_rows import FileRow
from runner.formatting import display_path, printable
from runner.ledger_tables import TABLES
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
# A million files are to take 400 bytes each: what they share is written once, and names are found by a
# number made of them. A target begins as the name of its source does. `ANY` because a hash is stored as
# bytes, but nobody knows what older rows hold.
_COMPACT = """
DROP VIEW history;
CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE files (
    id INTEGER PRIMARY KEY, folder INTEGER NOT NULL, name TEXT NOT NULL, target_folder INTEGER NOT NULL,
    shared INTEGER NOT NULL, tail TEXT NOT NULL, target_key INTEGER NOT NULL, source_key INTEGER NOT NULL
) STRICT;
CREATE TEMP TABLE names AS
    SELECT CAST(target AS BLOB) AS target, CAST(source AS BLOB) AS source FROM results
    UNION SELECT CAST(target AS BLOB), CAST(source AS BLOB) FROM attempts
    UNION SELECT CAST(target AS BLOB), CAST(source AS BLOB) FROM known_failures;
INSERT INTO words (word)
    SELECT CAST(part_of('folder', target, source) AS TEXT) FROM names
    UNION SELECT CAST(part_of('target_folder', target, source) AS TEXT) FROM names
    UNION SELECT run FROM attempts UNION SELECT recipe FROM attempts UNION SELECT worker FROM attempts
    UNION SELECT versions FROM attempts UNION SELECT run FROM results UNION SELECT recipe FROM results
    UNION SELECT run FROM known_failures;
INSERT INTO files (folder, name, target_folder, shared, tail, target_key, source_key) SELECT
    (SELECT id FROM words WHERE word = CAST(part_of('folder', target, source) AS TEXT)),
    CAST(part_of('name', target, source) AS TEXT),
    (SELECT id FROM words WHERE word = CAST(part_of('target_folder', target, source) AS TEXT)),
    part_of('shared', target, source), CAST(part_of('tail', target, source) AS TEXT),
    part_of('target_key', target, source), part_of('source_key', target, source) FROM names;
DROP TABLE names;
CREATE INDEX files_by_target ON files (target_key);
CREATE INDEX files_by_source ON files (source_key);
CREATE VIEW paths AS
    SELECT files.id AS id, target_folder.word || substr(name, 1, shared) || tail AS target,
        folder.word || name AS source, target_key, source_key
    FROM files JOIN words AS folder ON folder.id = files.folder
    JOIN words AS target_folder ON target_folder.id = files.target_folder;
ALTER TABLE results RENAME TO results_before;
CREATE TABLE results (
    file INTEGER PRIMARY KEY, source_size INTEGER NOT NULL, source_mtime_ns INTEGER NOT NULL,
    recipe INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 ANY NOT NULL,
    run INTEGER NOT NULL, notices TEXT NOT NULL, source_etag TEXT NOT NULL
) STRICT;
INSERT INTO results SELECT
    (SELECT id FROM paths WHERE target_key = part_of('target_key', CAST(old.target AS BLOB), x'')
        AND target = old.target AND source = old.source),
    source_size, source_mtime_ns, (SELECT id FROM words WHERE word = recipe), size, mtime_ns,
    sha256, (SELECT id FROM words WHERE word = run), notices, source_etag FROM results_before AS old;
DROP TABLE results_before;
ALTER TABLE attempts RENAME TO attempts_before;
CREATE TABLE attempts (
    run INTEGER NOT NULL, file INTEGER NOT NULL, number INTEGER NOT NULL, recipe INTEGER NOT NULL,
    state TEXT NOT NULL, kind TEXT, message TEXT, seconds REAL NOT NULL, ended REAL NOT NULL,
    log BLOB NOT NULL, notices TEXT NOT NULL DEFAULT '[]', source_size INTEGER, size INTEGER,
    media_seconds REAL, sent INTEGER, queued REAL, began REAL, worker INTEGER, versions INTEGER,
    steps TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (run, file, number)
) STRICT, WITHOUT ROWID;
INSERT INTO attempts SELECT
    (SELECT id FROM words WHERE word = run),
    (SELECT id FROM paths WHERE target_key = part_of('target_key', CAST(old.target AS BLOB), x'')
        AND target = old.target AND source = old.source),
    number, (SELECT id FROM words WHERE word = recipe), state, kind, message, seconds, ended, log,
    notices, source_size, size, media_seconds, sent, queued, began,
    (SELECT id FROM words WHERE word = worker), (SELECT id FROM words WHERE word = versions), steps
    FROM attempts_before AS old;
DROP TABLE attempts_before;
CREATE INDEX attempts_to_tell ON attempts (run) WHERE state != 'converted' OR notices != '[]';
ALTER TABLE known_failures RENAME TO failures_before;
CREATE TABLE known_failures (
    file INTEGER PRIMARY KEY, source_size INTEGER NOT NULL, source_mtime_ns INTEGER NOT NULL,
    recipe TEXT NOT NULL, made_with TEXT NOT NULL, run INTEGER NOT NULL, number INTEGER NOT NULL,
    source_etag TEXT NOT NULL
) STRICT;
INSERT INTO known_failures SELECT
    (SELECT id FROM paths WHERE target_key = part_of('target_key', CAST(old.target AS BLOB), x'')
        AND target = old.target AND source = old.source),
    source_size, source_mtime_ns, recipe, made_with, (SELECT id FROM words WHERE word = run),
    number, source_etag FROM failures_before AS old;
DROP TABLE failures_before;
CREATE VIEW history AS
    SELECT run.word AS run, target, number, source, recipes.recipe, state, kind, message, seconds,
        log, ended, notices, source_size, size, media_seconds, sent, queued, began,
        coalesce(worker.word, '') AS worker, coalesce(versions.word, '') AS versions, steps,
        attempts.run AS run_id, file
    FROM attempts JOIN words AS run ON run.id = attempts.run JOIN paths ON paths.id = file
    JOIN words AS made_by ON made_by.id = attempts.recipe
    JOIN recipes ON recipes.fingerprint = made_by.word
    LEFT JOIN words AS worker ON worker.id = attempts.worker
    LEFT JOIN words AS versions ON versions.id = attempts.versions
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
    _COMPACT,
)
"""The changes of each version, which are made in ledger_tables.py too.

A new value that older runners cannot read also needs a version.
"""
VERSION = len(STEPS)
_FAR_FUTURE = 1000
"""No version will ever be this high: if one is, the file is damaged."""


def add_functions(db: sqlite3.Connection) -> None:
    """Let the changes of a version take names apart."""
    db.create_function("part_of", 3, _part_of, deterministic=True)


def _part_of(part: str, target: bytes, source: bytes) -> bytes | int:
    found = getattr(FileRow.of(target, source), part)
    assert isinstance(found, bytes | int)
    return found


def with_tables(db: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """Return *db*, at *path*, upgraded to all tables of this version; it is closed if that fails."""
    # on POSIX, names are bytes and need not be UTF-8
    db.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
    try:
        # Safe against the end of the process; a power cut may cost the ledger, not media. The
        # rollback journal, unlike a write-ahead log, also works on network file systems.
        db.execute("PRAGMA synchronous = OFF")
        add_functions(db)
        if version_in(db, path) < VERSION:
            with db:
                db.execute("BEGIN IMMEDIATE")
                version = version_in(db, path)
                steps = STEPS[version:] if version else (TABLES,)
                for statement in ";".join(steps).split(";"):
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
