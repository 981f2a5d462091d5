"""How often a run looks at Azure, and how much it gives it at a time."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.azure.signing import Lifetimes


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often to poll Azure, how long signed addresses are valid, and when a job is full."""

    lifetimes: Lifetimes | None = None
    """How long a node without an identity may use an address; None for as long as the run needs."""
    first_poll: float = 0.25
    """Seconds between the first polls; later it is a twentieth of the time since the first one."""
    longest_poll: float = 15.0
    status_interval: float = 1.0
    """Seconds between looks at what runs, at least."""
    first_node_poll: float = 2.0
    """Seconds between the first looks at the nodes, for their cost; the intervals grow likewise."""
    longest_node_poll: float = 15.0
    job_retry: float = 5.0
    """Seconds after which a job is created again for which there was no room; each time twice as many."""
    idle_notice: float = 60.0
    """Seconds without a running task after which the user is told the cause."""
    submit_delay: float = 1.0
    """Seconds that an uploaded source waits for others to be submitted with it."""
    tasks_per_job: int = 200_000
    """Above that, a job's task counts are unreliable:
    https://learn.microsoft.com/azure/batch/batch-get-resource-counts"""


PACE: ContextVar[Pace] = ContextVar("PACE", default=Pace())  # noqa: B039 - it is frozen
"""The pace of the commands that this process is given: that of Azure, unless whoever calls sets another."""
