"""The ledger's SQLite file: its tables, how it is opened, and how it heals.

Whatever is damaged in it, at any moment, costs a check of the results, and no media: the file is set
aside, and another one is begun.
"""

import logging
import os
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import datetime
from importlib.metadata import version as version_of
from itertools import count
from pathlib import Path, PurePath
from typing import TypeVar

from filelock import BaseFileLock, Timeout

from runner.errors import SetupError
from runner.formatting import display_path, printable, shortened
from runner.media.strict import UnreadableError, text
from runner.media.target import OURS

FOLDER = OURS
Answer = TypeVar("Answer")

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
# Two sources may share a target, of a run that reports so; thus an attempt is of both.
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
_STEPS = (
    _SCHEMA,
    "ALTER TABLE runs ADD COLUMN options TEXT NOT NULL DEFAULT '{}'",
    "CREATE TABLE written_by (runner TEXT NOT NULL) STRICT",
    _NOTICES_AND_KNOWN_FAILURES,
)
"""What each version has beyond the one before it. A value that older runners cannot read is one too."""
_VERSION = len(_STEPS)
_FAR_FUTURE = 1000
"""No version will ever be so high: one that is was damaged."""

# What is wrong with the place, or passes, and not with what is in the file.
_NOT_DAMAGE = (
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_AUTH,
)
_BAD = (sqlite3.DatabaseError, UnicodeDecodeError, zlib.error, UnreadableError)
"""What damage looks like: sqlite's message may quote bytes that are no text."""
_LOG = logging.getLogger(__name__)


