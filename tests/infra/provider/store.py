"""What exists in the stand-in's Azure: one JSON file, since Pulumi starts a provider per command."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock


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

    @contextmanager
    def open(self) -> Iterator[World]:
        """Give the world to look at and to change; what is changed stays, also after an error."""
        with self.lock:
            world = World(**json.loads(self.path.read_text())) if self.path.exists() else World()
            try:
                yield world
            finally:
                self.path.write_text(json.dumps(vars(world), indent=1))

    def look(self) -> World:
        """Return the world as it is."""
        with self.open() as world:
            return world
