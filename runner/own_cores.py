"""Keep the ffmpeg of each worker on a core of its own, as long as every core has a worker. Linux only.

From version 7 on, ffmpeg reads, decodes, encodes and writes in threads that hand each other small packets.
While all cores are busy with files, spreading these threads gains nothing, and each packet that goes from
core to core wakes up the other one, which is slow, above all in a virtual machine. Measured with ffmpeg 9 on two
virtual cores, without anything of ours: 0.75 of the time for 41 files of very different lengths, 0.83 for equal ones.

On one core, they take turns less often as batch processes (https://man7.org/linux/man-pages/man7/sched.7.html): one
that is woken up waits until the other has to wait. Measured: half as many switches, and 0.96 of the CPU time.
"""

import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from runner.media.ffmpeg import ProcessHandle
from runner.media.recipe import Recipe


class OwnCores:
    """The cores for the workers of one run; without any, the system decides."""

    def __init__(self, cores: Iterable[int] = ()) -> None:
        self._all = frozenset(cores)
        self._free = sorted(
            self._all, reverse=True
        )  # the first file is the longest, and the first cores may be the fast ones
        self._lock = threading.Lock()
        self._running: dict[int, ProcessHandle] = {}
        """By the system's numbers of the threads that keep to one core."""

    @contextmanager
    def one(self, handle: ProcessHandle) -> Iterator[None]:
        """Keep this thread, and what *handle* is going to start, on a core of their own."""
        thread = threading.get_native_id()
        core = self._take(thread, handle)
        if core is None:
            yield
            return
        try:
            with _as_batch():
                yield
        finally:
            self._give_back(thread, core)

    def _take(self, thread: int, handle: ProcessHandle) -> int | None:
        with self._lock:
            if not self._free:
                return None
            core = self._free.pop()
            self._running[thread] = handle
            _keep(thread, {core})
            return core

    def _give_back(self, thread: int, core: int) -> None:
        with self._lock:
            _keep(thread, self._all)
            if self._running.pop(thread, None):
                self._free.append(core)

    def open(self) -> None:
        """Let everything use every core from now on, as some are no longer needed by their workers."""
        with self._lock:
            for thread, handle in self._running.items():
                _keep(thread, self._all)
                handle.spread(self._all)
            self._running.clear()
            self._free.clear()


def cores_for(workers: int, recipes: Iterable[Recipe]) -> frozenset[int]:
    """Return the usable cores if each of them gets one of so many *workers*; none if the system should decide.

    An encoder of video uses several threads at a time, and fewer workers than cores leave some free.
    """
    if sys.platform == "linux" and all(recipe.media == "audio" for recipe in recipes):
        cores = os.sched_getaffinity(0)
        if 1 < len(cores) == workers:
            return frozenset(cores)
    return frozenset()


def _keep(thread: int, cores: Iterable[int]) -> None:
    if sys.platform == "linux":
        # a core was taken away meanwhile, or a sandbox forbids it: then the system decides
        with suppress(OSError):
            os.sched_setaffinity(thread, cores)


@contextmanager
def _as_batch() -> Iterator[None]:
    """Have this thread and what it starts scheduled as batch processes, unless the user chose something else."""
    is_usual = _has_usual_policy()
    if is_usual:
        _schedule("SCHED_BATCH")
    try:
        yield
    finally:
        if is_usual:
            _schedule("SCHED_OTHER")


def _has_usual_policy() -> bool:
    if sys.platform == "linux":
        with suppress(OSError):  # as above
            return os.sched_getscheduler(0) == os.SCHED_OTHER
    return False


def _schedule(policy: str) -> None:
    if sys.platform == "linux":
        with suppress(OSError):  # as above
            os.sched_setscheduler(0, getattr(os, policy), os.sched_param(0))