class Database:
    """One ledger's file; all access to it goes through `use`."""

    def __init__(
        self,
        path: Path,
        lock: BaseFileLock | None,
        begin: Callable[[sqlite3.Connection], None] = lambda _: None,
    ) -> None:
        """Open the file at *path*, or begin it.

        *lock* is that of the destination, held while a damaged file is set aside; without one
        nothing at all is written. *begin* puts into a new file what its run knows already.

        Raises:
            SetupError: It cannot be opened here, or a newer runner wrote it.
        """
        self.damage = ""
        """What was found wrong, and is left as it is because nothing may be written."""
        self._path = path
        self._lock = lock
        self._begin = begin
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self.use(lambda _: None)

    def use(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """What *work* makes of the database, which it must read to the end; it may be called twice.

        Raises:
            SetupError: The file cannot be read or written here.
        """
        try:
            return work(self._connection())
        except sqlite3.ProgrammingError:
            raise  # ours
        except (*_BAD, OSError) as error:
            if not _is_damage(error, self._path):
                raise self._unfit(error) from error
            self._heal(error)
        try:
            return work(self._connection())
        except (*_BAD, OSError) as error:
            raise self._unfit(error) from error

    def close(self) -> None:
        """Let go of the file."""
        if self._db is not None:
            self._db.close()
        self._db = None

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            self._file = _identity(self._path)
            self._db = _connect(self._path) if self._lock else _look_into(self._path)
        return self._db

    def _heal(self, error: Exception) -> None:
        """Set the file aside, which is damaged as *error* says, and begin another one.

        Raises:
            SetupError: Another runner works with it, or it cannot be moved.
        """
        self.close()  # Windows moves no file that is open
        if self._lock is None:
            self.damage = f"{display_path(self._path)} is damaged ({_reason(error)})"
            self._db = _begun(sqlite3.connect(":memory:"), self._path)
            return
        try:
            with self._lock.acquire(timeout=0):
                self._replace(error)
        except Timeout:
            message = "another runner works with it, and must end first"
            raise SetupError(f"{self._path} is damaged: {message}") from error
        except (*_BAD, OSError) as fault:
            raise self._unfit(fault) from error

    def _replace(self, error: Exception) -> None:
        if _identity(self._path) == self._file:  # else another runner has done it
            kept = _set_aside(self._path)
            _LOG.warning(
                "the ledger %s was damaged (%s): it is kept as %s, and a new one is begun; results "
                "are checked once more",
                *(display_path(self._path), _reason(error), display_path(kept)),
            )
        with self._connection() as db:
            self._begin(db)

    def _unfit(self, error: Exception) -> SetupError:
        reason = error.strerror if isinstance(error, OSError) else _reason(error)
        return SetupError(f"cannot use the ledger {display_path(self._path)}: {reason}")


def _connect(path: Path) -> sqlite3.Connection:
    """Open the database at *path* for reading and writing, or begin it."""
    return _begun(sqlite3.connect(path, timeout=10), path)


def _look_into(path: Path) -> sqlite3.Connection:
    """The database at *path* for reading alone; an empty one where there is none."""
    if not path.exists() or path.stat().st_size == 0:
        return _begun(sqlite3.connect(":memory:"), path)
    db = sqlite3.connect(f"{address_of(path.absolute())}?mode=ro", timeout=10, uri=True)
    try:
        if _version(db, path) == _VERSION:
            return _begun(db, path)
    except sqlite3.OperationalError as error:
        db.close()
        if _code(error) not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            raise
    except BaseException:
        db.close()
        raise
    db.close()
    return _mended_copy(path)


def address_of(path: PurePath) -> str:
    """The URI of the absolute *path*, as SQLite wants it: it takes a share's server for a host."""
    uri = path.as_uri()
    return uri if uri.startswith("file:///") else uri.replace("file://", "file:////", 1)


def _mended_copy(path: Path) -> sqlite3.Connection:
    """What the database at *path* would be if it could be written.

    It is of an older version, or has a transaction that was cut off.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(path, folder))
        with suppress(FileNotFoundError):
            shutil.copy(_beside(path, "-journal"), folder)
        with closing(_connect(copy)) as mended:
            memory = sqlite3.connect(":memory:")
            mended.backup(memory)
    return _begun(memory, path)


def _begun(db: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """*db*, which is at *path*, with all tables of this version; it is closed if that fails."""
    # names are bytes on POSIX, and need not be UTF-8
    db.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    try:
        # Safe against the end of the process; a power cut may cost the ledger, not media. The
        # rollback journal, unlike a write-ahead log, also works on network file systems.
        db.execute("PRAGMA synchronous = OFF")
        if _version(db, path) < _VERSION:
            with db:
                db.execute("BEGIN IMMEDIATE")
                version = _version(db, path)
                for statement in ";".join(_STEPS[version:]).split(";"):
                    db.execute(statement)
                db.execute("INSERT INTO written_by VALUES (?)", (_this_runner(),))
                db.execute(f"PRAGMA user_version = {_VERSION}")
    except BaseException:
        db.close()
        raise
    return db


def _version(db: sqlite3.Connection, path: Path) -> int:
    """The version of the tables in *db*, which is at *path*.

    Raises:
        SetupError: It is that of a newer runner.
    """
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if not 0 <= version < _FAR_FUTURE:
        raise UnreadableError("its version makes no sense")
    if version > _VERSION:
        raise SetupError(
            f"{display_path(path)} was written by a newer runner: this one is {_this_runner()}, and it "
            f"takes {_writer(db)} or later (the ledger's format is {version}, not {_VERSION})"
        )
    if version == 0 and db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise UnreadableError("it is another program's")
    return version


def _writer(db: sqlite3.Connection) -> str:
    """Which runner brought *db* to its version, as far as it can be told."""
    with suppress(sqlite3.DatabaseError, UnicodeDecodeError, UnreadableError, TypeError):
        row = db.execute("SELECT runner FROM written_by ORDER BY rowid DESC LIMIT 1").fetchone()
        return printable(text(row[0]))[:20]
    return "another"


def _this_runner() -> str:
    return version_of("batch-ffmpeg-runner")


def _set_aside(path: Path) -> Path:
    """Rename the file at *path*, with those that sqlite keeps beside it."""
    stamp = f"{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    names = (path.with_name(f"ledger.damaged-{stamp}-{number}.sqlite") for number in count(1))
    kept = next(name for name in names if not name.exists())
    for ending in ("", "-journal", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            _beside(path, ending).rename(_beside(kept, ending))
    return kept


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _code(error: Exception) -> int | None:
    """Sqlite's code of *error*, without its details; none where it does not come from there."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _is_damage(error: Exception, path: Path) -> bool:
    if isinstance(error, OSError):
        return False
    if _code(error) == sqlite3.SQLITE_READONLY:
        # so sqlite says, too, where the file's first bytes name a format of the future
        return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    return _code(error) not in _NOT_DAMAGE


def _reason(error: Exception) -> str:
    return shortened(printable(str(error)), 80)
