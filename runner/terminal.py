"""The live displays on a terminal: of a run, and of `status --watch`. Only this module imports rich's."""

import threading
from collections.abc import Callable
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from runner.formatting import display_path, printable_text, shortened
from runner.models import CloudStatus, Event, Notice, Plan, State
from runner.progress import (
    STOPPING,
    failure_line,
    is_for_everybody,
    status_line,
    whole_status,
)
from runner.tally import Tally

_REFRESHES_A_SECOND = 2
_NARROW = 60
_MOST_FAILURES = 20
"""Up to this many failures are shown; more would scroll by unread."""
_WIDEST = 100
_FOR_CTRL_C = 5
"""Columns left free for the ^C that the terminal prints after the display. If it wrapped to the next
line, rich would erase one line too few at the next refresh and leave a stale one behind."""
_SHORT = {State.UPLOADING: "up", State.RUNNING: "runs", State.DOWNLOADING: "down"}


class Terminal:
    """Failures, then a summary line, a bar for the whole run, and one for each running file."""

    def __init__(self, plan: Plan, *, quiet: bool = False) -> None:
        self._tally = Tally(plan)
        self._quiet = quiet
        self._stopping = 0
        self._failures = 0
        self._lock = threading.Lock()
        self._console = Console(stderr=True, highlight=False)
        self._live = Live(
            console=self._console,
            get_renderable=self._render,
            refresh_per_second=_REFRESHES_A_SECOND,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, event: Event | Notice) -> None:
        """Show *event*."""
        if isinstance(event, CloudStatus):
            with self._lock:
                self._tally.observe(event)
            return
        if isinstance(event, Notice):
            if not is_for_everybody(event):
                return
            self._console.print(Text(printable_text(event.message), style="yellow"))
            return
        with self._lock:
            self._tally.observe(event)
        if event.failure is not None:
            self._show_failure(event)

    def _show_failure(self, event: Event) -> None:
        self._failures += event.state.is_final
        if self._failures <= _MOST_FAILURES:
            line = failure_line(event, self._tally)
            self._console.print(Text(line, style="red" if event.state.is_final else "yellow"))
        elif self._failures == _MOST_FAILURES + 1 and event.state.is_final:
            words = "more files failed: the summary counts them by reason, and `runner status` lists them"
            self._console.print(Text(words, style="red"))

    def tell(self) -> None:
        """Leave a line above the display, which shows the same all the time."""
        with self._lock:
            line = whole_status(self._tally)
        self._console.print(Text(line))

    def stopping(self, level: int) -> None:
        """Show this at the next refresh."""
        self._stopping = level

    def _render(self) -> RenderableType:
        with self._lock:
            width = min(self._console.width - _FOR_CTRL_C, _WIDEST)
            parts = [self._summary(width)]
            if not self._quiet:
                parts.append(self._files(width))
            return Group(*parts)

    def _summary(self, width: int) -> Table:
        # in a table, because a bar alone does not end its line
        summary = Table.grid()
        summary.width = width
        summary.add_row(ProgressBar(total=1.0, completed=self._tally.share, width=width))
        line = Text(status_line(self._tally), style="bold", no_wrap=True, overflow="ellipsis")
        summary.add_row(line)
        if cloud := self._tally.cloud.line:
            summary.add_row(Text(cloud, no_wrap=True, overflow="ellipsis"))
        if self._stopping:
            words = STOPPING[min(self._stopping, len(STOPPING)) - 1]
            summary.add_row(Text(words, style="yellow"))
        return summary

    def _files(self, width: int) -> Table:
        bar = 0 if width < _NARROW else 20
        table = Table.grid(padding=(0, 1))
        name_width = max(8, width - bar - 8)
        table.add_column(width=name_width, no_wrap=True, overflow="ellipsis")
        if bar:
            table.add_column(width=bar)
        table.add_column(width=5, justify="right")
        for event in list(self._tally.running.values())[: max(1, self._console.height - 6)]:
            share = event.media_done / event.media_total if event.media_total else None
            name = shortened(display_path(event.conversion.source.path), name_width)
            cells: list[RenderableType] = [Text(name)]
            if bar:
                cells.append(ProgressBar(total=1.0, completed=share or 0.0, width=bar))
            cells.append(f"{share:.0%}" if share is not None else _SHORT.get(event.state, ""))
            table.add_row(*cells)
        return table


class Refreshed:
    """Lines on standard output, each time over those before; the last ones stay, as plain lines."""

    def __init__(self, leave: Callable[[list[str]], None]) -> None:
        """*leave* prints the last lines: a terminal then breaks them where it must, so they can be copied."""
        self._leave = leave
        self._lines: list[str] = []
        self._live = Live(console=Console(highlight=False), auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        self._leave(self._lines)

    def __call__(self, lines: list[str]) -> None:
        """Show *lines* in place of those before."""
        self._lines = lines
        self._live.update(Text("\n".join(map(printable_text, lines))), refresh=True)


def is_capable() -> bool:
    """Return whether the terminal can move its cursor, which a live display needs."""
    return not Console(stderr=True).is_dumb_terminal
