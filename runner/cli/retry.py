"""`runner retry`: convert the failed files of a run again, with the settings of that run."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import click

from runner.cli.backend import Backend, find_backend
from runner.cli.blobs import BlobSources, asking_for_signatures
from runner.cli.estimating import refuse_limit_without_watcher, terms_of
from runner.cli.help import Command
from runner.cli.notifying import notify_option
from runner.cli.options import (
    destination_option,
    detach_option,
    ffmpeg_option,
    follow_up_of,
    is_typed,
    jobs_option,
    json_option,
    quiet_option,
    run_argument,
    verbose_option,
    yes_option,
)
from runner.cli.output import OutputOptions, show
from runner.cli.run_options import run_options, run_options_of
from runner.cli.running import run_and_report
from runner.cli.sources import agree_on_sources, put_sources_right
from runner.cli.where import where_the_run_is_options
from runner.destinations import find_destination
from runner.errors import NothingToConvertError, SetupError, UsageError
from runner.ffmpeg_program import find_ffmpeg
from runner.ledger import Ledger
from runner.media.paths import is_address
from runner.models import Conversion, Kind, Plan
from runner.overwrite import OverwritePolicy
from runner.parallel import usable_cores
from runner.plan import new_run_id
from runner.records import AttemptRecord, RunRecord
from runner.runs import Run
from runner.selection import stat_source


@click.command(cls=Command)
@run_argument()
@destination_option()
@run_options(
    "overwrite",
    "keep_times",
    "source",
    "split",
    "verify",
    "retries",
    "timeout",
    "fail_fast",
    default="as in the run",
)
@yes_option
@where_the_run_is_options
@run_options("pool", "upload", "transfers", "keep", default="as in the run")
@run_options("max_cost", "price_per_hour", "currency", default="as in the run")
@detach_option
@jobs_option
@ffmpeg_option
@json_option
@quiet_option
@verbose_option
@notify_option
@click.pass_context
def retry(ctx: click.Context, /, name: str | None, destination: Path | str, **options: Any) -> None:
    """Convert the failed files of RUN, or of the newest run, again, where that run was done."""
    program = find_ffmpeg(options["ffmpeg"])
    place = find_destination(destination, options)
    put_sources_right(place.folder)
    with place.read(for_run=True) as ledger:
        follow_up = follow_up_of(ctx)
        old = ledger.runs.find(name, follow_up)
        failed = _worth_retrying(ledger, old.id)
        blobs = BlobSources(options, cache(lambda: _backend(ctx, old, options)))
        with asking_for_signatures([old.command]):
            again = tuple(_again(attempt, blobs) for attempt in failed)
        backend = blobs.known_to(replace(blobs.backend(), cloud=place.cloud))
        backend, chosen = backend.for_run(run_options_of(ctx, old.options))
        folder = place.folder.absolute()
        plan = place.planned(Plan(new_run_id(folder), folder, again)).verified_by(chosen.verify)
        agree_on_sources(plan, chosen, (), yes=options["yes"])
        run = Run(
            plan=plan,
            backend=backend.name,
            where=f"failed files of {old.id} · {backend.words}",
            command=follow_up.retry(old.id),
            options=chosen,
            follow_up=follow_up,
            **terms_of(backend, chosen),
        )
        if backend.session is not None:
            refuse_limit_without_watcher(chosen, detach=options["detach"])
        jobs = options["jobs"] or usable_cores()
        policy = OverwritePolicy(ledger, program, chosen.overwrite, jobs, targets=place.targets())
        output = OutputOptions.of(options)
        engine = backend.engine(run, ffmpeg=program, jobs=options["jobs"], detach=options["detach"])
        exit_code = run_and_report(run, engine, policy, output)
    if options["detach"] and backend.session is not None:
        show(plan.id)
    ctx.exit(exit_code)


def _worth_retrying(ledger: Ledger, run: str) -> list[AttemptRecord]:
    """Return the failed attempts of *run* whose files a retry may convert.

    Raises:
        NothingToConvertError: There are none.
    """
    failed = ledger.attempts.failed(run)
    if not failed:
        raise NothingToConvertError(f"no failed files in run {run}")
    failed = [attempt for attempt in failed if attempt.kind != Kind.NAME.value]
    if not failed:
        advice = "convert them with --on-clash suffix, or --name"
        raise NothingToConvertError(f"run {run} only failed because of names: {advice}")
    return failed


def _backend(ctx: click.Context, old: RunRecord, options: dict[str, Any]) -> Backend:
    """Return the backend of *old*, with another pool if the command line names one.

    Raises:
        SetupError: It is not known on this machine.
    """
    pool = options["pool"] if is_typed(ctx, "pool") else ""
    if old.backend == "local":
        if pool:
            raise UsageError(f"--pool {pool} is for Azure, and run {old.id} was done here")
        return Backend(None, "as before")
    backend = find_backend({**options, "pool": pool})
    if backend.session is None:
        # its ffmpeg arguments may come from storage: they are for nodes, not for this machine
        advice = "choose its environment with --stack or --outputs, or `runner convert` them here"
        raise SetupError(f"run {old.id} was done on {old.backend}: {advice}")
    return backend


def _again(attempt: AttemptRecord, blobs: BlobSources) -> Conversion:
    # look at the source again: it may have been fixed since
    is_blob = is_address(attempt.source)
    source = blobs.look_at(attempt.source) if is_blob else stat_source(attempt.source)
    return Conversion(source, attempt.target, attempt.recipe)
