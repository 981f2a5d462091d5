"""Carry out the plan of `runner convert`: show it, or convert what is left of it."""

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from runner.cli.backend import Backend, refuse_options_for_azure
from runner.cli.notifying import typed_command
from runner.cli.options import follow_up_of
from runner.cli.output import say, show
from runner.cli.request import Request
from runner.cli.run_options import run_options_of
from runner.cli.running import run_and_report
from runner.cli.sources import agree_on_sources
from runner.cli.todo import left_to_do, show_plan
from runner.encoders import require_encoders
from runner.errors import ExitCode, TransientError
from runner.ffmpeg_program import find_ffmpeg
from runner.followup import FollowUp
from runner.formatting import count_text
from runner.ledger import Ledger
from runner.models import Plan
from runner.options import RunOptions
from runner.overwrite import OverwritePolicy
from runner.parallel import usable_cores
from runner.presets import BUILT_IN, Preset
from runner.runs import Run
from runner.trial import refuse_hopeless_arguments

if TYPE_CHECKING:
    from runner.azure.session import IsHere, Session


def run_plan(request: Request, plan: Plan) -> ExitCode:
    """Show *plan*, or do it, as *request* says."""
    options, place = request.options, request.place
    ffmpeg = find_ffmpeg(options["ffmpeg"])
    backend = request.blobs.known_to(replace(request.find_backend(), cloud=place.cloud))
    refuse_options_for_azure(request.ctx, backend)
    if options["dry_run"]:
        return _show(request, plan, backend, ffmpeg)
    if backend.session is None and not request.arguments:
        require_encoders(request.preset, ffmpeg)
    if _is_worth_a_trial(backend, plan, request.preset, options):
        refuse_hopeless_arguments(plan, ffmpeg)
    with place.open() as ledger:
        run_id, exit_code = _run(request, plan, backend, ffmpeg, ledger)
    if options["detach"] and backend.session is not None:
        show(run_id)
    return exit_code


def _show(request: Request, plan: Plan, backend: Backend, ffmpeg: str) -> ExitCode:
    """Show what a run of *plan* would do."""
    options, place = request.options, request.place
    with place.peek() as ledger:
        policy = OverwritePolicy(
            ledger,
            ffmpeg,
            options["overwrite"],
            made_with=backend.made_with(ffmpeg),
            targets=place.targets(),
        )
        todo = show_plan(plan, policy, request.output)
        if request.output.as_json or not request.output.quiet:
            from runner.cli import estimating  # noqa: PLC0415 - once the plan is on the screen
            from runner.estimate.report import hint  # noqa: PLC0415 - as above

            estimated = estimating.estimate(todo, ledger, backend, options, ffmpeg, measure=False)
            estimating.show_estimate(estimated, request.output, options["max_cost"])
            if options["where"] == "auto":
                is_azure = backend.session is not None
                estimating.say_hint(hint(estimated, is_azure=is_azure))
    backend.check_rights(plan)
    return ExitCode.OK


def _run(
    request: Request, plan: Plan, backend: Backend, ffmpeg: str, ledger: Ledger
) -> tuple[str, ExitCode]:
    """Convert what is left of *plan*; return the run's name, too."""
    options = request.options
    plan, asked = _resumed_plan(plan, ledger, backend, request.ctx)
    made_with = backend.made_with(ffmpeg)
    backend, chosen = backend.for_run(asked)
    agree_on_sources(plan, chosen, options["sources"], yes=options["yes"])
    jobs = options["jobs"] or usable_cores()
    policy = OverwritePolicy(
        *(ledger, ffmpeg, chosen.overwrite, jobs, made_with), targets=request.place.targets()
    )
    terms: dict[str, Any] = {}
    if backend.session is not None:
        terms = _terms_on_azure(request, plan, backend, policy, chosen)
    run = Run(
        plan=plan,
        backend=backend.name,
        where=backend.words,
        command=typed_command(),
        options=chosen,
        follow_up=follow_up_of(request.ctx),
        **terms,
    )
    if options["clean_start"] and backend.session is not None:
        is_here = partial(policy.has, plan.destination)
        _clean_start(backend.session, is_here, plan, run.follow_up)
    engine = backend.engine(run, ffmpeg=ffmpeg, jobs=options["jobs"], detach=options["detach"])
    return plan.id, run_and_report(run, engine, policy, request.output)


def _terms_on_azure(
    request: Request, plan: Plan, backend: Backend, policy: OverwritePolicy, chosen: RunOptions
) -> dict[str, Any]:
    """Return what a run of *plan* needs to know about nodes, if it may cost what it is estimated to.

    Raises:
        CostLimitError: It may not.
    """
    from runner.cli import estimating  # noqa: PLC0415 - few runs here need an estimate

    options = request.options
    if chosen.max_cost is not None:
        estimating.refuse_limit_without_watcher(chosen, detach=options["detach"])
        todo, ledger = left_to_do(plan, policy), policy.ledger
        estimated = estimating.estimate(todo, ledger, backend, options, policy.ffmpeg, measure=True)
        spent = estimating.cost_so_far(ledger, plan.id, estimated)
        estimating.refuse_if_too_dear(estimated, chosen.max_cost, spent)
    if not (request.output.quiet or request.output.is_batch):
        estimating.say_hint(estimating.hint_before_start(plan, policy, backend, options))
    return estimating.terms_of(backend, chosen)


def _is_worth_a_trial(
    backend: Backend, plan: Plan, preset: Preset, options: dict[str, Any]
) -> bool:
    """Return whether there are arguments of the user's own that behave here as on the nodes."""
    is_own = (
        preset not in BUILT_IN.values()
        or options["input_arguments"]
        or any(not conversion.recipe.is_preset for conversion in plan.conversions[:1])
    )
    session = backend.session
    return bool(
        is_own and session and session.deployment.pool.node_ffmpeg and not options["ffmpeg"]
    )


def _resumed_plan(
    plan: Plan, ledger: Ledger, backend: Backend, ctx: click.Context
) -> tuple[Plan, RunOptions]:
    """Return *plan* and its options, or the name and options of the interrupted run on Azure that it continues.

    Nothing is then submitted twice, and the run continues as it started.
    """
    session = backend.session
    for run in ledger.runs.resumable(backend.name) if session else ():
        if session and not session.shares_no_files_with(run, plan):
            options = run_options_of(ctx, ledger.runs.find(run).options)
            # of those that it has converted, sources may be gone: they are of this run all the same
            done = tuple(ledger.sources.gone(run))
            return replace(plan, id=run, done=done).verified_by(options.verify), options
        if session:  # if it was killed, nobody told its job that no more tasks come
            with suppress(TransientError):
                session.let_end(run)
    return plan, run_options_of(ctx)


def _clean_start(session: "Session", is_here: "IsHere", plan: Plan, follow_up: FollowUp) -> None:
    """Delete what earlier runs left, except results that nobody has collected."""
    gone = []
    for run in session.old_runs():
        if count := session.uncollected(run, is_here):
            results, attach = count_text(count, "result"), follow_up.attach(run)
            say(f"kept run {run}: collect its {results} with `{attach}`")
        elif run != plan.id:
            gone.append(run)
    session.delete(gone)
