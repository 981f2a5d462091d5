"""The emulated service's clock: a test can speed it up, stop it or step it."""

from __future__ import annotations

import heapq
import itertools
import time
from typing import TYPE_CHECKING

from tests.emulator.times import SECOND, from_epoch

if TYPE_CHECKING:
    from collections.abc import Callable


class Timer:
    """Something to do at a certain time, unless cancelled before."""

    __slots__ = ("act", "when")

    def __init__(self, when: int, act: Callable[[], None]) -> None:
        self.when = when
        self.act: Callable[[], None] | None = act

    def cancel(self) -> None:
        self.act = None


class Clock:
    """Virtual time in ticks, and what is due.

    At *speed* 1 it goes as fast as this machine's, at 600 ten minutes pass in a second, and at 0
    it stands still until it is stepped. Not thread-safe: it belongs to the service's own thread.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._set_at = time.monotonic()
        self._base = from_epoch(time.time())
        self._last_stamp = 0
        self._timers: list[tuple[int, int, Timer]] = []
        self._order = itertools.count()

    @property
    def speed(self) -> float:
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._jump(self.now())
        self._speed = speed

    def now(self) -> int:
        passed = time.monotonic() - self._set_at
        return self._base + round(passed * self._speed * SECOND)

    def stamp(self) -> int:
        """Return now, or just later: no two stamps are equal, so ETags differ."""
        self._last_stamp = max(self.now(), self._last_stamp + 1)
        return self._last_stamp

    def after(self, seconds: float, act: Callable[[], None]) -> Timer:
        """Do *act* after that many virtual seconds."""
        timer = Timer(self.now() + round(seconds * SECOND), act)
        heapq.heappush(self._timers, (timer.when, next(self._order), timer))
        return timer

    def run_due(self) -> None:
        """Do everything that is due by now, in order."""
        while self._timers and self._timers[0][0] <= self.now():
            self._run_first()

    def step(self, seconds: float) -> None:
        """Let that much time pass at once; everything due in between is done at its own time."""
        goal = self.now() + round(seconds * SECOND)
        while self._timers and self._timers[0][0] <= goal:
            self._jump(max(self.now(), self._timers[0][0]))
            self._run_first()
        self._jump(max(self.now(), goal))

    def real_seconds_to_next(self) -> float | None:
        """Return how long to sleep until something is due, or None for "until woken"."""
        while self._timers and self._timers[0][2].act is None:
            heapq.heappop(self._timers)
        if not self._timers or self._speed <= 0:
            return None
        return max(0.0, (self._timers[0][0] - self.now()) / SECOND / self._speed)

    def _run_first(self) -> None:
        timer = heapq.heappop(self._timers)[2]
        act, timer.act = timer.act, None
        if act is not None:
            act()

    def _jump(self, moment: int) -> None:
        self._base = moment
        self._set_at = time.monotonic()
