"""The account: its settings, its content, and how it changes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tests.emulator.errors import BatchError
from tests.emulator.model import Job, Node, Outcome, Pool, Task, key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.emulator.clock import Clock, Timer
    from tests.emulator.faults import Faults
    from tests.emulator.rights import Rights
    from tests.emulator.storage import Roles
    from tests.emulator.work import Work


@dataclass(frozen=True, kw_only=True)
class Timings:
    """How long the service's operations take, in virtual seconds."""

    allocation: float = 0.05
    """From a resize until its nodes exist, in the state creating."""
    creating: float = 0.02
    starting: float = 0.02
    leaving: float = 0.02
    rebooting: float = 0.02
    job: float = 0.02
    """For disabling, enabling, terminating or deleting a job."""
    restore: float | None = None
    """From a preemption to the node's return; None means that it only returns on request."""


BY_HAND = Timings(allocation=4, creating=3, starting=4, leaving=2, rebooting=3, job=0.5, restore=60)
"""For trying things out: slow enough to watch."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The account's quotas."""

    pools: int = 100
    active_jobs: int = 300


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The properties of the emulated account."""

    name: str = "emulated"
    resource_id: str = (
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg"
        "/providers/Microsoft.Batch/batchAccounts/emulated"
    )
    """Its ARM id, below whose scopes principals have roles."""
    shared_key: bool = True
    """False: only Entra tokens, as in an account of user-subscription mode."""
    api_versions: tuple[str, ...] = ("2025-06-01", "2024-*", "2023-*", "2022-*", "2021-*", "2020-*")
    """Patterns of what is accepted."""
    timings: Timings = field(default_factory=Timings)
    limits: Limits = field(default_factory=Limits)
    evaluate_new_pools: bool = True
    """Whether the formula of a new pool is evaluated at once, not after an interval."""
    nodes_at_most: int | None = None
    """The most nodes of a pool on this machine; more are a resize error."""


class Executor(Protocol):
    """The interface of what runs the nodes' work."""

    root: Path | None
    """Where the nodes' disks are; None where there are none."""

    def start(self, work: Work, done: Callable[[Outcome], None]) -> None:
        """Start *work*; *done* is called once, later, on the service's thread."""

    def kill(self, run: int) -> None:
        """Kill that run's process tree; its *done* is still called."""

    def wipe(self, node: str) -> None:
        """Delete everything on a node's disk."""


class Account:
    """The only mutable state. It belongs to one thread, and changes only between settlings."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        executor: Executor,
        faults: Faults,
        roles: Roles,
        rights: Rights,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.executor = executor
        self.faults = faults
        self.roles = roles
        """Of nodes, on containers."""
        self.rights = rights
        """Of callers."""
        self.url = ""
        self.ca_file = ""
        """Scheme, host and port; known once the server listens."""
        self.pools: dict[str, Pool] = {}
        self.jobs: dict[str, Job] = {}
        self.runs: dict[int, Task] = {}
        """The tasks that run, by the number of the run."""
        self.numbers = itertools.count(1)
        self.changed_jobs: dict[str, Job] = {}
        self.changed_pools: dict[str, Pool] = {}
        self.settle: Callable[[], None] = lambda: None
        """Continues everything that was marked as changed."""

    def now(self) -> int:
        return self.clock.now()

    def later(self, seconds: float, act: Callable[[], None]) -> Timer:
        """Do *act*, and settle what follows, after that many virtual seconds."""

        def due() -> None:
            act()
            self.settle()

        return self.clock.after(seconds, due)

    def start(self, work: Work, done: Callable[[Outcome], None]) -> None:
        """Start *work* on a node, and settle what follows from its end."""

        def ended(outcome: Outcome) -> None:
            done(outcome)
            self.settle()

        self.executor.start(work, ended)

    def changed(self, *, job: Job | None = None, pool: Pool | None = None) -> None:
        """Mark what the next settling has to check."""
        if job is not None:
            self.changed_jobs[key(job.id)] = job
            if job.pool_id is not None and (found := self.pools.get(key(job.pool_id))):
                self.changed_pools[key(found.id)] = found
        if pool is not None:
            self.changed_pools[key(pool.id)] = pool

    def pool(self, pool_id: str) -> Pool:
        pool = self.pools.get(key(pool_id))
        if pool is None:
            raise BatchError("PoolNotFound")
        return pool

    def node(self, pool_id: str, node_id: str) -> Node:
        node = self.pool(pool_id).nodes.get(key(node_id))
        if node is None:
            raise BatchError("NodeNotFound")
        return node

    def job(self, job_id: str) -> Job:
        job = self.jobs.get(key(job_id))
        if job is None:
            raise BatchError("JobNotFound")
        return job

    def task(self, job_id: str, task_id: str) -> Task:
        task = self.job(job_id).tasks.get(key(task_id))
        if task is None:
            raise BatchError("TaskNotFound")
        return task
