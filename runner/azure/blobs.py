"""Upload to and download from storage, checking size and hash."""

import hashlib
import mimetypes
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import IO, Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import (
    BlobClient,
    BlobServiceClient,
    ContentSettings,
    StorageStreamDownloader,
)

from runner.azure.errors import azure_errors, code_of, translated
from runner.azure.workers import Stopped
from runner.errors import TransientError
from runner.media.strict import UnreadableError

_BLOCK = 1 << 20
_PAGE = 1000
"""Blobs that are listed at a time: the client takes 7 kB for each one in a page."""
_CHANGES = 20
"""Attempts at changing a blob that others may change too."""
_EXISTS = "BlobAlreadyExists"
"""The only code with its status which means that the blob already exists."""


class Traffic:
    """The bytes uploaded and downloaded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.sent = 0
        self.received = 0

    def add(self, *, sent: int = 0, received: int = 0) -> None:
        """Count them; safe for several threads."""
        with self._lock:
            self.sent += sent
            self.received += received


class Blobs:
    """The containers of one account; transfers end early once *is_stopped* returns true."""

    def __init__(
        self, client: BlobServiceClient, is_stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self._client = client
        self._is_stopped = is_stopped
        self.traffic = Traffic()

    def upload(self, container: str, name: str, path: str) -> int:
        """Upload the file at *path*; an existing blob with the same content counts as uploaded.

        Return its size in bytes.

        Raises:
            RunnerError: Storage cannot be reached, or refuses access.
            OSError: The file cannot be read.
            Stopped: The run was stopped.
        """
        digest = _md5(path)
        size = os.path.getsize(path)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        blob = self._client.get_blob_client(container, name)
        settings = ContentSettings(content_type=kind, content_md5=bytearray(digest))
        with (
            azure_errors(f"uploading to {container}", "storage"),
            _Watched(path, size, self._is_stopped, self.traffic) as file,
        ):
            try:
                blob.upload_blob(file, length=size, content_settings=settings)
            except ResourceExistsError as error:
                if code_of(error) != _EXISTS:
                    raise
                # our own: from an interrupted run, or the response was lost
                if not self._has(container, name, size, digest):
                    file.seek(0)
                    blob.upload_blob(file, length=size, content_settings=settings, overwrite=True)
        return size

    def put(self, container: str, name: str, data: bytes | IO[bytes]) -> None:
        """Upload *data*, also over an existing blob."""
        with azure_errors(f"uploading {name}", "storage"):
            self._client.get_blob_client(container, name).upload_blob(data, overwrite=True)

    def put_once(self, container: str, name: str, data: bytes) -> None:
        """Upload *data* unless the blob exists, which is asked first: the line may be slow."""
        if self.exists(container, name):
            return
        with azure_errors(f"uploading {name}", "storage"):
            try:
                self._client.get_blob_client(container, name).upload_blob(data)
            except ResourceExistsError as error:
                if code_of(error) != _EXISTS:
                    raise

    def exists(self, container: str, name: str) -> bool:
        """Return whether the blob exists."""
        with azure_errors(f"looking for {name}", "storage"):
            return self._client.get_blob_client(container, name).exists()

    def read(self, container: str, name: str, longest: int) -> bytes | None:
        """Return the content of a small blob; None if it does not exist.

        Raises:
            UnreadableError: It is longer than *longest* bytes.
        """
        stream = self._open(container, name)
        if stream is None:
            return None
        with azure_errors(f"downloading {name}", "storage"):
            return _whole(stream, longest)

    def update(
        self, container: str, name: str, longest: int, change: Callable[[bytes], bytes | None]
    ) -> None:
        """Replace the content of a small blob by what *change* returns for it, or delete the blob if that is None.

        If another process writes at the same time, nothing is lost: the change is repeated on its content.

        Raises:
            UnreadableError: It is longer than *longest* bytes.
        """
        for _ in range(_CHANGES):
            stream = self._open(container, name)
            if stream is None:
                return
            with azure_errors(f"changing {name}", "storage"):
                data = _whole(stream, longest)
                new = change(data)
                if new == data:
                    return
                try:
                    _replace(self._client.get_blob_client(container, name), new, stream)
                except (ResourceModifiedError, ResourceNotFoundError):
                    continue
                return
        raise TransientError(
            f"other processes keep changing {name}; run the same command again to continue"
        )

    def read_end(self, container: str, name: str, longest: int) -> bytes:
        """Return the last bytes of a blob, *longest* at most; nothing if it does not exist."""
        stream = self._open(container, name)
        if stream is not None and stream.size > longest:
            stream = self._open(container, name, offset=stream.size - longest, length=longest)
        if stream is None:
            return b""
        with azure_errors(f"downloading {name}", "storage"):
            return stream.readall()

    def download(self, container: str, name: str, path: Path, size: int) -> str | None:
        """Download a blob of *size* bytes to *path*; return its SHA-256, in hex.

        Return None if it does not exist, and "" if it has another size and was not downloaded.

        Raises:
            RunnerError: Storage cannot be reached, or refuses access.
            OSError: The file cannot be written.
            Stopped: The run was stopped.
        """
        stream = self._open(container, name)
        if stream is None:
            return None
        if stream.size != size:
            return ""
        digest = hashlib.sha256()
        with azure_errors(f"downloading {name}", "storage"), path.open("wb") as file:
            for chunk in stream.chunks():
                if self._is_stopped():
                    raise Stopped
                digest.update(chunk)
                file.write(chunk)
                self.traffic.add(received=len(chunk))
        return digest.hexdigest()

    def _open(
        self, container: str, name: str, offset: int | None = None, length: int | None = None
    ) -> "StorageStreamDownloader[bytes] | None":
        """Open a blob, or *part* of it, and read its first block; return None if it does not exist."""
        try:
            # without decompression: a blob marked as compressed could unpack to any size
            return self._client.get_blob_client(container, name).download_blob(
                offset, length, decompress=False
            )
        except AzureError as error:
            if code_of(error) == "BlobNotFound":
                return None
            raise translated(error, f"downloading {name}", "storage") from None

    def names(self, container: str, prefix: str) -> Iterator[str]:
        """Return the names of all blobs that start with *prefix*."""
        with azure_errors(f"listing {container}", "storage"):
            yield from self._client.get_container_client(container).list_blob_names(
                name_starts_with=prefix
            )

    def sizes(self, container: str, prefix: str) -> Iterator[tuple[str, int]]:
        """Return the names of all blobs that start with *prefix*, with their bytes."""
        with azure_errors(f"listing {container}", "storage"):
            client = self._client.get_container_client(container)
            blobs = client.list_blobs(prefix, results_per_page=_PAGE)
            yield from ((blob.name, blob.size) for blob in blobs)

    def delete(self, container: str, names: Iterable[str]) -> int:
        """Delete blobs, ignoring those that do not exist; return how many did."""
        count = 0
        with azure_errors(f"deleting from {container}", "storage"):
            for name in names:
                with suppress(ResourceNotFoundError):
                    self._client.get_blob_client(container, name).delete_blob()
                    count += 1
        return count

    def _has(self, container: str, name: str, size: int, digest: bytes) -> bool:
        facts = self._client.get_blob_client(container, name).get_blob_properties()
        return facts.size == size and facts.content_settings.content_md5 == bytearray(digest)


def _whole(stream: "StorageStreamDownloader[bytes]", longest: int) -> bytes:
    if stream.size > longest:
        raise UnreadableError(f"longer than {longest} bytes")
    return stream.readall()


def _replace(blob: BlobClient, data: bytes | None, seen: "StorageStreamDownloader[bytes]") -> None:
    """Replace the content that was *seen* by *data*, or delete the blob, unless it has changed since."""
    same: dict[str, Any] = {
        "etag": seen.properties.etag,
        "match_condition": MatchConditions.IfNotModified,
    }
    if data is None:
        blob.delete_blob(**same)
    else:
        blob.upload_blob(data, overwrite=True, **same)


class _Watched(FileIO):
    """A file whose reading fails once the run is stopped, or once it is shorter than *size*.

    Storage would otherwise wait minutes for the announced bytes, several times.
    """

    def __init__(
        self, path: str, size: int, is_stopped: Callable[[], bool], traffic: Traffic
    ) -> None:
        super().__init__(path)
        self._traffic = traffic
        self._size = size
        self._is_stopped = is_stopped

    def read(self, size: int | None = -1, /) -> bytes:
        if self._is_stopped():
            raise Stopped
        wanted = -1 if size is None else size
        data = super().read(wanted)
        if len(data) < wanted and self.tell() < self._size:
            raise TransientError("the file became shorter while it was uploaded")
        self._traffic.add(sent=len(data))
        return data


def _md5(path: str) -> bytes:
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.digest()
