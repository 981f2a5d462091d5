"""Every state and every allowed change of state: the tables, and the one function that obeys them."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class PoolState(StrEnum):
    ACTIVE = "active"
    DELETING = "deleting"


class AllocationState(StrEnum):
    STEADY = "steady"
    RESIZING = "resizing"
    STOPPING = "stopping"


class NodeState(StrEnum):
    CREATING = "creating"
    STARTING = "starting"
    WAITING_FOR_START_TASK = "waitingforstarttask"
    START_TASK_FAILED = "starttaskfailed"
    IDLE = "idle"
    RUNNING = "running"
    OFFLINE = "offline"
    REBOOTING = "rebooting"
    REIMAGING = "reimaging"
    UNUSABLE = "unusable"
    UNKNOWN = "unknown"
    LEAVING_POOL = "leavingpool"
    PREEMPTED = "preempted"
    DEALLOCATING = "deallocating"
    DEALLOCATED = "deallocated"
    UPGRADING_OS = "upgradingos"


class JobState(StrEnum):
    ACTIVE = "active"
    DISABLING = "disabling"
    DISABLED = "disabled"
    ENABLING = "enabling"
    TERMINATING = "terminating"
    COMPLETED = "completed"
    DELETING = "deleting"


class TaskState(StrEnum):
    ACTIVE = "active"
    PREPARING = "preparing"
    RUNNING = "running"
    COMPLETED = "completed"


State = PoolState | AllocationState | NodeState | JobState | TaskState

P, A, N, J, T = PoolState, AllocationState, NodeState, JobState, TaskState
_FROM_ANY_NODE_STATE = frozenset({N.LEAVING_POOL, N.UNUSABLE, N.UNKNOWN, N.PREEMPTED})
_BOOTED = frozenset({N.REBOOTING, N.OFFLINE, N.DEALLOCATING}) | _FROM_ANY_NODE_STATE

ALLOWED: dict[type[State], dict[State, frozenset[State]]] = {
    PoolState: {
        P.ACTIVE: frozenset({P.DELETING}),
        P.DELETING: frozenset(),
    },
    AllocationState: {
        A.STEADY: frozenset({A.RESIZING}),
        A.RESIZING: frozenset({A.STEADY, A.STOPPING}),
        A.STOPPING: frozenset({A.STEADY}),
    },
    NodeState: {
        N.CREATING: frozenset({N.STARTING}) | _FROM_ANY_NODE_STATE,
        N.STARTING: frozenset({N.WAITING_FOR_START_TASK, N.IDLE}) | _FROM_ANY_NODE_STATE,
        N.WAITING_FOR_START_TASK: frozenset({N.IDLE, N.START_TASK_FAILED, N.REBOOTING})
        | _FROM_ANY_NODE_STATE,
        N.START_TASK_FAILED: frozenset({N.REBOOTING, N.DEALLOCATING}) | _FROM_ANY_NODE_STATE,
        N.IDLE: frozenset({N.RUNNING}) | _BOOTED,
        N.RUNNING: frozenset({N.IDLE}) | _BOOTED,
        N.OFFLINE: frozenset({N.IDLE, N.RUNNING, N.REBOOTING, N.DEALLOCATING})
        | _FROM_ANY_NODE_STATE,
        N.REBOOTING: frozenset({N.STARTING}) | _FROM_ANY_NODE_STATE,
        N.UNUSABLE: frozenset({N.REBOOTING, N.DEALLOCATING, N.LEAVING_POOL}),
        N.UNKNOWN: frozenset({N.REBOOTING, N.UNUSABLE, N.LEAVING_POOL}),
        N.LEAVING_POOL: frozenset(),
        N.PREEMPTED: frozenset({N.CREATING, N.LEAVING_POOL}),
        N.DEALLOCATING: frozenset({N.DEALLOCATED, N.LEAVING_POOL}),
        N.DEALLOCATED: frozenset({N.STARTING, N.LEAVING_POOL}),
    },
    JobState: {
        J.ACTIVE: frozenset({J.DISABLING, J.TERMINATING, J.DELETING}),
        J.DISABLING: frozenset({J.DISABLED, J.TERMINATING, J.DELETING}),
        J.DISABLED: frozenset({J.DISABLING, J.ENABLING, J.TERMINATING, J.DELETING}),
        J.ENABLING: frozenset({J.ACTIVE, J.TERMINATING, J.DELETING}),
        J.TERMINATING: frozenset({J.COMPLETED, J.DELETING}),
        J.COMPLETED: frozenset({J.DELETING}),
        J.DELETING: frozenset(),
    },
    TaskState: {
        T.ACTIVE: frozenset({T.PREPARING, T.RUNNING, T.COMPLETED}),
        T.PREPARING: frozenset({T.RUNNING, T.ACTIVE, T.COMPLETED}),
        T.RUNNING: frozenset({T.ACTIVE, T.COMPLETED}),
        T.COMPLETED: frozenset({T.ACTIVE}),  # reactivated
    },
}
"""What may follow each state. By kind, because states of different kinds have the same names."""


class ForbiddenTransitionError(Exception):
    """The emulator tried what the service never does: a bug of the emulator."""


class Stateful(Protocol):
    """Whatever has a state and remembers the one before."""

    state: State
    since: int
    previous: State | None
    previous_since: int


def move(thing: Stateful, to: State, at: int) -> None:
    """Bring *thing* into the state *to*.

    Raises:
        ForbiddenTransitionError: The tables do not have this change.
    """
    if to not in ALLOWED[type(thing.state)][thing.state]:
        raise ForbiddenTransitionError(f"{type(thing).__name__}: {thing.state} to {to}")
    thing.previous, thing.previous_since = thing.state, thing.since
    thing.state, thing.since = to, at
