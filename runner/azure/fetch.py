"""Bring a blob to this machine, to be converted here: the version that was planned, and all of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import AzureError
from azure.storage.blob import ContainerClient, StorageStreamDownloader

from runner.addresses import BlobAddress
from runner.azure.accounts import Accounts
from runner.azure.read_errors import failure_of_blob
from runner.errors import UsageError
from runner.media.blob_source import CHANGED
from runner.media.failures import ConversionError, Kind, Stopped
from runner.models import Source


@dataclass(frozen=True)
class BlobFetch:
    """Downloads blobs; implements `Fetch`."""

    accounts: Accounts

    def __call__(self, source: Source, path: str, is_stopped: Callable[[], bool]) -> None:
        """Download the blob that *source* is to the file *path*.

        Each part is asked for on the condition that the blob is still the version that was planned.

        Raises:
            ConversionError: It is another one, or cannot be read.
            OSError: The file cannot be written.
            Stopped: Nobody waits for it.
        """
        address = self._address(source)
        try:
            stream = self.accounts.ask(address, lambda client: _open(client, address, source.etag))
            size = 0
            with open(path, "wb") as file:
                for chunk in stream.chunks():
                    if is_stopped():
                        raise Stopped
                    size += file.write(chunk)
        except AzureError as error:
            if getattr(error, "status_code", None) == 412:
                self.check(source)  # where it is gone, storage says the same as where it changed
            raise failure_of_blob(error, address, self.accounts) from None
        if size != source.size:
            raise ConversionError(Kind.TRANSIENT, "the blob was not downloaded completely")

    def part(self, source: Source, offset: int, length: int) -> bytes:
        """*length* bytes of the blob that *source* is, from *offset* on.

        Raises:
            ConversionError: It is another one, or cannot be read.
        """
        address = self._address(source)
        try:
            return self.accounts.ask(
                address,
                lambda client: _open(client, address, source.etag, offset, length).readall(),
            )
        except AzureError as error:
            raise failure_of_blob(error, address, self.accounts) from None

    def check(self, source: Source) -> None:
        """See that the blob is still the version that was planned.

        Raises:
            ConversionError: It is another one, or gone, or nobody can tell.
        """
        address = self._address(source)
        try:
            facts = self.accounts.ask(
                address, lambda client: client.get_blob_client(address.name).get_blob_properties()
            )
        except AzureError as error:
            raise failure_of_blob(error, address, self.accounts) from None
        if str(facts.etag).strip('"') != source.etag:
            raise ConversionError(Kind.INPUT, CHANGED)

    def _address(self, source: Source) -> BlobAddress:
        stack = self.accounts.deployment
        try:
            return BlobAddress.from_text(source.path, stack.blob_endpoint if stack else "")
        except UsageError as error:
            raise ConversionError(Kind.INPUT, str(error)) from error


def _open(
    container: ContainerClient,
    address: BlobAddress,
    etag: str,
    offset: int | None = None,
    length: int | None = None,
) -> StorageStreamDownloader[bytes]:
    same: dict[str, Any] = {"offset": offset, "length": length}
    if etag:
        same |= {"etag": f'"{etag}"', "match_condition": MatchConditions.IfNotModified}
    # as it lies there: what a blob calls compressed could unpack to any size
    return container.get_blob_client(address.name).download_blob(decompress=False, **same)
