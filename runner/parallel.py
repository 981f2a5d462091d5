"""Decide how many files to convert at the same time, and how many threads each encoder gets.

An encoder that uses many threads is not started once per core: the files would only take turns, each
with the memory of a whole encoder, and the first result would come as late as the last.
"""

import os
from collections.abc import Iterable

from runner.conversions import Conversions
from runner.media.pieces import Split
from runner.media.threads import useful_threads
from runner.models import Conversion
from runner.options import AUTO, OFF

_LEAST_ON_NODES = 600.0
"""Seconds of a film that is cut for nodes without being asked for: a task costs a download of the film, and a
joining task waits for all."""
_LEAST = 2
"""Files at a time on more than one core: while one is probed or verified, another one is encoded."""


def usable_cores() -> int:
    """Return the number of cores that this process may use; a container or taskset can limit it."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def useful_threads_of(conversions: Iterable[Conversion]) -> int:
    """Return how many threads each of *conversions* makes good use of: the fewest, if they differ."""
    return min(map(useful_threads, Conversions.of(conversions).recipes), default=1)


def workers_for(files: int, cores: int, useful: int) -> int:
    """Return how many of *files* to convert at a time on *cores*, if each makes use of *useful* threads."""
    return max(1, min(files, cores, max(_LEAST, cores // useful)))


def threads_for(running: int, cores: int, useful: int) -> int | None:
    """Return the threads for a file that is one of *running* on *cores*; None if it may take them all.

    A file has at least its *useful* threads, because others may end before it does. The last files of a run
    share all cores.
    """
    threads = max(useful, cores // max(1, running))
    return threads if useful > 1 and threads < cores else None


def pieces_for(running: int, cores: int, useful: int, *, asked: bool) -> int:
    """Return how many pieces of a film to encode at a time, if it is one of *running* on *cores*.

    Without being *asked*, only where one encoder cannot fill the machine: with more than twice the threads
    that it makes good use of.
    """
    share = cores // max(1, running)
    if asked:
        return max(1, workers_for(cores, share, useful))
    return max(1, share // (2 * useful))


def split_on_nodes(wish: str, files: int, slots: int) -> Split | None:
    """Return how a film is cut for nodes with so many task *slots*, if `--split` is *wish*; None for one piece."""
    if wish == OFF or (wish == AUTO and not is_worth_pieces(files, slots)):
        return None
    seconds = None if wish == AUTO else float(wish)
    return Split(folder="", seconds=seconds, least=_LEAST_ON_NODES)


def is_worth_pieces(files: int, slots: int) -> bool:
    """Return whether a run of so many *files* leaves at least every second of the *slots* on nodes empty."""
    return slots >= _LEAST * max(1, files)


def slots_for(task_slots: int, vcpus: int, useful: int) -> int:
    """Return how many of a node's *task_slots* a file takes that makes use of *useful* threads.

    Never more than half of them, so that one task is downloaded or uploaded while another one encodes.
    """
    cores_per_slot = max(1.0, (vcpus or task_slots) / task_slots)
    return max(1, min(task_slots // _LEAST, round(useful / cores_per_slot)))
