"""`runner runs`, `status`, `logs` and `clean`: show and delete what the ledger knows."""

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.help import Command
from runner.cli.options import destination_option, follow_up_of, option, run_argument
from runner.cli.output import is_anybody_there, say, show
from runner.cli.where import stack_options, where_the_run_is_options
from runner.costs import Cost, cost_as_json, cost_lines, cost_of
from runner.destinations import Destination, find_destination
from runner.errors import ExitCode, UsageError
from runner.followup import FollowUp
from runner.formatting import count_text, display_path, printable, seconds_text
from runner.ledger import Ledger
from runner.models import State
from runner.records import AttemptRecord, RunRecord
from runner.report import JSON_VERSION, sources_text
from runner.storage_use import Retained

if TYPE_CHECKING:
    from runner.azure.session import JobStatus, Session

_WATCH_EVERY = 5.0


@click.command(cls=Command)
@destination_option()
@stack_options
@option("--json", "as_json", is_flag=True, help="Write one JSON object per line.")
def runs(destination: Path | str, *, as_json: bool, **options: Any) -> None:
    """List the runs of an output folder, newest first."""
    with find_destination(destination, options).read() as ledger:
        running = ledger.lock.is_held()
        for run in ledger.runs.all():
            show(_run_json(run) if as_json else _run_line(run, running=running))


@click.command(cls=Command)
@run_argument()
@destination_option()
@where_the_run_is_options
@option("--watch", is_flag=True, help="Refresh every few seconds until the run ends.")
@option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.pass_context
def status(
    ctx: click.Context, /, name: str | None, destination: Path | str, **options: Any
) -> None:
    """Show the state of RUN, or of the newest run; the first letters of its name are enough."""
    with find_destination(destination, options).read() as ledger:
        run = ledger.runs.find(name, follow_up_of(ctx))
        session = None if run.backend == "local" or not run.unfinished else _session(options)
        if session is not None:
            session = session.on(session.deployment.on_that_of_a_run(run.options.pool))
        follow_up = None if options["as_json"] else follow_up_of(ctx)
        with _writer(options) as write:
            while True:
                lines, going = _status(ledger, run.id, session, follow_up)
                write(lines)
                if not (options["watch"] and going and is_anybody_there()):
                    return
                time.sleep(_WATCH_EVERY)


def _writer(options: dict[str, Any]) -> AbstractContextManager[Callable[[list[str]], None]]:
    """Return what writes lines: with `--watch` on a terminal, each time over those before."""
    if options["watch"] and not options["as_json"] and sys.stdout.isatty():
        from runner.terminal import Refreshed  # noqa: PLC0415 - rich takes 0.1 s to import

        return Refreshed(_show_all)
    return nullcontext(_show_all)


def _show_all(lines: list[str]) -> None:
    for line in lines:
        show(line)


def _status(
    ledger: Ledger, name: str, session: "Session | None", follow_up: FollowUp | None
) -> tuple[list[str], bool]:
    """Return the state of the run in lines, in JSON without *follow_up*, and whether it is still running."""
    run, running = ledger.runs.find(name), ledger.lock.is_held()
    job_status = session.job_status(name) if session else None
    sources = ledger.sources.counts(name)
    uses = ledger.runs.node_uses(name)
    cost = None
    if uses:
        attempts = ledger.attempts.each(name)
        retained = Retained(results=ledger.results_stay, sources=run.options.keep)
        cost = cost_of(uses, attempts, run.prices, retained)
    if follow_up is None:
        tasks = asdict(job_status.counts) if job_status else None
        lines = [_run_json(run, tasks=tasks, cost=cost)]
    else:
        told = ledger.attempts.to_tell(name)
        lines = list(_status_lines(run, told, job_status, running=running))
        if sources:
            lines.append(f"  {sources_text(sources)}")
        if cost:
            lines += (f"  {line}" for line in cost_lines(cost))
        if job_status is not None and not running:
            collect, end = follow_up.attach(name), follow_up.cancel(name)
            lines.append(f"  collect the results with `{collect}`, or cancel the run with `{end}`")
    busy = job_status is not None and job_status.counts.active + job_status.counts.running > 0
    return lines, busy or (running and run.ended is None)


def _status_lines(
    run: RunRecord, attempts: list[AttemptRecord], job_status: "JobStatus | None", *, running: bool
) -> Iterator[str]:
    yield _run_line(run, running=running)
    yield f"  {printable(run.command)}"
    if run.ended is None:
        yield f"  {run.converted} converted so far"
    if job_status is not None:
        counts = job_status.counts
        yield f"  on Azure: {counts.active} waiting, {counts.running} running, {counts.completed} done"
        if job_status.why:
            yield f"  nothing is running: {job_status.why}"
    for attempt in attempts:
        if attempt.state is State.FAILED:
            yield f"  FAILED {_attempt_line(attempt)}"
        elif attempt.notices:
            yield f"  notice {_attempt_line(attempt)}"


def _session(options: dict[str, Any]) -> "Session":
    from runner.cli.backend import find_session  # noqa: PLC0415 - what converts takes 0.1 s to import

    return find_session(options)


