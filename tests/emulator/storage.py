"""Who may do what with which container, and how the nodes' requests to it are authorised."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.emulator.model import key
from tests.emulator.roles import Role, find_role, storage_need

if TYPE_CHECKING:
    from pathlib import Path

ANY = "*"

SHORT = {
    "reader": "Storage Blob Data Reader",
    "contributor": "Storage Blob Data Contributor",
}
"""What the two roles of nodes are called for short."""


@dataclass(frozen=True, kw_only=True)
class StorageAccount:
    """A blob storage that the nodes reach, with the key by which roles are acted out."""

    blob_endpoint: str
    """Up to the container: ``https://127.0.0.1:10000/devstoreaccount1``."""
    name: str
    key: str
    ca_file: Path | None = None
    others: tuple[StorageAccount, ...] = ()
    """Further accounts that nodes reach, which belong to no stack."""
    nodes_endpoint: str = ""
    """The same storage for nodes that sign in to it, if theirs is a shorter way; empty if not."""

    def that_holds(self, url: str) -> StorageAccount | None:
        """Return which of these accounts *url* leads into; None for somewhere else."""
        accounts = (self, *self.others)
        return next((a for a in accounts if a.holds(url)), None)

    def holds(self, url: str) -> bool:
        """Return whether *url* leads into this account itself."""
        endpoints = filter(None, (self.blob_endpoint, self.nodes_endpoint))
        return any(url.startswith(f"{endpoint}/") for endpoint in endpoints)

    def container_of(self, url: str) -> str:
        """Return the name of the container in *url*, which is in this account."""
        return urlsplit(url[len(self.blob_endpoint) + 1 :]).path.split("/")[0]

    def signed(self, url: str, *, write: bool) -> str:
        """Return *url* with a short-lived signature of the account's own, for a node."""
        # imported only when an identity is acted out: it takes half a second
        from azure.storage.blob import ContainerSasPermissions, generate_container_sas  # noqa: PLC0415

        now = datetime.now(UTC)
        token = generate_container_sas(
            self.name,
            self.container_of(url),
            account_key=self.key,
            permission=ContainerSasPermissions(read=True, list=True, write=write, create=write),
            start=now - timedelta(minutes=15),
            expiry=now + timedelta(hours=1),
        )
        there = (self.nodes_endpoint or self.blob_endpoint) + url[len(self.blob_endpoint) :]
        return f"{there}{'&' if '?' in url else '?'}{token}"


class AccessDeniedError(Exception):
    """The identity has no role that allows this."""


class UnknownIdentityError(Exception):
    """The identity is not on the pool, so that its nodes cannot act as it."""


class Roles:
    """Which identity has which role where. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._assigned: dict[str, set[tuple[str, Role]]] = {}

    def assign(self, identity: str, role: str, container: str = ANY) -> None:
        """Give *identity* (an ARM id) a role on one container, or on all of them.

        Raises:
            ValueError: An unknown role.
        """
        known = find_role(SHORT.get(role, role))
        with self._lock:
            self._assigned.setdefault(key(identity), set()).add((container, known))

    def revoke(self, identity: str) -> None:
        """Take all roles from *identity*."""
        with self._lock:
            self._assigned.pop(key(identity), None)

    def allows(self, identity: str, container: str, *, write: bool) -> bool:
        need = storage_need("PUT" if write else "GET", is_blob=True, query={})
        with self._lock:
            roles = self._assigned.get(key(identity), set())
            return any(where in (ANY, container) and role.allows(need) for where, role in roles)
