"""Allow one runner at a time in a destination; the lock ends with the process, however that ends."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, Self

from filelock import FileLock, Timeout

from runner.errors import SetupError, TransientError
from runner.formatting import printable
from runner.media.strict import UnreadableError, parse_json, read_as

_LONGEST_HOLDER = 10_000
"""Bytes."""
MOMENT = 2.0
"""Seconds for which another command may hold a destination only to read its ledger."""


@dataclass(frozen=True)
class Holder:
    """Who holds a destination."""

    run: str
    pid: int
    host: str
    since: float
    """Seconds since the epoch."""
    machine: str = ""
    """Of a destination in a container: tells folders for it on this machine from all others."""

    @classmethod
    def here(cls, run: str, machine: str = "") -> Self:
        """Return the owner for *run* in this process."""
        return cls(run, os.getpid(), socket.gethostname(), time.time(), machine)

    def as_json(self) -> str:
        """Return the JSON that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> Self | None:
        """Read what `as_json` wrote; none where it is something else."""
        try:
            return read_as(cls, parse_json(data, _LONGEST_HOLDER))
        except UnreadableError:
            return None

    def __str__(self) -> str:
        try:
            since = f"{datetime.fromtimestamp(self.since, UTC).astimezone():%H:%M:%S}"
        except (ValueError, OverflowError, OSError):
            since = "some time"
        return printable(f"run {self.run} (process {self.pid} on {self.host}, since {since})")


class RunLock(Protocol):
    """Lets one runner at a time work in a destination."""

    lock: FileLock
    """That of the folder with the ledger."""

    def held_for(self, run: str) -> AbstractContextManager[None]:
        """Hold the destination for *run*.

        Raises:
            TransientError: Another runner holds it; the message says who.
        """

    def is_held(self) -> bool:
        """Return whether a runner is working there."""


class DestinationLock:
    """The lock of *destination*, in its *folder* for runner's own files."""

    def __init__(self, destination: Path, folder: Path) -> None:
        self._destination = destination
        self._folder = folder
        self.lock = FileLock(folder / "lock", timeout=0)

    @contextmanager
    def held_for(self, run: str) -> Iterator[None]:
        """Hold the destination for *run*.

        Raises:
            TransientError: Another runner holds it; the message says who.
        """
        holder = self._folder / "holder.json"
        try:
            self.lock.acquire(timeout=MOMENT)
        except Timeout as error:
            raise TransientError(f"{self._destination} is in use by {_describe(holder)}") from error
        except OSError as error:
            raise SetupError(f"cannot write {holder}: {error.strerror}") from error
        try:
            try:
                holder.write_text(Holder.here(run).as_json())
            except OSError as error:
                raise SetupError(f"cannot write {holder}: {error.strerror}") from error
            yield
        finally:
            with suppress(OSError):
                holder.unlink()
            self.lock.release()

    def is_held(self) -> bool:
        """Return whether a runner is working in this destination."""
        try:
            with self.lock.acquire():
                return False
        except Timeout:
            return True
        except OSError:  # without write access there is no way to find out
            return False


def _describe(holder: Path) -> str:
    try:
        with holder.open("rb") as file:
            found = Holder.from_json(file.read(_LONGEST_HOLDER))
    except OSError:
        found = None
    return str(found or "another runner")