@click.command(cls=Command)
@click.argument("what", metavar="[FILE|RUN]", required=False)
@destination_option()
@option(
    "--attempt",
    type=click.IntRange(1),
    metavar="N",
    show_default="the newest",
    help="Number of the attempt.",
)
@stack_options
@click.pass_context
def logs(
    ctx: click.Context,
    /,
    what: str | None,
    destination: Path | str,
    attempt: int | None,
    **options: Any,
) -> None:
    """Show what ffmpeg printed for FILE (a source or a result), or for the failed files of RUN."""
    place = find_destination(destination, options)
    with place.read() as ledger:
        found = _attempts_of(ledger, place, what, follow_up_of(ctx))
    if attempt is not None:
        found = [one for one in found if one.number == attempt]
    if not found:
        nothing = f"no attempts at {printable(what)}" if what else "no failures"
        raise UsageError(f"{nothing} recorded in {place}")
    for one in found:
        show(f"== {_attempt_line(one)}")
        show(one.log)


@click.command(cls=Command)
@run_argument()
@destination_option()
@where_the_run_is_options
@option(
    "--older-than",
    default="30d",
    metavar="AGE",
    help="Age of the runs to forget, such as 12h, 7d, 4w, or 0d for all.",
)
@click.pass_context
def clean(
    ctx: click.Context,
    /,
    name: str | None,
    destination: Path | str,
    older_than: str,
    **options: Any,
) -> None:
    """Forget RUN, or old runs, and their logs, here and on Azure. Converted files stay.

    Without RUN, old runs on Azure are those of everybody who uses the stack, whatever their output
    folder. Results that nobody has collected are deleted, too, and counted.
    """
    from runner.cli.backend import find_backend  # noqa: PLC0415 - as in `_session`
    from runner.overwrite import OverwritePolicy  # noqa: PLC0415 - as above

    age = _age(older_than)
    before = datetime.now().astimezone() - age
    backend = find_backend(options)
    run = name
    place = find_destination(destination, options, lambda: backend.session)
    if backend.session is None or place.has_ledger():
        with place.read() as ledger, ledger.lock.held_for("clean"):
            run = name and ledger.runs.find(name, follow_up_of(ctx)).id
            count = ledger.forget([run]) if run else ledger.forget_before(before)
        say(f"forgot {count_text(count, 'run')} in {place}")
    if backend.session is not None:
        # a run's name says no more than its day, by which none of today is old before noon
        runs = [run] if run else backend.session.old_runs(before if age else None)
        with place.peek() as ledger:
            is_here = partial(OverwritePolicy(ledger, targets=place.targets()).has, place.folder)
            lost = sum(backend.session.uncollected(one, is_here) for one in runs)
        blobs, jobs = backend.session.delete(runs)
        said = f"deleted {count_text(blobs, 'blob')} and {count_text(jobs, 'job')}"
        said += f" on {backend.session.deployment.account} ({backend.why})"
        if lost:
            said += f", with {count_text(lost, 'result')} that had not been collected"
        say(said)


def _attempts_of(
    ledger: Ledger, place: Destination, what: str | None, follow_up: FollowUp
) -> list[AttemptRecord]:
    if what is not None:
        for file in filter(None, (what, place.target_at(what))):
            if attempts := ledger.attempts.at(file):
                return attempts[:1] if attempts[0].number == 1 else attempts
        if not any(run.id.startswith(what) for run in ledger.runs.all()):
            missing = f"no file or run '{printable(what)}' is recorded in {printable(str(place))}"
            raise UsageError(f"{missing}; list the runs with `{follow_up.runs}`")
    return ledger.attempts.failed(ledger.runs.find(what, follow_up).id)


def _age(text: str) -> timedelta:
    units = {"h": "hours", "d": "days", "w": "weeks"}
    number, unit = text[:-1], text[-1:]
    # five digits of weeks reach as far back as calendars do
    if unit not in units or not re.fullmatch("[0-9]{1,5}", number):
        raise UsageError(f"--older-than {text}: use a number with h, d or w, such as 7d")
    return timedelta(**{units[unit]: int(number)})


def _run_line(run: RunRecord, *, running: bool) -> str:
    if run.ended is not None:
        took = seconds_text((run.ended - run.started).total_seconds())
        end = _outcome(run, took)
    else:
        end = "running" if running else "interrupted: run the same command again to continue"
    where = f"{run.backend}, pool {run.options.pool}" if run.options.pool else run.backend
    return f"{run.id}  {where}  {count_text(run.files, 'file')}  {end}"


def _outcome(run: RunRecord, took: str) -> str:
    counts = {"converted": run.converted, "up to date": run.up_to_date, "failed": run.failed}
    meaning = ExitCode(run.exit_code or 0)
    if meaning is ExitCode.OK:  # `--detach` leaves them to Azure
        counts["submitted to Azure"] = run.files - sum(counts.values())
    said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    said = f"{said or 'nothing converted'} in {took}"
    if meaning in (ExitCode.OK, ExitCode.SOME_FAILED):
        return said
    # a run that was not even started is in no ledger
    why = "stopped at --max-cost" if meaning is ExitCode.COST_LIMIT else meaning.meaning
    return f"{said}; {why}"


def _run_json(
    run: RunRecord, *, tasks: dict[str, int] | None = None, cost: Cost | None = None
) -> str:
    values = asdict(run) | {
        "tasks": tasks,
        "azure": cost and cost_as_json(cost),
        "started": run.started.isoformat(),
        "ended": run.ended and run.ended.isoformat(),
    }
    return json.dumps({"v": JSON_VERSION, "event": "run", **values})


def _attempt_line(attempt: AttemptRecord) -> str:
    source = display_path(attempt.source)
    words = (f"{attempt.kind}: {attempt.message}",) if attempt.kind else attempt.notices
    what = "; ".join(map(printable, words)) or attempt.state.value
    return f"{source}  {what}  (attempt {attempt.number}, {seconds_text(attempt.seconds)})"
