"""The ledger's SQLite file: how it is opened, and how it recovers from damage.

Damage, of any kind and at any time, costs no media, only a check of the results: the file is set aside
and a new one is started.
"""

import logging
import os
import shutil
import sqlite3
import tempfile
import traceback
import zlib
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import datetime
from itertools import count
from pathlib import Path, PurePath
from typing import Any, Protocol, TypeVar

from filelock import BaseFileLock, Timeout

from runner.errors import SetupError
from runner.formatting import display_path, printable, shortened
from runner.media.strict import UnreadableError
from runner.media.target import OURS
from runner.schema import VERSION, version_in, with_tables

FOLDER = OURS
LOCK_PATIENCE = 10.0
"""Seconds for which another process may be at work in the ledger."""
Answer = TypeVar("Answer")
Row = TypeVar("Row")

# Errors of the machine, or temporary ones, which do not mean that the file is damaged.
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
"""Errors that mean damage: sqlite's message may quote bytes that are not text."""
_LOG = logging.getLogger(__name__)


class Rows(Protocol):
    """Reads what a query finds, a row at a time."""

    def __call__(
        self, read: Callable[[tuple[Any, ...]], Row], query: str, *values: object
    ) -> list[Row]:
        """Return the rows of *query* with *values*, each as *read* makes it."""


Write = Callable[[Callable[[sqlite3.Connection], object]], None]
"""Does something in one transaction."""


class Database:
    """The file of one ledger; all access to it goes through `use`."""

    def __init__(
        self,
        path: Path,
        lock: BaseFileLock | None,
        begin: Callable[[sqlite3.Connection], None] = lambda _: None,
    ) -> None:
        """Open the file at *path*, or create it.

        *lock* is the destination's, and is held while a damaged file is set aside; without it
        nothing is ever written. *begin* writes what the current run knows into a new file.

        Raises:
            SetupError: It cannot be opened on this machine, or a newer runner wrote it.
        """
        self.damage = ""
        """Damage that was found and left alone, because nothing may be written."""
        self._path = path
        self._lock = lock
        self._begin = begin
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self.use(lambda _: None)

    def use(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """Return what *work* reads from the database.

        *work* must read everything before it returns, and may be called twice.

        Raises:
            SetupError: The file cannot be read or written on this machine.
        """
        try:
            return work(self._connection())
        except sqlite3.ProgrammingError:
            raise  # ours
        except (*_BAD, OSError) as error:
            if not _is_damage(error, self._path):
                raise self._setup_error(error) from error
            self._recover(error)
        try:
            return work(self._connection())
        except (*_BAD, OSError) as error:
            raise self._setup_error(error) from error

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()
        self._db = None

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            self._file = _identity(self._path)
            self._db = _connect(self._path) if self._lock else _open_read_only(self._path)
        return self._db

    def _recover(self, error: Exception) -> None:
        """Set the damaged file aside and start a new one; *error* describes the damage.

        Raises:
            SetupError: Another runner is using it, or it cannot be moved.
        """
        # Windows cannot move an open file, and a query that *error* ended midway keeps it open
        traceback.clear_frames(error.__traceback__)
        self.close()
        if self._lock is None:
            self.damage = f"{display_path(self._path)} is damaged ({_reason(error)})"
            self._db = with_tables(sqlite3.connect(":memory:"), self._path)
            return
        try:
            with self._lock.acquire(timeout=0):
                self._replace(error)
        except Timeout:
            message = "another runner is using it: wait until that has finished"
            raise SetupError(f"{self._path} is damaged: {message}") from error
        except (*_BAD, OSError) as fault:
            raise self._setup_error(fault) from error

    def _replace(self, error: Exception) -> None:
        if _identity(self._path) == self._file:  # otherwise another runner has already done it
            kept = _set_aside(self._path)
            _LOG.warning(
                "the ledger %s was damaged (%s): it was kept as %s, and a new one was started; results "
                "are checked again",
                *(display_path(self._path), _reason(error), display_path(kept)),
            )
        with self._connection() as db:
            self._begin(db)

    def _setup_error(self, error: Exception) -> SetupError:
        reason = error.strerror if isinstance(error, OSError) else _reason(error)
        return SetupError(f"cannot use the ledger {display_path(self._path)}: {reason}")


def _connect(path: Path) -> sqlite3.Connection:
    """Open the database at *path* for reading and writing, or create it."""
    return with_tables(sqlite3.connect(path, timeout=LOCK_PATIENCE), path)


def _open_read_only(path: Path) -> sqlite3.Connection:
    """Open the database at *path* read-only; an empty one if it does not exist."""
    if not path.exists() or path.stat().st_size == 0:
        return with_tables(sqlite3.connect(":memory:"), path)
    db = sqlite3.connect(f"{address_of(path.absolute())}?mode=ro", timeout=LOCK_PATIENCE, uri=True)
    try:
        if version_in(db, path) == VERSION:
            return with_tables(db, path)
    except sqlite3.OperationalError as error:
        db.close()
        if _code(error) not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            raise
    except BaseException:
        db.close()
        raise
    db.close()
    return _recovered_copy(path)


def address_of(path: PurePath) -> str:
    """Return the URI of the absolute *path* for SQLite, which would take a share's server for a host."""
    uri = path.as_uri()
    return uri if uri.startswith("file:///") else uri.replace("file://", "file:////", 1)


def _recovered_copy(path: Path) -> sqlite3.Connection:
    """Return a copy, in memory, of the database at *path* as it would be after writing to it.

    It has an older version, or a transaction that was interrupted.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(path, folder))
        with suppress(FileNotFoundError):
            shutil.copy(_beside(path, "-journal"), folder)
        with closing(_connect(copy)) as mended:
            memory = sqlite3.connect(":memory:")
            mended.backup(memory)
    return with_tables(memory, path)


def _set_aside(path: Path) -> Path:
    """Rename the file at *path*, and the files that sqlite keeps beside it."""
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
    """Return sqlite's error code without its details, or None if *error* is not from sqlite."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _is_damage(error: Exception, path: Path) -> bool:
    if isinstance(error, OSError):
        return False
    if _code(error) == sqlite3.SQLITE_READONLY:
        # sqlite also says this if the file's first bytes name a future format
        return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    return _code(error) not in _NOT_DAMAGE


def _reason(error: Exception) -> str:
    return shortened(printable(str(error)), 80)
