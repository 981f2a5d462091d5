"""A storage account by plain HTTP, for what tests put there and look at.

Microsoft's client takes five times the CPU, and a run of all tests makes ten thousand such requests.
"""

import ssl
from datetime import UTC, datetime, timedelta
from functools import cache
from urllib.parse import quote, unquote
from xml.etree import ElementTree as ET

import urllib3
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

from tests.emulator.front import Storage

_AT_ONCE = 4
_PATIENCE = 200.0
"""Seconds for an answer: the machine may be very busy."""


class PlainStorage:
    """The account of *storage*, as its owner sees it; safe for several threads."""

    def __init__(self, storage: Storage) -> None:
        self._endpoint = storage.blob_endpoint
        self._signature = _signature(storage.name, storage.key)
        self._http = urllib3.PoolManager(
            1,
            maxsize=_AT_ONCE,
            ssl_context=_trust(storage.ca_file),
            timeout=_PATIENCE,
            retries=False,
        )

    def close(self) -> None:
        self._http.clear()

    def create(self, container: str) -> None:
        self._ask("PUT", f"{container}?restype=container&", 201)

    def delete(self, container: str) -> None:
        self._ask("DELETE", f"{container}?restype=container&", 202)

    def listed(self, container: str) -> dict[str, str]:
        """The ETags of all that lies in *container*, by name, in order."""
        found, marker = {}, ""
        while True:
            path = f"{container}?restype=container&comp=list&marker={quote(marker, safe='')}&"
            page = ET.fromstring(self._ask("GET", path, 200) or b"")
            for blob in page.iterfind("Blobs/Blob"):
                found[_name(blob.find("Name"))] = blob.findtext("Properties/Etag", "")
            marker = page.findtext("NextMarker", "")
            if not marker:
                return dict(sorted(found.items()))

    def read(self, container: str, name: str) -> bytes | None:
        """The content of a blob; None if there is none."""
        return self._ask("GET", f"{container}/{quote(name)}?", 200)

    def put(self, container: str, name: str, content: bytes) -> None:
        """Store a blob, in the place of one that is there."""
        self._ask("PUT", f"{container}/{quote(name)}?", 201, content)

    def _ask(self, method: str, path: str, status: int, content: bytes = b"") -> bytes | None:
        answer = self._http.request(
            method,
            f"{self._endpoint}/{path}{self._signature}",
            body=content if method == "PUT" else None,
            headers={"x-ms-blob-type": "BlockBlob", "x-ms-version": "2025-01-05"},
        )
        if answer.headers.get("x-ms-error-code") == "BlobNotFound":
            return None
        assert answer.status == status, (method, path, answer.status, answer.data)
        return answer.data


def _name(element: ET.Element | None) -> str:
    assert element is not None
    name = element.text or ""
    return unquote(name) if element.get("Encoded") == "true" else name


@cache
def _trust(ca_file: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


@cache
def _signature(account: str, key: str) -> str:
    return generate_account_sas(
        account,
        key,
        ResourceTypes(container=True, object=True),
        AccountSasPermissions(read=True, write=True, delete=True, list=True, create=True),
        expiry=datetime.now(UTC) + timedelta(days=2),
    )
