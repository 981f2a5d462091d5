"""A new ledger has the tables that an old one is upgraded to."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runner.schema import STEPS, VERSION, with_tables


def tables_of(db: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """How all that is in *db* was made, without what SQLite does not mind; its columns in their order."""
    return {
        (kind, name): re.sub(r"\s*([,()])\s*|\s+", r" \1 ", made or "").strip()
        for kind, name, made in db.execute("SELECT type, name, sql FROM sqlite_schema")
    }


@pytest.mark.parametrize("version", range(1, VERSION))
def test_a_new_ledger_is_like_an_upgraded_one(version: int) -> None:
    path = Path("ledger.sqlite")
    with closing(sqlite3.connect(":memory:")) as old, closing(sqlite3.connect(":memory:")) as new:
        for step in STEPS[:version]:
            old.executescript(step)
        old.execute(f"PRAGMA user_version = {version}")
        upgraded, made = tables_of(with_tables(old, path)), tables_of(with_tables(new, path))
        assert list(made) == list(upgraded), "in the same order"
        assert made == upgraded
        for db in (old, new):
            assert db.execute("PRAGMA user_version").fetchall() == [(VERSION,)]
            assert db.execute("SELECT count(*) FROM written_by").fetchall() == [(1,)]
