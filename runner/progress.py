"""Reporters of events: one line per finished file, JSON lines, and the state for a display."""

import json
import os
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Protocol, Self

from runner.cloud_progress import CloudProgress
from runner.conversions import Conversions
from runner.formatting import display_path, printable, printable_text, seconds_text
from runner.models import CloudStatus, Event, Notice, Plan, State
from runner.report import event_as_json, notice_as_json, run_as_json
from runner.source_choice import KEPT


class Reporter(Protocol):
    """Sees every event of a run."""

    def __call__(self, event: Event | Notice) -> None:
        """Handle *event*."""

    def stopping(self, level: int) -> None:
        """Note that the user asked to stop, for the *level*th time; called from a signal handler."""

    def tell(self) -> None:
        """Say how far the run is; called from a thread of its own."""

    def __enter__(self) -> Self:
        """Start showing progress."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Restore the terminal."""


STOPPING = (
    "stopping once the running files are done; press Ctrl-C again to stop now",
    "stopping the running files",
)


_KNOWN = "not tried again, because neither the file nor the settings changed"
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


class _Plain:
    """The common part of reporters without a live display."""

    def __init__(self, plan: Plan) -> None:
        self._tally = Tally(plan)

    def tell(self) -> None:
        """Say how far the run is, whatever else is being written."""
        write_whole(whole_status(self._tally))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def stopping(self, level: int) -> None:
        if level <= len(STOPPING):
            # this may run in a signal handler that interrupted a print, where another print would fail
            write_whole(STOPPING[level - 1])


class Lines(_Plain):
    """One line for each finished file, and one each minute while nothing finishes."""

    def __init__(
        self, plan: Plan, *, quiet: bool = False, verbose: bool = False, every: float = 60.0
    ) -> None:
        super().__init__(plan)
        self._quiet = quiet
        self._verbose = verbose
        self._every = every
        self._is_over = threading.Event()

    def __enter__(self) -> Self:
        if not self._quiet:
            threading.Thread(target=self._tell_now_and_then, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()

    def _tell_now_and_then(self) -> None:
        while not self._is_over.wait(self._every):
            self.tell()

    def __call__(self, event: Event | Notice) -> None:
        """Write a line if there is something to report."""
        self._tally.observe(event)
        if isinstance(event, Notice):
            if is_for_everybody(event) or (self._verbose and event.message):
                self._say(printable_text(event.message))
            return
        if line := self._line(event):
            self._say(line)

    def _say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)  # noqa: T201

    def _line(self, event: Event) -> str:
        by = f"; {printable(event.versions)}" if self._verbose and event.versions else ""
        if event.failure is not None:
            return failure_line(event, self._tally) + by
        if self._quiet:
            return ""
        if event.state is State.CONVERTED:
            return _converted_line(event, self._tally) + by
        if event.state is State.UP_TO_DATE:
            return f"up to date {printable(event.conversion.target)}" if self._verbose else ""
        return ""


class JsonLines(_Plain):
    """One JSON object per line on standard output, for programs."""

    def __init__(self, plan: Plan, where: str, pool: str, out: IO[str]) -> None:
        super().__init__(plan)
        self._out = out
        self.write(run_as_json(plan, where, pool))

    def __call__(self, event: Event | Notice) -> None:
        """Write a line for the end of an attempt."""
        self._tally.observe(event)
        if isinstance(event, CloudStatus):
            return
        if isinstance(event, Notice):
            self.write(notice_as_json(event))
        elif event.state.is_final or event.state is State.RETRYING:
            self.write(event_as_json(event))

    def write(self, value: dict[str, object]) -> None:
        """Write one object."""
        self._out.write(json.dumps(value) + "\n")
        self._out.flush()


def is_for_everybody(notice: Notice) -> bool:
    """Return whether *notice* says more than what the summary counts: that a source was removed as asked."""
    if isinstance(notice, CloudStatus):
        return False
    return notice.source is None or notice.source.state == KEPT


def failure_line(event: Event, tally: Tally) -> str:
    """Return the line about a failed attempt."""
    failure = event.failure
    assert failure is not None
    name = display_path(event.conversion.source.path)
    count = f"{tally.finished}/{tally.total} " if event.state.is_final else ""
    word = "FAILED" if event.state.is_final else "RETRY"
    known = f"; {_KNOWN}" if event.is_known else ""
    return f"{word} {count}{name}  {failure.kind.value}: {printable(failure.message)}{known}"


def write_whole(line: str) -> None:
    """Write *line* to standard error at once, from whatever thread or signal handler."""
    with suppress(OSError):  # there is nobody to tell
        os.write(sys.stderr.fileno(), f"{line}\n".encode(errors="backslashreplace"))


def whole_status(tally: Tally) -> str:
    """Return the progress of the run, and of its transfers and nodes on Azure, in one line."""
    return "  ".join(filter(None, (status_line(tally), tally.cloud.line)))


def status_line(tally: Tally) -> str:
    """Return the progress of the run in one line."""
    left = tally.seconds_left
    parts = [
        f"{tally.share:.1%}",
        f"{tally.counts[State.CONVERTED]} done",
        f"{tally.counts[State.FAILED]} failed",
        f"{tally.counts[State.UP_TO_DATE]} up to date",
        f"{tally.total - tally.finished} left",
        f"{tally.waiting} waiting for a node" if tally.waiting else "",
        f"{tally.speed:.0f}x",
        f"{seconds_text(left)} to go" if left is not None else "",
    ]
    return "  ".join(part for part in parts if part and not part.startswith("0 "))


def _converted_line(event: Event, tally: Tally) -> str:
    conversion = event.conversion
    source = display_path(conversion.source.path)
    target = display_path(tally.plan.shown(conversion.target))
    length = f"{seconds_text(event.media_done)} in {seconds_text(event.seconds)}"
    notices = "".join(f"; {printable(notice)}" for notice in event.notices)
    return f"ok {tally.finished}/{tally.total} {source} -> {target}  {length}{notices}"
