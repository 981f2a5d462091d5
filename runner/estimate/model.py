"""From what each file takes to what a run takes: workers here, or a line and nodes on Azure. Pure."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass


def time_here(times: Sequence[float], jobs: int) -> float:
    """Seconds until *jobs* workers have done files that take so long, longest first."""
    return max(_ends(sorted(times, reverse=True), jobs), default=0.0)


def _ends(times: Sequence[float], workers: int) -> list[float]:
    free = [0.0] * max(1, workers)
    for seconds in times:
        heapq.heapreplace(free, free[0] + seconds)
    return free


@dataclass(frozen=True, slots=True)
class SimulatedTask:
    """One file on its way to Azure and back."""

    sent: float
    """Bytes."""
    seconds: float
    """On a node, with its own transfers."""
    result: float
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumedPipeline:
    """Its parameters."""

    uplink: float
    """Bytes a second; so is the next."""
    downlink: float
    start: float
    """Seconds from the first task in the queue until nodes work."""
    nodes: int
    slots: int
    """Tasks that a node runs at a time."""
    overhead: float = 0.0
    """Seconds that a run takes besides."""
    first_poll: float = 0.25
    longest_poll: float = 15.0


@dataclass(frozen=True, slots=True)
class SimulatedRun:
    """How a run on Azure goes, in seconds since its beginning."""

    total: float
    uploaded: float
    """When all was uploaded; so are the next."""
    started: float
    converted: float
    node_seconds: float
    """Seconds of all nodes, from when they start to work until the end."""


def simulate(tasks: Sequence[SimulatedTask], pipeline: AssumedPipeline) -> SimulatedRun:
    """Simulate *tasks*, in their order."""
    free = [0.0] * max(1, min(len(tasks), pipeline.nodes * pipeline.slots))
    sent, first, ends, last = 0.0, 0.0, [0.0], 0.0
    for number, task in enumerate(tasks):
        sent += task.sent / pipeline.uplink
        if number == 0:
            first = sent + pipeline.start
            free = [first] * len(free)
        begin = max(free[0], sent)
        heapq.heapreplace(free, begin + task.seconds)
        ends.append(begin + task.seconds)
    arrived = 0.0
    for end, task in sorted(zip(ends[1:], tasks, strict=True), key=lambda each: each[0]):
        arrived = max(arrived, end) + task.result / pipeline.downlink
    last = max(ends)
    # the runner looks now and then, the more seldom the longer it waits
    look = min(pipeline.longest_poll, max(pipeline.first_poll, last / 20)) / 2
    total = max(arrived, last) + look + pipeline.overhead
    used = min(pipeline.nodes, -(-len(free) // pipeline.slots))
    return SimulatedRun(total, sent, first, last, used * max(0.0, total - first))
