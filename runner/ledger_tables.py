"""The tables of a new ledger, as they are now: an old ledger comes to the same by the steps of schema.py.

To take all these steps took a twentieth of the time until `runner` shows its first line.
"""

TABLES = """
CREATE TABLE runs (
    id TEXT PRIMARY KEY, backend TEXT NOT NULL, command TEXT NOT NULL, started REAL NOT NULL,
    files INTEGER NOT NULL, ended REAL, exit_code INTEGER,
    converted INTEGER NOT NULL DEFAULT 0, up_to_date INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0, unfinished INTEGER NOT NULL DEFAULT 1,
    options TEXT NOT NULL DEFAULT '{}', runner TEXT NOT NULL DEFAULT '',
    vm_size TEXT NOT NULL DEFAULT '', prices TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE recipes (fingerprint TEXT PRIMARY KEY, recipe TEXT NOT NULL) STRICT;
CREATE TABLE written_by (runner TEXT NOT NULL) STRICT;
CREATE TABLE node_uses (
    run TEXT NOT NULL, node TEXT NOT NULL, spot INTEGER, since REAL NOT NULL, until REAL NOT NULL,
    allocated REAL, ready REAL,
    PRIMARY KEY (run, node, since)
) STRICT, WITHOUT ROWID;
CREATE TABLE sources (
    run TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    changed_ns INTEGER NOT NULL, names INTEGER NOT NULL, file TEXT NOT NULL,
    choice TEXT NOT NULL, state TEXT NOT NULL, place TEXT NOT NULL, reason TEXT NOT NULL, at REAL,
    PRIMARY KEY (run, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX sources_by_state ON sources (state);
CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE files (
    id INTEGER PRIMARY KEY, folder INTEGER NOT NULL, name TEXT NOT NULL, target_folder INTEGER NOT NULL,
    shared INTEGER NOT NULL, tail TEXT NOT NULL, target_key INTEGER NOT NULL, source_key INTEGER NOT NULL
) STRICT;
CREATE INDEX files_by_target ON files (target_key);
CREATE INDEX files_by_source ON files (source_key);
CREATE VIEW paths AS
    SELECT files.id AS id, target_folder.word || substr(name, 1, shared) || tail AS target,
        folder.word || name AS source, target_key, source_key
    FROM files JOIN words AS folder ON folder.id = files.folder
    JOIN words AS target_folder ON target_folder.id = files.target_folder;
CREATE TABLE results (
    file INTEGER PRIMARY KEY, source_size INTEGER NOT NULL, source_mtime_ns INTEGER NOT NULL,
    recipe INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 ANY NOT NULL,
    run INTEGER NOT NULL, notices TEXT NOT NULL, source_etag TEXT NOT NULL
) STRICT;
CREATE TABLE attempts (
    run INTEGER NOT NULL, file INTEGER NOT NULL, number INTEGER NOT NULL, recipe INTEGER NOT NULL,
    state TEXT NOT NULL, kind TEXT, message TEXT, seconds REAL NOT NULL, ended REAL NOT NULL,
    log BLOB NOT NULL, notices TEXT NOT NULL DEFAULT '[]', source_size INTEGER, size INTEGER,
    media_seconds REAL, sent INTEGER, queued REAL, began REAL, worker INTEGER, versions INTEGER,
    steps TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (run, file, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX attempts_to_tell ON attempts (run) WHERE state != 'converted' OR notices != '[]';
CREATE TABLE known_failures (
    file INTEGER PRIMARY KEY, source_size INTEGER NOT NULL, source_mtime_ns INTEGER NOT NULL,
    recipe TEXT NOT NULL, made_with TEXT NOT NULL, run INTEGER NOT NULL, number INTEGER NOT NULL,
    source_etag TEXT NOT NULL
) STRICT;
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
