"""The ledger of a destination in a container: fetched before a run, and put back during it.

What it lacks, the metadata of the results say: losing it costs the history, and nothing else.
"""

import json
import os
import secrets
import sqlite3
import tempfile
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobClient
from filelock import Timeout

from runner.azure.errors import code_of
from runner.azure.results import CloudResults
from runner.destination_lock import DestinationLock
from runner.errors import RunnerError, SetupError
from runner.media.strict import UnreadableError, parse_json, read_as
from runner.media.target import OURS
from runner.result_blobs import ours_in

_LONGEST_HOLDER = 10_000


@dataclass(frozen=True)
class _Known:
    """What this machine knows of the ledger in the container."""

    machine: str
    """Made up when the folder was: tells it from all others."""
    etag: str = ""
    """Of what was last fetched or put; empty for nothing."""


class SharedLedger:
    """The ledger below the address of *results*, and its copy in *folder*."""

    def __init__(self, results: CloudResults, folder: Path) -> None:
        self._results = results
        self._ours = folder / OURS
        self._file = self._ours / "ledger.sqlite"
        self.local = DestinationLock(folder, self._ours)

    @property
    def address(self) -> str:
        """Of the destination, for people."""
        return str(self._results.address)

    def fetch(self) -> None:
        """Have the copy be what lies in the container, unless a run here is ahead of that.

        Raises:
            RunnerError: It cannot be read.
        """
        try:
            with self.local.lock.acquire(timeout=0):
                # read now: a run here that ended a moment ago may have put another one
                self._download(self.known())
        except Timeout:
            return  # a run of this machine works with it
        except OSError as error:
            raise SetupError(f"cannot write {self._ours}: {error.strerror}") from error

    def _download(self, known: _Known) -> None:
        blob = self.blob("ledger.sqlite")
        part = self._ours / "ledger.part"
        try:
            if str(blob.get_blob_properties().etag) == known.etag:
                return
            stream = blob.download_blob()
            with part.open("wb") as file:
                stream.readinto(file)
        except ResourceNotFoundError as error:
            if code_of(error) == "ContainerNotFound":
                raise self._results.failure(error, f"reading {self.address}") from None
            return
        except AzureError as error:
            raise self._results.failure(error, f"reading {self.address}") from None
        with suppress(FileNotFoundError):
            self._file.with_name("ledger.sqlite-journal").unlink()
        part.replace(self._file)
        self._remember(_Known(known.machine, str(stream.properties.etag)))

    def put(self) -> None:
        """Put the copy into the container, unless somebody else has put another one there.

        Raises:
            AzureError: It cannot be put.
        """
        known = self.known()
        same: dict[str, Any] = {
            "etag": known.etag,
            "match_condition": MatchConditions.IfNotModified,
        }
        with tempfile.TemporaryDirectory(dir=self._ours) as folder:
            copy = Path(folder, "ledger.sqlite")
            with (
                closing(sqlite3.connect(self._file)) as db,
                closing(sqlite3.connect(copy)) as other,
            ):
                db.backup(other)
            with copy.open("rb") as file:
                done = self.blob("ledger.sqlite").upload_blob(
                    file, overwrite=bool(known.etag), **(same if known.etag else {})
                )
        self._remember(_Known(known.machine, str(done["etag"])))

    def blob(self, name: str) -> BlobClient:
        """A client of one of runner's own blobs there."""
        return self._results.container.get_blob_client(ours_in(self._results.address) + name)

    def known(self) -> _Known:
        """Return what this machine knows about it."""
        try:
            return read_as(_Known, parse_json(self._note.read_bytes(), _LONGEST_HOLDER))
        except (OSError, UnreadableError):
            made = _Known(secrets.token_hex(16))
            self._remember(made)
            return made

    def forget(self) -> None:
        """Take note that there is none in the container."""
        self._remember(_Known(self.known().machine))

    def changed(self) -> float:
        """Return when the copy was last written to, by its file system."""
        try:
            return os.stat(self._file).st_mtime
        except OSError:
            return 0.0

    def failure(self, error: AzureError, doing: str) -> RunnerError:
        """Our error for *error*."""
        return self._results.failure(error, doing)

    @property
    def _note(self) -> Path:
        return self._ours / "cloud.json"

    def _remember(self, known: _Known) -> None:
        try:
            self._ours.mkdir(parents=True, exist_ok=True)
            part = self._note.with_suffix(".part")
            part.write_text(json.dumps(asdict(known)))
            part.replace(self._note)
        except OSError as error:
            raise SetupError(f"cannot write {self._note}: {error.strerror}") from error
