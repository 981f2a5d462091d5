"""Ledgers as older versions of runner wrote them."""

import sqlite3
from contextlib import closing
from pathlib import Path

from runner.schema import STEPS, add_functions

_AS_BEFORE = {
    "runs": "SELECT *, backend AS place FROM new.runs",
    "recipes": "SELECT * FROM new.recipes",
    "results": (
        "SELECT target, source, source_size, source_mtime_ns, made_by.word AS recipe, size, mtime_ns,"
        " lower(hex(sha256)) AS sha256, run.word AS run, notices, source_etag"
        " FROM new.results AS r JOIN new.paths ON paths.id = r.file"
        " JOIN new.words AS run ON run.id = r.run JOIN new.words AS made_by ON made_by.id = r.recipe"
    ),
    "attempts": (
        "SELECT run.word AS run, target, number, source, made_by.word AS recipe, state, kind,"
        " message, seconds, ended, log, notices, source_size, size, media_seconds, sent, queued,"
        " began, coalesce(worker.word, '') AS worker, coalesce(versions.word, '') AS versions, steps"
        " FROM new.attempts AS a JOIN new.paths ON paths.id = a.file"
        " JOIN new.words AS run ON run.id = a.run JOIN new.words AS made_by ON made_by.id = a.recipe"
        " LEFT JOIN new.words AS worker ON worker.id = a.worker"
        " LEFT JOIN new.words AS versions ON versions.id = a.versions"
    ),
    "known_failures": (
        "SELECT target, source, source_size, source_mtime_ns, recipe, made_with, run.word AS run,"
        " number, source_etag FROM new.known_failures AS k JOIN new.paths ON paths.id = k.file"
        " JOIN new.words AS run ON run.id = k.run"
    ),
    "node_uses": "SELECT * FROM new.node_uses",
    "sources": "SELECT * FROM new.sources",
}


def write_as_of(version: int, path: Path) -> None:
    """Write the ledger at *path* anew, as runner had it at *version*."""
    new = path.rename(path.with_name("new.sqlite"))
    with closing(sqlite3.connect(path)) as db:
        add_functions(db)
        for step in STEPS[:version]:
            db.executescript(step)
        db.execute("ATTACH ? AS new", (str(new),))
        with db:
            for table, query in _AS_BEFORE.items():
                columns = [row[1] for row in db.execute(f"PRAGMA main.table_info({table})")]
                if columns:
                    names = ", ".join(columns)
                    db.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM ({query})")
            db.execute(f"PRAGMA user_version = {version}")
    new.unlink()
