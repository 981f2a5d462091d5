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
class Job:
    """One file on its way to Azure and back."""

    sent: float
    """Bytes."""
    seconds: float
    """On a node, with its own transfers."""
    result: float
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
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
    first_look: float = 0.25
    longest_look: float = 15.0


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


def simulate(jobs: Sequence[Job], line: Line) -> SimulatedRun:
    """Simulate *jobs*, in their order."""
    free = [0.0] * max(1, min(len(jobs), line.nodes * line.slots))
    sent, first, ends, last = 0.0, 0.0, [0.0], 0.0
    for number, job in enumerate(jobs):
        sent += job.sent / line.uplink
        if number == 0:
            first = sent + line.start
            free = [first] * len(free)
        begin = max(free[0], sent)
        heapq.heapreplace(free, begin + job.seconds)
        ends.append(begin + job.seconds)
    arrived = 0.0
    for end, job in sorted(zip(ends[1:], jobs, strict=True), key=lambda each: each[0]):
        arrived = max(arrived, end) + job.result / line.downlink
    last = max(ends)
    # the runner looks now and then, the more seldom the longer it waits
    look = min(line.longest_look, max(line.first_look, last / 20)) / 2
    total = max(arrived, last) + look + line.overhead
    used = min(line.nodes, -(-len(free) // line.slots))
    return SimulatedRun(total, sent, first, last, used * max(0.0, total - first))
