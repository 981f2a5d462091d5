"""Count how far a run is, by its events: files, seconds of media, and what runs."""

import time
from dataclasses import dataclass, field

from runner.cloud_progress import CloudProgress
from runner.conversions import Conversions
from runner.models import CloudStatus, Event, Notice, Plan, State

_ACTIVE = (State.UPLOADING, State.RUNNING, State.DOWNLOADING)
_ON_A_NODE = (State.RUNNING, State.DOWNLOADING)
"""What happens to a conversion after it has waited for a node, if it runs on one."""


@dataclass
class Tally:
    """The progress of a run: counts, and seconds of media, known or estimated."""

    plan: Plan
    started: float = field(default_factory=time.monotonic)
    counts: dict[State, int] = field(default_factory=lambda: dict.fromkeys(State, 0))
    running: dict[str, Event] = field(default_factory=dict)
    """The newest event of each running conversion, by target."""
    waiting: int = 0
    """How many conversions are waiting for a node."""
    cloud: CloudProgress = field(default_factory=CloudProgress)
    media_done: float = 0.0
    """Seconds of media converted in this run, without the running files."""
    _guessed_left: float = 0.0
    _guessed_known: float = 0.0
    _real_known: float = 0.0

    def __post_init__(self) -> None:
        self._guessed_left = Conversions.of(self.plan.conversions).seconds

    def observe(self, event: Event | Notice) -> None:
        """Count *event*."""
        if isinstance(event, Notice):
            if isinstance(event, CloudStatus):
                self.cloud.observe(event)
            return
        self._count_waiting(event)
        target = event.conversion.target
        if event.state in _ACTIVE:
            self.running[target] = event
            return
        if event.state is not State.QUEUED or not self._is_on_a_node(target):
            self.running.pop(target, None)
        if not event.state.is_final:
            return
        self.counts[event.state] += 1
        guess = event.conversion.source.estimated_seconds
        self._guessed_left -= guess
        if event.state is State.CONVERTED:
            self.media_done += event.media_done
            self._guessed_known += guess
            self._real_known += event.media_total or guess

    def _count_waiting(self, event: Event) -> None:
        """Count those that wait without a word for each, as a million may."""
        target = event.conversion.target
        if event.state is State.QUEUED:
            # the word that it waits may come after that of what it does
            self.waiting += not self._is_on_a_node(target)
        elif event.state in _ON_A_NODE and target not in self.running:
            self.waiting = max(0, self.waiting - 1)

    def _is_on_a_node(self, target: str) -> bool:
        return target in self.running and self.running[target].state in _ON_A_NODE

    @property
    def total(self) -> int:
        """The number of files in the run."""
        return self.plan.files

    @property
    def finished(self) -> int:
        """The number of files with a final state."""
        return sum(count for state, count in self.counts.items() if state.is_final)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    @property
    def speed(self) -> float:
        """Seconds of media converted per second."""
        return self._media_now / self.seconds if self.seconds > 0 else 0.0

    @property
    def share(self) -> float:
        """The share of the media that is done, from 0 to 1."""
        done, left = self._media_now, self._media_left
        if done + left <= 0:
            return self.finished / self.total if self.total else 1.0
        return done / (done + left)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the end at the current speed; None while there is no speed yet."""
        if self.speed <= 0 or self.seconds < 1:
            return None
        return self._media_left / self.speed

    @property
    def _media_now(self) -> float:
        return self.media_done + sum(event.media_done for event in self._running)

    @property
    def _running(self) -> list[Event]:
        """As they are now: another thread may ask."""
        return list(self.running.values())

    @property
    def _media_left(self) -> float:
        # finished files show how far the estimates are off
        scale = self._real_known / self._guessed_known if self._guessed_known > 0 else 1.0
        running = sum(event.conversion.source.estimated_seconds for event in self._running)
        waiting = max(0.0, self._guessed_left - running) * scale
        return waiting + sum(
            max(
                0.0,
                (event.media_total or event.conversion.source.estimated_seconds * scale)
                - event.media_done,
            )
            for event in self._running
        )
