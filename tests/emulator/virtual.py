"""Tasks that take virtual time instead of a process, so that 100,000 of them can be followed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tests.emulator.model import Failure, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.emulator.clock import Clock, Timer
    from tests.emulator.work import Work

KILLED = Outcome(exit_code=137)


@dataclass(frozen=True, kw_only=True)
class VirtualTasks:
    """How virtual tasks behave."""

    seconds: float = 30.0
    """How long each takes, in virtual seconds."""
    exit_code: Callable[[Work], int] = lambda _work: 0
    """How each ends, asked when its time has passed: it may do then what a task does."""
    failure: Callable[[Work], Failure | None] = lambda _work: None


class VirtualExecutor:
    """Ends each piece of work when its time has passed; nothing is fetched, run or stored."""

    root: Path | None = None

    def __init__(self, clock: Clock, tasks: VirtualTasks) -> None:
        self._clock = clock
        self._tasks = tasks
        self._running: dict[int, tuple[Timer, Callable[[Outcome], None]]] = {}

    @property
    def running(self) -> int:
        """How many tasks run."""
        return len(self._running)

    def start(self, work: Work, done: Callable[[Outcome], None]) -> None:
        timer = self._clock.after(self._tasks.seconds, partial(self._finish, work))
        self._running[work.run] = (timer, done)

    def kill(self, run: int) -> None:
        if run in self._running:
            self._running[run][0].cancel()
            self._clock.after(0, partial(self._end, run, KILLED))

    def wipe(self, node: str) -> None:
        """Do nothing: there are no files."""

    def close(self) -> None:
        self._running.clear()

    def _finish(self, work: Work) -> None:
        outcome = Outcome(exit_code=self._tasks.exit_code(work), failure=self._tasks.failure(work))
        self._end(work.run, outcome)

    def _end(self, run: int, outcome: Outcome) -> None:
        timer_and_done = self._running.pop(run, None)
        if timer_and_done is not None:
            timer_and_done[1](outcome)
