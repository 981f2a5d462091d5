"""Faults on demand: tests request them, and the account and the server ask for them.

azure.faults.add(Fault("status", operation="create_task_collection", status=503, retry_after=1))
azure.faults.add(Fault("reset_after", operation="create_job"))
azure.faults.add(Fault("resize", code="AllocationFailed", times=None))
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

Kind = Literal[
    "status",
    "reset_before",
    "reset_after",
    "slow",
    "shuffle",
    "add_task",
    "counts_lag",
    "resize",
    "unusable",
    "start_task",
    "download",
    "upload",
    "pascal_case",
    "lower_case",
]
"""On requests: status, reset_before, reset_after, slow. On answers: shuffle and add_task (of added
collections), counts_lag, pascal_case, lower_case. In the pool: resize, unusable, start_task,
download, upload."""


@dataclass(frozen=True)
class Fault:
    """One kind of misbehaviour, and when it happens.

    Raises:
        ValueError: An unknown kind.
    """

    kind: Kind
    operation: str = "*"
    """For requests the operation as the client's method is called; else a pool's or task's id."""
    times: int | None = 1
    """How often it happens; None is always."""
    rate: float = 1.0
    """The chance that it happens when it could, 0 to 1."""
    status: int = 503
    code: str | None = None
    """The service's error code; by default one that fits."""
    retry_after: int | None = None
    """Seconds, as a header; None leaves it out."""
    seconds: float = 0.0
    """How slow, or by how much counts lag."""
    exit_code: int = 1
    """A failing start task's."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"unknown kind of fault: {self.kind}")

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Fault:
        """Read what the control API was sent.

        Raises:
            ValueError: An unknown kind or field.
        """
        unknown = body.keys() - {f.name for f in fields(cls)}
        if unknown or "kind" not in body:
            raise ValueError(f"unknown: {sorted(unknown)}" if unknown else "kind is missing")
        return cls(**body)


class Faults:
    """The faults that are still to happen. Safe to use from any thread."""

    def __init__(self, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._pending: list[Fault] = []
        self._random = random.Random(seed)

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._pending.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._pending.clear()

    @property
    def pending(self) -> tuple[Fault, ...]:
        with self._lock:
            return tuple(self._pending)

    def take(self, kind: Kind, operation: str) -> Fault | None:
        """Return the fault of that kind that happens now, if one does, and count it."""
        if not self._pending:
            return None
        with self._lock:
            for index, fault in enumerate(self._pending):
                if fault.kind == kind and fault.operation in ("*", operation):
                    return self._happen(index, fault)
        return None

    def _happen(self, index: int, fault: Fault) -> Fault | None:
        if fault.rate < 1 and self._random.random() >= fault.rate:
            return None
        if fault.times is not None:
            if fault.times > 1:
                self._pending[index] = replace(fault, times=fault.times - 1)
            else:
                del self._pending[index]
        return fault

    def shuffled(self, items: list[Any]) -> list[Any]:
        with self._lock:
            return self._random.sample(items, len(items))
