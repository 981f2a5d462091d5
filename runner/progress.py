"""Reporters of events: one line per finished file, or JSON lines."""

import json
import os
import sys
import threading
from contextlib import suppress
from typing import IO, Protocol, Self

from runner.formatting import display_path, printable, printable_text, seconds_text
from runner.models import CloudStatus, Event, Notice, Plan, State
from runner.report import event_as_json, notice_as_json, run_as_json
from runner.source_choice import KEPT
from runner.tally import Tally


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

    def __exit__(self, *_: object) -> None:
        """Restore the terminal."""


STOPPING = (
    "stopping once the running files are done; press Ctrl-C again to stop now",
    "stopping the running files",
)


_KNOWN = "not tried again, because neither the file nor the settings changed"


class _Plain:
    """The common part of reporters without a live display."""

    def __init__(self, plan: Plan) -> None:
        self._tally = Tally(plan)

    def tell(self) -> None:
        """Say how far the run is, whatever else is being written."""
        write_whole(whole_status(self._tally))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
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

    def __exit__(self, *_: object) -> None:
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
