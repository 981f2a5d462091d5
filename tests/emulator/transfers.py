"""A node's traffic with storage: resource files come, output files go, by real HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, unquote, urlsplit
from xml.etree import ElementTree as ET

import requests
from requests.adapters import HTTPAdapter

from tests.emulator.model import Failure, Json, key
from tests.emulator.patterns import find_outputs
from tests.emulator.storage import AccessDeniedError, UnknownIdentityError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.emulator.faults import Faults
    from tests.emulator.storage import Roles, StorageAccount
    from tests.emulator.work import Work

VERSION = {"x-ms-version": "2021-12-02"}
TIMEOUT = 60
TRIES = 3
_CONNECTIONS = 32
MESSAGES = {
    "BlobNotFound": "One of the specified Azure Blob(s) is not found.",
    "BlobAccessDenied": "Access for one of the specified Azure Blob(s) is denied.",
    "BlobDownloadTimedOut": "Timed out while downloading one of the specified Azure Blob(s).",
    "BlobDownloadMiscError": "Miscellaneous error encountered while downloading one of the specified Azure Blob(s).",
    "ResourceContainerNotFound": "One of the specified Azure Blob container(s) is not found.",
    "ResourceContainerAccessDenied": "Access for one of the specified Azure Blob container(s) is denied.",
    "ResourceContainerListTimedOut": "Timed out while listing one of the specified Azure Blob container(s).",
    "ResourceContainerListMiscError": "Miscellaneous error encountered while listing one of the specified Azure Blob container(s)",
    "FileUploadContainerNotFound": "One of the specified Azure container(s) was not found while attempting to upload an output file",
    "FileUploadAccessDenied": "Access was denied while attempting to upload an output file",
    "FileUploadConflict": "A conflict occurred while attempting to upload an output file",
    "FileUploadTimedOut": "Timed out while attempting to upload an output file",
    "FileUploadMiscError": "Miscellaneous error encountered while attempting to upload an output file",
}


@dataclass(frozen=True)
class Errors:
    """The failure codes of one kind of transfer."""

    not_found: str
    denied: str
    timed_out: str
    other: str
    conflict: str


BLOB = Errors(
    "BlobNotFound",
    "BlobAccessDenied",
    "BlobDownloadTimedOut",
    "BlobDownloadMiscError",
    "BlobDownloadMiscError",
)
CONTAINER = Errors(
    "ResourceContainerNotFound",
    "ResourceContainerAccessDenied",
    "ResourceContainerListTimedOut",
    "ResourceContainerListMiscError",
    "ResourceContainerListMiscError",
)
UPLOAD = Errors(
    "FileUploadContainerNotFound",
    "FileUploadAccessDenied",
    "FileUploadTimedOut",
    "FileUploadMiscError",
    "FileUploadConflict",
)


class TransferError(Exception):
    """A transfer that has failed for good; *failure* is what the task will say."""

    def __init__(self, code: str, path: str) -> None:
        super().__init__(code)
        self.failure = Failure(
            category="UserError" if "Misc" not in code else "ServerError",
            code=code,
            message=MESSAGES.get(code, code),
            details=(("FilePath", path),),
        )


class Transfers:
    """Downloads and uploads, as whoever the entries say. Used by many threads at once."""

    def __init__(self, roles: Roles, faults: Faults, storage: StorageAccount | None) -> None:
        self.roles = roles
        self.faults = faults
        self.storage = storage
        # one for all threads, which share its connections: to make one takes longer than most transfers
        self._session = requests.Session()
        self._session.mount("https://", HTTPAdapter(pool_maxsize=_CONNECTIONS))
        # else this machine's proxies and REQUESTS_CA_BUNDLE would come first
        self._session.trust_env = False
        if storage is not None and storage.ca_file is not None:
            self._session.verify = str(storage.ca_file)

    def close(self) -> None:
        """End the connections that are not in use."""
        self._session.close()

    def download(self, entry: Json, directory: Path, work: Work) -> None:
        """Fetch what one resource file says into *directory*.

        Raises:
            TransferError: It cannot be had.
        """
        mode = int(entry.get("fileMode") or "0770", 8)
        if url := entry.get("httpUrl"):
            self._inject("download", work, BLOB, entry["filePath"])
            signed = self._authorised(url, entry, work.identities, BLOB, write=False)
            self._fetch(signed, directory / entry["filePath"], mode)
            return
        url = entry.get("storageContainerUrl") or self._auto_storage(entry)
        self._inject("download", work, CONTAINER, url.partition("?")[0])
        signed = self._authorised(url, entry, work.identities, CONTAINER, write=False)
        for name in self._names(signed, entry.get("blobPrefix") or ""):
            target = directory / (entry.get("filePath") or "") / name
            self._fetch(blob_url(signed, name), target, mode)

    def upload(
        self, entry: Json, base: Path, environment: Mapping[str, str], work: Work
    ) -> Iterator[str]:
        """Store what one output file says, yielding the name of each blob once it is there.

        Raises:
            TransferError: One could not be stored.
        """
        target = entry["destination"]["container"]
        url = target["containerUrl"]
        found = list(
            find_outputs(
                entry["filePattern"], base=base, environment=environment, path=target.get("path")
            )
        )
        if not found:
            return
        self._inject("upload", work, UPLOAD, entry["filePattern"])
        signed = self._authorised(url, target, work.identities, UPLOAD, write=True)
        headers = {h["name"]: h.get("value") or "" for h in target.get("uploadHeaders") or ()}
        for file, name in found:
            self._store(file, blob_url(signed, name), headers)
            yield name

    def _inject(
        self, kind: Literal["download", "upload"], work: Work, errors: Errors, path: str
    ) -> None:
        """Fail if a test has asked for it; by default as an expired signature does."""
        fault = self.faults.take(kind, work.name)
        if fault is not None:
            raise TransferError(fault.code or errors.denied, path)

    def _auto_storage(self, entry: Json) -> str:
        if self.storage is None:
            raise TransferError("ResourceContainerListMiscError", entry["autoStorageContainerName"])
        url = f"{self.storage.blob_endpoint}/{entry['autoStorageContainerName']}"
        return self.storage.signed(url, write=False)

    def _authorised(
        self, url: str, entry: Json, identities: frozenset[str], errors: Errors, *, write: bool
    ) -> str:
        """Return *url* as it may be used: as given, or as the identity that is referred to."""
        reference = entry.get("identityReference")
        if not reference:
            return url
        try:
            return self._as_identity(url, reference["resourceId"], identities, write=write)
        except UnknownIdentityError as error:
            raise TransferError(errors.other, url) from error
        except AccessDeniedError as error:
            raise TransferError(errors.denied, url) from error

    def _as_identity(
        self, url: str, identity: str, identities: frozenset[str], *, write: bool
    ) -> str:
        if key(identity) not in identities:
            raise UnknownIdentityError(identity)
        storage = self.storage.that_holds(url) if self.storage is not None else None
        if storage is None:
            raise AccessDeniedError(url)
        if not self.roles.allows(identity, storage.container_of(url), write=write):
            raise AccessDeniedError(url)
        return storage.signed(url, write=write)

    def _request(
        self, method: str, url: str, errors: Errors, **options: object
    ) -> requests.Response:
        """Send one request, again after a temporary error; refusals become TransferErrors."""
        path = unquote(urlsplit(url).path)
        for attempt in range(TRIES):
            last = attempt == TRIES - 1
            try:
                answer = self._session.request(method, url, timeout=TIMEOUT, **options)  # type: ignore[arg-type]  # requests' own options
            except requests.Timeout as error:
                if last:
                    raise TransferError(errors.timed_out, path) from error
                continue
            except requests.RequestException as error:
                if last:
                    raise TransferError(errors.other, path) from error
                continue
            if answer.status_code < 500 or last:
                break
        if answer.ok:
            return answer
        answer.close()
        codes = {404: errors.not_found, 401: errors.denied, 403: errors.denied}
        codes |= {409: errors.conflict, 412: errors.conflict}
        raise TransferError(codes.get(answer.status_code, errors.other), path)

    def _fetch(self, url: str, target: Path, mode: int) -> None:
        headers = VERSION if self.storage is not None and self.storage.that_holds(url) else {}
        answer = self._request("GET", url, BLOB, headers=headers, stream=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        with answer, target.open("wb") as file:
            for chunk in answer.iter_content(1 << 20):
                file.write(chunk)
        target.chmod(mode)

    def _names(self, container_url: str, prefix: str) -> Iterator[str]:
        """Yield the names of the blobs that begin with *prefix*, page by page."""
        marker = ""
        while True:
            query = f"restype=container&comp=list&prefix={quote(prefix, safe='')}&marker={marker}"
            url = f"{container_url}{'&' if '?' in container_url else '?'}{query}"
            page = ET.fromstring(self._request("GET", url, CONTAINER, headers=VERSION).content)
            yield from (name.text or "" for name in page.iterfind("Blobs/Blob/Name"))
            marker = quote(page.findtext("NextMarker") or "", safe="")
            if not marker:
                return

    def _store(self, file: Path, url: str, headers: Mapping[str, str]) -> None:
        sent = {**VERSION, "x-ms-blob-type": "BlockBlob", **headers}
        sent.setdefault("x-ms-blob-content-type", "application/octet-stream")
        body = file.read_bytes() if file.stat().st_size < 1 << 20 else None
        with file.open("rb") as stream:
            self._request("PUT", url, UPLOAD, headers=sent, data=stream if body is None else body)


def blob_url(container_url: str, name: str) -> str:
    """Put a blob's name between the container and the query of its URL."""
    container, mark, query = container_url.partition("?")
    return f"{container.rstrip('/')}/{quote(name)}{mark}{query}"
