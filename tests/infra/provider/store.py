"""What exists in the stand-in's Azure: one JSON file, since Pulumi starts a provider per command."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any

from filelock import FileLock

REGISTERED = (
    "Microsoft.Batch",
    "Microsoft.Insights",
    "Microsoft.KeyVault",
    "Microsoft.ManagedIdentity",
    "Microsoft.Network",
    "Microsoft.OperationalInsights",
    "Microsoft.Storage",
)
QUOTA = {
    "batch:BatchAccount": 3,
    "batch:Pool": 100,
    "network:PublicIPAddress": 1000,
    "network:VirtualNetwork": 1000,
    "authorization:RoleAssignment": 4000,
}
"""What a subscription has by default: "Batch service quotas and limits", "Azure subscription limits"."""


@dataclass
class World:
    """Everything there is."""

    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By id in lower case: token, id and inputs."""
    deleted_vaults: list[str] = field(default_factory=list)
    """Names that are taken until somebody purges them."""
    faults: list[dict[str, Any]] = field(default_factory=list)
    """What shall fail: token, method (create, update, delete), code, message, times."""
    journal: list[list[str]] = field(default_factory=list)
    """What was done, in order: method, token, name."""
    registered: list[str] = field(default_factory=lambda: list(REGISTERED))
    """The services that the subscription may use."""
    deployer: str = "Owner"
    """The role of whoever deploys."""
    deployer_scope: str = ""
    """Where they have it: the subscription, or a resource group's id."""
    batch_may_make_nodes: bool = True
    """Whether Batch has its role on the subscription, given by hand and long ago."""
    quota: dict[str, int] = field(default_factory=lambda: dict(QUOTA))
    """How many there may be, by kind."""
    taken: list[str] = field(default_factory=list)
    """Names in lower case that somebody else in the world has."""
    clock: float = 0.0
    """Seconds; only tests move it."""
    spreads: float = 0.0
    """Seconds that a role, or an identity, takes to be known everywhere."""

    def get(self, arm_id: str) -> dict[str, Any] | None:
        """Look up a resource; ids are compared without case."""
        return self.resources.get(arm_id.lower())

    def of(self, token: str) -> list[dict[str, Any]]:
        """Return all resources of a kind."""
        return [each for each in self.resources.values() if each["token"] == token]


class Store:
    """The file that holds the world between two starts of the provider."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = FileLock(f"{path}.lock")
        self.thread = RLock()
        """Held first: who waits for the file's lock looks for it but twenty times a second."""

    @contextmanager
    def open(self) -> Iterator[World]:
        """Give the world to look at and to change; what is changed stays, also after an error."""
        with self.thread, self.lock:
            world = self._read()
            try:
                yield world
            finally:
                self.path.write_text(json.dumps(vars(world)))

    def look(self) -> World:
        """Return the world as it is."""
        with self.thread, self.lock:
            return self._read()

    def _read(self) -> World:
        return World(**json.loads(self.path.read_text())) if self.path.exists() else World()
