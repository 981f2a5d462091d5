"""What the account holds: pools, nodes, jobs and tasks. Data only; what happens to it is elsewhere.

Moments are ticks (see times), durations seconds. Processes and threads are never in here: a task
that runs knows only the number of its run.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.emulator.states import AllocationState, JobState, NodeState, PoolState, State, TaskState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.emulator.autoscale import Sample
    from tests.emulator.clock import Timer

Json = dict[str, Any]

DEFAULT_RESIZE_TIMEOUT = 900.0


def key(identifier: str) -> str:
    """Return what ids are compared by: case does not count."""
    return identifier.lower()


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a task failed, as in ``failureInfo``."""

    category: str
    code: str
    message: str
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run on a node ended; without an exit code the program never ran."""

    exit_code: int | None
    failure: Failure | None = None


@dataclass(slots=True)
class Allocation:
    """A pool's allocation state, a state machine of its own."""

    state: State
    since: int
    previous: State | None = None
    previous_since: int = 0


@dataclass(slots=True)
class AutoScaleRun:
    """The last evaluation of a pool's formula."""

    at: int
    results: str
    error: Json | None = None


@dataclass(slots=True, kw_only=True)
class Pool:
    id: str
    definition: Json
    """What was asked for, less what has a field here."""
    created: int
    modified: int
    state: State = PoolState.ACTIVE
    since: int = 0
    previous: State | None = None
    previous_since: int = 0
    allocation: Allocation = field(default_factory=lambda: Allocation(AllocationState.STEADY, 0))
    target_dedicated: int = 0
    target_low_priority: int = 0
    resize_timeout: float = DEFAULT_RESIZE_TIMEOUT
    resize_errors: list[Json] = field(default_factory=list)
    resize_timers: list[Timer] = field(default_factory=list)
    identities: tuple[str, ...] = ()
    """ARM ids of the identities on the pool's nodes."""
    formula: str | None = None
    interval: float = 900.0
    autoscale_run: AutoScaleRun | None = None
    autoscale_timer: Timer | None = None
    autoscale_enabled_at: int = 0
    samples: dict[str, deque[Sample]] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    auto: bool = False
    """Made by a job, and deleted with it."""

    @property
    def slots_per_node(self) -> int:
        return int(self.definition.get("taskSlotsPerNode", 1))


@dataclass(slots=True, kw_only=True)
class StartTaskRun:
    """What a node's start task did at the last boot."""

    state: str
    start: int
    end: int | None = None
    retries: int = 0
    outcome: Outcome | None = None


@dataclass(slots=True, kw_only=True)
class Node:
    id: str
    pool: Pool
    dedicated: bool
    allocated: int
    state: State = NodeState.CREATING
    since: int = 0
    previous: State | None = None
    previous_since: int = 0
    boot: int = 0
    """Counts the boots, so that what belongs to an earlier one is recognised."""
    booted: int | None = None
    number: int = 0
    """Its place in the network: 10.0.0.(4+number)."""
    scheduling: bool = True
    draining: str | None = None
    """What is to happen once no task runs here any more: "remove", "reboot", …"""
    start_task: StartTaskRun | None = None
    start_run: int | None = None
    runs: dict[int, Task] = field(default_factory=dict)
    """The tasks that run here, by the numbers of their runs."""
    prepared: dict[str, str] = field(default_factory=dict)
    """Job preparation by job: "running", "completed" or "failed"."""
    tasks_run: int = 0
    tasks_succeeded: int = 0
    recent: deque[Task] = field(default_factory=lambda: deque(maxlen=10))
    errors: list[Json] = field(default_factory=list)

    @property
    def used_slots(self) -> int:
        return sum(task.slots for task in self.runs.values())

    @property
    def free_slots(self) -> int:
        return self.pool.slots_per_node - self.used_slots


@dataclass(slots=True, kw_only=True)
class Job:
    id: str
    definition: Json
    created: int
    modified: int
    state: State = JobState.ACTIVE
    since: int = 0
    previous: State | None = None
    previous_since: int = 0
    started: int = 0
    ended: int | None = None
    terminate_reason: str | None = None
    scheduling_error: Json | None = None
    pool_id: str | None = None
    tasks: dict[str, Task] = field(default_factory=dict)
    order: list[Task] = field(default_factory=list)
    """The tasks as they were added: by rising number."""
    ready: deque[Task] = field(default_factory=deque)
    """Active tasks that may start, first come first served; stale entries are skipped."""
    blocked: dict[str, list[Task]] = field(default_factory=dict)
    """Tasks that wait for another one, by that one's key."""
    counts: Counter[str] = field(default_factory=Counter)
    """How many tasks, and slots of tasks, are in which state and result."""
    lagging: tuple[int, Json] | None = None
    """An old answer of task counts and until when it is given, while counts lag."""
    pending_action: str | None = None
    """What a failed task's exit conditions want done to this job."""
    wall_clock: Timer | None = None

    def setting(self, name: str, default: Any = None) -> Any:
        return self.definition.get(name, default)


class Task:
    """A task, kept small: there may be a hundred thousand. The definition stays text."""

    __slots__ = (
        "created",
        "definition",
        "end",
        "ending",
        "exit_code",
        "failure",
        "id",
        "job",
        "max_retries",
        "modified",
        "node",
        "number",
        "parents",
        "previous",
        "previous_since",
        "requeues",
        "retried",
        "retries",
        "run",
        "since",
        "slots",
        "start",
        "state",
    )

    def __init__(self, *, job: Job, number: int, definition: Mapping[str, Any], at: int) -> None:
        self.id: str = definition["id"]
        self.job = job
        self.number = number
        self.created = self.modified = self.since = at
        self.state: State = TaskState.ACTIVE
        self.previous: State | None = None
        self.previous_since = 0
        self.slots: int = definition.get("requiredSlots", 1)
        self.define(definition)
        self.parents: set[str] | None = None
        """Keys of the tasks that must end first; None once nothing is waited for."""
        self.retries = 0
        self.requeues = 0
        self.retried: int | None = None
        self.start: int | None = None
        self.end: int | None = None
        self.exit_code: int | None = None
        self.failure: Failure | None = None
        self.ending: Failure | None = None
        """Why it is being killed, until its process is gone."""
        self.node: Node | None = None
        self.run: int | None = None
        """The number of its run, while it runs."""

    def define(self, definition: Mapping[str, Any]) -> None:
        """Take over a definition; the job says how often to retry where it does not."""
        constraints = definition.get("constraints") or {}
        inherited = self.job.setting("constraints", {}).get("maxTaskRetryCount", 0)
        self.definition = json.dumps(definition, separators=(",", ":")).encode()
        self.max_retries: int = constraints.get("maxTaskRetryCount", inherited)

    def read(self) -> Json:
        """Return the definition as it was given."""
        read: Json = json.loads(self.definition)
        return read

    @property
    def result(self) -> str | None:
        if self.state != TaskState.COMPLETED:
            return None
        return "failure" if self.failure else "success"
