"""Look up blobs: one by its name, or all of a folder, page by page; errors name a remedy."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from azure.core.exceptions import AzureError
from azure.storage.blob import BlobProperties, ContainerClient

from runner.addresses import BlobAddress
from runner.azure.accounts import Accounts
from runner.azure.errors import code_of
from runner.azure.read_errors import refused
from runner.blob_selection import ARCHIVED, REHYDRATING, BlobFacts
from runner.errors import NothingToConvertError
from runner.media.failures import Failure
from runner.models import Source

PAGE = 2000
"""Blobs that are listed at a time: the client holds two pages, and takes 7 kB for each blob in them. The service would list 5,000."""
_LOOKS = 16
"""Blobs that are looked up at a time."""
_GONE = ("BlobNotFound", "ResourceNotFound", "ContainerNotFound")


@dataclass(frozen=True)
class Listing:
    """The blobs that addresses name; implements `BlobStore`."""

    accounts: Accounts

    def resolve(self, text: str) -> BlobAddress:
        """Return the address that *text* means, with its account."""
        return self.accounts.resolve(text)

    def look_up(self, addresses: Iterable[BlobAddress]) -> Iterator[BlobFacts | None]:
        """Return the blob at each of *addresses*, in their order; None where there is none.

        Raises:
            RunnerError: Storage cannot be reached, or does not let us.
        """
        with ThreadPoolExecutor(_LOOKS) as pool:
            left = iter(addresses)
            while some := list(islice(left, 64 * _LOOKS)):
                yield from pool.map(self._look_up, some)

    def listed(self, address: BlobAddress) -> Iterator[BlobFacts]:
        """Return the blobs whose names begin with that of *address*, without snapshots and versions.

        Raises:
            NothingToConvertError: There is no such container.
            RunnerError: Storage cannot be reached, or does not let us.
        """

        def first_page(container: ContainerClient) -> tuple[Iterator[Any], list[BlobFacts]]:
            pages = container.list_blobs(
                name_starts_with=address.name or None,
                # of what marks a folder only this tells
                include=["metadata"],
                results_per_page=PAGE,
            ).by_page()
            return pages, _next_page(pages)

        try:
            pages, some = self.accounts.ask(address, first_page)
            while some:
                yield from some
                some = []
                some = _next_page(pages)
        except AzureError as error:
            if code_of(error) in _GONE:
                raise NothingToConvertError(
                    f"there is no container {address.container} in the account {address.account}"
                ) from None
            raise refused(error, f"listing {address.named('')}", address, self.accounts) from None

    def _look_up(self, address: BlobAddress) -> BlobFacts | None:
        if {".", ".."} & set(address.name.split("/")):
            return None  # clients take these parts out of an address, which then is another blob's
        try:
            found = self.accounts.ask(
                address,
                lambda container: container.get_blob_client(address.name).get_blob_properties(),
            )
        except AzureError as error:
            if getattr(error, "status_code", None) == 404:
                return None
            raise refused(error, f"looking for {address}", address, self.accounts) from None
        return facts_of(found)


def _next_page(pages: Iterator[Iterable[BlobProperties]]) -> list[BlobFacts]:
    """Return the facts alone: what the client makes of each blob takes thirty times as much memory."""
    return list(map(facts_of, next(pages, ())))


def facts_of(blob: BlobProperties) -> BlobFacts:
    """Return the facts about a blob, from a listing or from the blob itself."""
    metadata = {name.lower(): value for name, value in (blob.metadata or {}).items()}
    modified = blob.last_modified
    assert isinstance(modified, datetime)
    return BlobFacts(
        name=blob.name,
        size=blob.size,
        mtime_ns=int(modified.timestamp()) * 10**9,
        etag=plain_etag(blob.etag),
        fault=_fault(blob),
        is_folder=metadata.get("hdi_isfolder", "").lower() == "true",
    )


def source_at(path: str, store: Listing) -> Source:
    """Return the blob at *path*, the text of its address, as it is now."""
    stack = store.accounts.deployment
    address = BlobAddress.from_text(path, stack.blob_endpoint if stack else "")
    (facts,) = store.look_up([address])
    return Source(path, facts.size, facts.mtime_ns, facts.etag) if facts else Source(path, -1, 0)


def plain_etag(etag: str | None) -> str:
    """*etag* without the quotes, which a listing has none of."""
    return (etag or "").strip('"')


def _fault(blob: BlobProperties) -> Failure | None:
    if (blob.archive_status or "").startswith("rehydrate-pending"):
        return REHYDRATING
    tier = blob.blob_tier
    return ARCHIVED if str(getattr(tier, "value", tier)) == "Archive" else None
