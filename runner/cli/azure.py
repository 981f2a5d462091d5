"""`runner attach` and `cancel`: runs that continue on Azure without this process."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.backend import Backend, find_session
from runner.cli.blobs import asking_for_signatures
from runner.cli.estimating import terms_of
from runner.cli.help import Command
from runner.cli.notifying import notify_option
from runner.cli.options import (
    destination_option,
    ffmpeg_option,
    follow_up_of,
    json_option,
    quiet_option,
    run_argument,
    verbose_option,
)
from runner.cli.output import OutputOptions, say
from runner.cli.run_options import run_options, run_options_of
from runner.cli.running import run_and_report
from runner.cli.sources import put_sources_right, refuse_other_choice
from runner.cli.where import where_the_run_is_options
from runner.destinations import Destination, find_destination
from runner.errors import UsageError
from runner.ffmpeg_program import find_ffmpeg
from runner.formatting import count_text
from runner.ledger import Ledger
from runner.models import Plan
from runner.overwrite import OverwritePolicy
from runner.parallel import usable_cores
from runner.runs import Run

if TYPE_CHECKING:
    from runner.azure.session import Session


@click.command(cls=Command)
@run_argument()
@destination_option()
@where_the_run_is_options
@run_options(
    "overwrite",
    "keep_times",
    "source",
    "retries",
    "timeout",
    "fail_fast",
    "upload",
    "transfers",
    "keep",
    "max_cost",
    "price_per_hour",
    "currency",
    default="as in the run",
)
@ffmpeg_option
@json_option
@quiet_option
@verbose_option
@notify_option
@click.pass_context
def attach(
    ctx: click.Context, /, name: str | None, destination: Path | str, **options: Any
) -> None:
    """Follow RUN, or the newest run, on Azure, and collect its results; from any machine."""
    session = find_session(options)
    ffmpeg = find_ffmpeg(options["ffmpeg"])
    place = find_destination(destination, options, lambda: session)
    put_sources_right(place.folder)
    with place.open() as ledger:
        manifest = session.manifest(_run_on_azure(session, ledger, name), place.folder)
        plan = manifest.plan
        _refuse_other_place(plan, place)
        follow_up = follow_up_of(ctx)
        here = [known for known in ledger.runs.all() if known.id == plan.id]
        began_with = here[0].options if here else manifest.options
        asked = run_options_of(ctx, began_with)
        refuse_other_choice(asked, began_with)
        backend, chosen = Backend(session, "resumed here").for_run(asked)
        run = Run(
            plan=plan,
            backend=backend.name,
            where=backend.words,
            command=here[0].command if here else follow_up.attach(plan.id),
            options=chosen,
            follow_up=follow_up,
            **terms_of(backend, chosen),
        )
        jobs = usable_cores()
        policy = OverwritePolicy(
            *(ledger, ffmpeg, chosen.overwrite, jobs),
            planned_now=False,
            targets=place.targets(),
        )
        output = OutputOptions.of(options)
        engine = backend.engine(run, ffmpeg=ffmpeg)
        with asking_for_signatures([known.command for known in here]):
            exit_code = run_and_report(run, engine, policy, output)
    ctx.exit(exit_code)


@click.command(cls=Command)
@run_argument()
@destination_option()
@where_the_run_is_options
@click.pass_context
def cancel(
    ctx: click.Context, /, name: str | None, destination: Path | str, **options: Any
) -> None:
    """Cancel RUN, or the newest run, on Azure: stop its tasks, and delete its sources in storage.

    Results that are already there stay, for `runner attach`.
    """
    session = find_session(options)
    place = find_destination(destination, options, lambda: session)
    with place.read_if_any() as ledger:
        run = _run_on_azure(session, ledger, name)
        policy = OverwritePolicy(ledger, targets=place.targets())
        end = session.cancel(run, partial(policy.has, place.folder))
        if not (end.was_over and end.waiting):
            place.abandon(ledger, run)
    said = f"run {run} had already ended" if end.was_over else f"run {run} cancelled"
    if end.waiting:
        results = count_text(end.waiting, "result")
        attach = follow_up_of(ctx).attach(run)
        said += f"; collect its {results} in storage with `{attach}`"
    say(said)


def _refuse_other_place(plan: Plan, place: Destination) -> None:
    """Raise `UsageError` where the results of *plan* go elsewhere than to *place*."""
    if plan.address == place.address:
        return
    if plan.address is None:
        advice = "its results do not stay in Azure storage: give a folder with -o"
    else:
        advice = f"its results stay in Azure storage: use -o {plan.address}"
    raise UsageError(f"run {plan.id}: {advice}")


def _run_on_azure(session: "Session", ledger: Ledger, name: str | None) -> str:
    """Return the run that *name* means: one of this destination, or one that only Batch knows."""
    backend = session.deployment.batch_account
    known = [run.id for run in ledger.runs.all() if run.backend == backend]
    if name is None:
        return next(iter([*ledger.runs.resumable(backend), *known]), "") or session.newest_run()
    matching = [run for run in known if run.startswith(name)]
    return matching[0] if len(matching) == 1 else name
