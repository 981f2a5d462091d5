"""How long the nodes of a run's pool are there: what they cost, and when they could work."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from azure.batch import models as batch

from runner.azure.context import RunContext
from runner.azure.errors import word
from runner.errors import RunnerError
from runner.models import CloudStatus, NodeUse

_STATES = {
    **dict.fromkeys(("creating", "starting", "waitingforstarttask", "rebooting"), "starting"),
    **dict.fromkeys(("starttaskfailed", "unusable"), "failed"),
    "preempted": "evicted",
    "leavingpool": "leaving",
}
"""The words shown for Batch's node states; other states are shown as they are."""


@dataclass
class NodeWatch:
    """Looks at the nodes from time to time, and reports them."""

    context: RunContext
    _since: float | None = None
    """The service's time at the first look."""
    _next: float = 0.0
    _began: float = field(default_factory=time.monotonic)
    _states: tuple[tuple[str, int], ...] | None = None

    def show(self) -> None:
        """Report how the transfers go, and the nodes as they were at the last look."""
        traffic = self.context.blobs.traffic
        self.context.report(
            CloudStatus(
                "",
                sent=traffic.sent,
                received=traffic.received,
                nodes=self._states,
                at=time.monotonic(),
            )
        )

    def look_if_due(self) -> None:
        """Look, unless that was done a moment ago: the more seldom the longer the run takes."""
        now, pace = time.monotonic(), self.context.pace
        if now >= self._next:
            wait = max(pace.first_node_poll, (now - self._began) / 10)
            self._next = now + min(pace.longest_node_poll, wait)
            self.look()

    def look(self) -> None:
        """Report the nodes; what cannot be seen now, is seen the next time."""
        try:
            nodes, now = self.context.jobs.pool.nodes()
        except RunnerError:  # whoever follows the tasks meets it too, and says it
            return
        self._states = tuple(sorted(Counter(_state(node) for node in nodes).items()))
        for use in self._uses(nodes, now.timestamp()):
            self.context.report(use)

    def _uses(self, nodes: list[batch.BatchNode], now: float) -> Iterator[NodeUse]:
        if self._since is None:
            self._since = now
        for node in nodes:
            allocated = _stamp(node.allocation_time)
            since = max(self._since, allocated or 0.0)
            yield NodeUse(
                node=node.id or "",
                spot=None if node.is_dedicated is None else not node.is_dedicated,
                since=since,
                until=max(now, since),
                allocated=allocated,
                ready=_ready(node),
            )


def _state(node: batch.BatchNode) -> str:
    state = word(node.state)
    return _STATES.get(state, state)


def _ready(node: batch.BatchNode) -> float | None:
    return _stamp(node.start_task_info.end_time) if node.start_task_info else None


def _stamp(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
