"""Do a run with everything that the user sees of it."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from runner import interrupt, runs
from runner.cli.console import heard_console_end
from runner.cli.notifying import notify
from runner.cli.output import OutputOptions, say
from runner.costs import Cost, cost_as_json, cost_lines, cost_of
from runner.engine import Engine, Stop
from runner.errors import ExitCode, RunnerError
from runner.formatting import count_text
from runner.overwrite import OverwritePolicy
from runner.progress import JsonLines, Lines, Reporter
from runner.report import as_text, error_as_json, report_as_json
from runner.storage_use import Retained


def run_and_report(
    run: runs.Run, engine: Engine, policy: OverwritePolicy, output: OutputOptions
) -> ExitCode:
    """Do the run, show its progress, and print a summary."""
    stop = Stop()
    reporter = _reporter(run, output)
    try:
        with reporter, _signals(stop, reporter):
            report = runs.convert(run, engine, policy, reporter, stop)
    except RunnerError as error:
        facts = error_as_json(str(error), error.exit_code)
        if isinstance(reporter, JsonLines):
            reporter.write(facts)
        lines = [f"run {run.plan.id} in {run.plan.destination}: {error}"]
        notify(output.notify, lines, {**facts, "run": run.plan.id}, error.exit_code)
        raise
    exit_code = runs.exit_code_of(report)
    facts, lines = report_as_json(report, exit_code), as_text(report, run.follow_up)
    if cost := _cost(run, policy):
        facts, lines = {**facts, "azure": cost_as_json(cost)}, [*lines, *cost_lines(cost)]
    if isinstance(reporter, JsonLines):
        reporter.write(facts)
    elif not output.quiet and not output.is_batch:
        for line in lines:
            say(line)
    if not report.left:  # else it goes on, and who collects the rest tells
        head = f"run {run.plan.id} in {run.plan.destination}"
        notify(output.notify, [head, *lines], facts, exit_code)
    return exit_code


def _cost(run: runs.Run, policy: OverwritePolicy) -> Cost | None:
    """Return what *run* used on Azure, if it did anything there."""
    ledger = policy.ledger
    if not run.vm_size or not (uses := ledger.runs.node_uses(run.plan.id)):
        return None
    attempts = ledger.attempts.each(run.plan.id)
    retained = Retained(results=ledger.results_stay, sources=run.options.keep)
    return cost_of(uses, attempts, run.prices(), retained)


def _reporter(run: runs.Run, output: OutputOptions) -> Reporter:
    if output.as_json:
        return JsonLines(run.plan, run.backend, run.options.pool, sys.stdout)
    if not output.quiet and not output.is_batch:
        say(f"run {run.plan.id} · {count_text(run.plan.files, 'file')} · {run.where}")
    if output.live and not output.quiet and sys.stderr.isatty():
        from runner.terminal import Terminal, is_capable  # noqa: PLC0415 - rich takes 70 ms

        if is_capable():
            return Terminal(run.plan)
    return Lines(run.plan, quiet=output.quiet, verbose=output.verbose > 0)


@contextmanager
def _signals(stop: Stop, reporter: Reporter) -> Iterator[None]:
    """Turn Ctrl-C and the signals that end a process into requests to stop."""

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        interrupt.press()
        stop.request()
        reporter.stopping(stop.level)

    def end() -> None:
        # there is no time to finish the running files
        stop.request()
        stop.request()
        reporter.stopping(stop.level)

    def tell(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        # in a thread: the handler may have interrupted one who holds what it takes to say something
        with suppress(RuntimeError):  # no more threads
            threading.Thread(target=reporter.tell, daemon=True).start()

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # the last one only exists on Windows
    before = {
        number: signal.signal(number, ask)
        for name in names
        if (number := getattr(signal, name, None)) is not None
    }
    for name in interrupt.STATUS:
        if (number := getattr(signal, name, None)) is not None:
            before[number] = signal.signal(number, tell)
    try:
        if interrupt.was_pressed():
            raise KeyboardInterrupt
        with heard_console_end(end):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
