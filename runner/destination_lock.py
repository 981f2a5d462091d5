"""One runner at a time in a destination; the lock ends with the process, however it ends."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from runner.errors import SetupError, TransientError
from runner.media.strict import parse_json, read_as

_LONGEST_HOLDER = 10_000
"""Bytes."""


@dataclass(frozen=True)
class _Holder:
    """Who holds a destination."""

    run: str
    pid: int
    host: str
    since: float
    """Seconds since the epoch."""


class DestinationLock:
    """The lock of *destination*, which lies in its *folder* of ours."""

    def __init__(self, destination: Path, folder: Path) -> None:
        self._destination = destination
        self._folder = folder
        self.lock = FileLock(folder / "lock", timeout=0)

    @contextmanager
    def held_for(self, run: str) -> Iterator[None]:
        """Hold the destination for *run*; the lock ends with the process, however it ends.

        Raises:
            TransientError: Another runner holds it; the message says who.
        """
        holder = self._folder / "holder.json"
        try:
            self.lock.acquire()
        except Timeout as error:
            raise TransientError(f"{self._destination} is in use by {_describe(holder)}") from error
        except OSError as error:
            raise SetupError(f"cannot write {holder}: {error.strerror}") from error
        try:
            facts = _Holder(run, os.getpid(), socket.gethostname(), time.time())
            try:
                holder.write_text(json.dumps(asdict(facts)))
            except OSError as error:
                raise SetupError(f"cannot write {holder}: {error.strerror}") from error
            yield
        finally:
            with suppress(OSError):
                holder.unlink()
            self.lock.release()

    def is_held(self) -> bool:
        """Whether a runner is at work here."""
        try:
            with self.lock.acquire():
                return False
        except Timeout:
            return True
        except OSError:  # who may only read cannot ask
            return False


def _describe(holder: Path) -> str:
    try:
        with holder.open("rb") as file:
            facts = read_as(_Holder, parse_json(file.read(_LONGEST_HOLDER), _LONGEST_HOLDER))
        since = f"{datetime.fromtimestamp(facts.since, UTC).astimezone():%H:%M:%S}"
    except (OSError, ValueError, OverflowError):
        return "another runner"
    return f"run {facts.run} (process {facts.pid} on {facts.host}, since {since})"
