"""Carry out a run with everything that a user sees of it."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from runner import convert as runs
from runner.cli.console import heard_console_end
from runner.cli.output import say
from runner.engine import Engine, Stop
from runner.errors import ExitCode, RunnerError
from runner.existing import Existing
from runner.progress import JsonLines, Lines, Watcher
from runner.report import as_text, error_as_json, report_as_json
from runner.wording import count_text


@dataclass(frozen=True, kw_only=True)
class Talk:
    """How much is said, and to whom."""

    as_json: bool = False
    quiet: bool = False
    verbose: int = 0
    live: bool = True
    """Whether a terminal gets a live display."""


def carry_out(run: runs.Run, engine: Engine, existing: Existing, talk: Talk) -> ExitCode:
    """Run it, show it, and say how it went."""
    stop = Stop()
    watcher = _watcher(run, talk)
    try:
        with watcher, _signals(stop, watcher):
            report = runs.convert(run, engine, existing, watcher, stop)
    except RunnerError as error:
        if isinstance(watcher, JsonLines):
            watcher.write(error_as_json(str(error), error.exit_code))
        raise
    exit_code = runs.exit_code_of(report)
    if isinstance(watcher, JsonLines):
        watcher.write(report_as_json(report, exit_code))
    elif not talk.quiet:
        for line in as_text(report, run.follow_up):
            say(line)
    return exit_code


def _watcher(run: runs.Run, talk: Talk) -> Watcher:
    if talk.as_json:
        return JsonLines(run.plan, run.place, sys.stdout)
    if not talk.quiet:
        say(f"run {run.plan.id} · {count_text(run.plan.files, 'file')} · {run.where}")
    if talk.live and not talk.quiet and sys.stderr.isatty():
        from runner.terminal import Terminal, is_capable  # noqa: PLC0415 - rich takes 70 ms

        if is_capable():
            return Terminal(run.plan)
    return Lines(run.plan, quiet=talk.quiet, verbose=talk.verbose > 0)


@contextmanager
def _signals(stop: Stop, watcher: Watcher) -> Iterator[None]:
    """Turn Ctrl-C and the signals that end a process into requests to stop."""

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        stop.request()
        watcher.stopping(stop.level)

    def end() -> None:
        # there is no time for the files that run
        stop.request()
        stop.request()
        watcher.stopping(stop.level)

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # the last one is Windows'
    before = {
        number: signal.signal(number, ask)
        for name in names
        if (number := getattr(signal, name, None)) is not None
    }
    try:
        with heard_console_end(end):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
