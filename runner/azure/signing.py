"""Addresses for nodes: plain ones if they have an identity, else signed, each only for its own task."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.storage.blob import (
    BlobSasPermissions,
    BlobServiceClient,
    ContainerSasPermissions,
    UserDelegationKey,
    generate_blob_sas,
    generate_container_sas,
)

from runner.azure.deployment import Deployment
from runner.azure.errors import azure_errors
from runner.conversions import Conversions
from runner.models import Plan

# A user-delegation key, and what it signs, is valid for seven days at most:
# https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key
_LONGEST = timedelta(days=6, hours=6)
_CLOCKS_DIFFER = timedelta(minutes=15)
# A signature is fixed in its task's definition, so each one is made when the task is described.
_RENEWED_AFTER = 0.1
_SPARE = timedelta(days=1)
"""Time for a pool to grow, or for a quota to be raised, before the first task starts."""


@dataclass(frozen=True)
class Lifetimes:
    """How long addresses are valid after their task was described."""

    read: timedelta
    """Until the task has started and downloaded its files."""
    write: timedelta
    """Until it has uploaded its results."""


def lifetimes(plan: Plan, slots: int, longest_task: timedelta) -> Lifetimes:
    """Return how long addresses must be valid for *plan*, on a pool that runs *slots* tasks at a time.

    This assumes that media are converted at least as fast as they play. If not, and a signature expires in
    the queue, the task is submitted again with a new one.
    """
    media = Conversions.of(plan.conversions).seconds
    # an estimate may be any number of seconds, but a timedelta has a limit
    queue = timedelta(seconds=min(media / max(1, slots), _LONGEST.total_seconds()))
    read = min(_LONGEST, _SPARE + queue)
    return Lifetimes(read, min(_LONGEST, read + longest_task))


class DelegationKeys:
    """The keys by which addresses in one account are signed; safe for several threads."""

    def __init__(self, client: BlobServiceClient, lifetimes: Lifetimes) -> None:
        self._client = client
        self._lifetimes = lifetimes
        self._lock = threading.Lock()
        self._key: UserDelegationKey | None = None
        self._old = datetime.min.replace(tzinfo=UTC)

    def terms(self, life: timedelta) -> dict[str, Any]:
        """Return what all signatures have in common; each is valid for its own *life*.

        Raises:
            RunnerError: Storage cannot be reached, or does not let us sign.
        """
        now = datetime.now(UTC)
        return {
            "user_delegation_key": self._current_key(now),
            "start": now - _CLOCKS_DIFFER,
            "expiry": now + life,
            "protocol": "https",
        }

    def _current_key(self, now: datetime) -> UserDelegationKey:
        """Return a key that stays valid longer than what it signs *now*."""
        with self._lock:
            if self._key is None or now >= self._old:
                self._old = now + _RENEWED_AFTER * self._lifetimes.write
                expiry = self._old + self._lifetimes.write
                with azure_errors("signing addresses for the nodes", "signing"):
                    self._key = self._client.get_user_delegation_key(now - _CLOCKS_DIFFER, expiry)
            return self._key


class Signer:
    """Makes the addresses that the tasks of a run need; safe for several threads."""

    def __init__(
        self, client: BlobServiceClient, deployment: Deployment, lifetimes: Lifetimes
    ) -> None:
        self._deployment = deployment
        self._lifetimes = lifetimes
        self._keys = DelegationKeys(client, lifetimes)

    def readable(self, container: str, blob: str) -> str:
        """Return an address where *blob* can be read.

        Raises:
            RunnerError: Storage cannot be reached, or does not let us sign; so for the next.
        """
        address = f"{self._deployment.blob_endpoint}/{container}/{blob}"
        if self._deployment.pool_identity_id:
            return address
        signature = generate_blob_sas(
            self._deployment.storage_account,
            container,
            blob,
            permission=BlobSasPermissions(read=True),
            **self._keys.terms(self._lifetimes.read),
        )
        return f"{address}?{signature}"

    def writable(self, container: str) -> str:
        """Return an address of *container* to which blobs can be written; Batch accepts no narrower one.

        They may not be read, listed or deleted there.
        """
        address = f"{self._deployment.blob_endpoint}/{container}"
        if self._deployment.pool_identity_id:
            return address
        signature = generate_container_sas(
            self._deployment.storage_account,
            container,
            permission=ContainerSasPermissions(write=True),
            **self._keys.terms(self._lifetimes.write),
        )
        return f"{address}?{signature}"
