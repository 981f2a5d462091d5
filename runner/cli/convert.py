"""`runner convert`: from the command line to a run and its exit code."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from runner.cli.backend import Backend, find_backend, refuse_options_for_azure
from runner.cli.blobs import BlobSources, blob_sources, put_signatures_away
from runner.cli.convert_options import EXAMPLES, convert_options
from runner.cli.estimating import (
    cost_so_far,
    estimate,
    hint_before_start,
    refuse_if_too_dear,
    refuse_limit_without_watcher,
    say_hint,
    show_estimate,
    terms_of,
)
from runner.cli.help import Command
from runner.cli.notifying import typed_command
from runner.cli.options import follow_up_of, is_typed, keep_settings, settings_of
from runner.cli.output import say, show
from runner.cli.planning import chosen_preset, files_of, left_to_do, plan_of, show_plan
from runner.cli.run_options import run_options_of
from runner.cli.running import OutputOptions, run_and_report
from runner.cli.sources import agree_on_sources, put_sources_right
from runner.cli.watching import watch
from runner.destinations import Destination, find_destination
from runner.encoders import require_encoders
from runner.errors import ExitCode, UsageError
from runner.estimate.words import hint
from runner.existing import Existing
from runner.ffmpeg_program import find_ffmpeg
from runner.followup import FollowUp
from runner.formatting import count_text
from runner.ledger import Ledger
from runner.models import Plan
from runner.options import RunOptions
from runner.parallel import usable_cores
from runner.presets import BUILT_IN, Preset
from runner.runs import Run
from runner.selection import Found
from runner.settings import read_settings
from runner.trial import refuse_hopeless_arguments

if TYPE_CHECKING:
    from runner.azure.session import IsHere, Session


class Convert(Command):
    """Takes the arguments after `--` for ffmpeg, and defaults from the settings files."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, but for what stands behind `--`."""
        if "--" in args:
            split = args.index("--")
            ctx.meta["ffmpeg"] = tuple(args[split + 1 :])
            args = args[:split]
        options = {_long_name(p): p for p in self.params if isinstance(p, click.Option)}
        del options["yes"]  # a settings file may be somebody else's
        settings = read_settings({name: str(p.name) for name, p in options.items()})
        several = {p.name for p in options.values() if p.multiple}
        ctx.default_map = {
            name: [value] if name in several and isinstance(value, str) else value
            for name, value in settings.convert.items()
        }
        keep_settings(ctx, settings)
        return super().parse_args(ctx, args)


def _long_name(option: click.Option) -> str:
    """Return the name of *option* in a settings file: as on the command line, without the dashes."""
    return next(name for name in option.opts if name.startswith("--")).removeprefix("--")


@click.command(cls=Convert, examples=EXAMPLES)
@click.argument(
    "sources", nargs=-1, metavar="SRC...", type=click.Path(), callback=put_signatures_away
)
@convert_options
@click.pass_context
def convert(ctx: click.Context, /, **options: Any) -> None:
    """Convert media files with ffmpeg, and keep only verified results.

    SRC is a folder, a file or a glob, here or in Azure storage (az://CONTAINER/…,
    az://ACCOUNT/CONTAINER/… or an https:// address). Folders are searched for media files, and their
    structure is kept in the output folder. Files that are already converted are skipped, so running the same command
    again resumes it. Arguments after `--` are passed to ffmpeg instead of the preset's.

    Press Ctrl-C once to let the running conversions finish, twice to stop at once.
    """
    output = OutputOptions(
        as_json=options["as_json"],
        quiet=options["quiet"],
        verbose=options["verbose"],
        live=options["progress"],
        notify=options["notify"],
    )
    if output.verbose:
        _show_settings(ctx)
    preset = chosen_preset(ctx, options, settings_of(ctx), ctx.meta.get("ffmpeg", ()))
    backend = cache(partial(find_backend, options))
    place = find_destination(options["destination"], options, lambda: backend().session)
    blobs = blob_sources(ctx, options, backend)
    request = _Request(ctx, options, output, preset, place, backend, blobs)
    if not options["watch"]:
        if is_typed(ctx, "settle"):
            raise UsageError("--settle has no effect without --watch")
        ctx.exit(request.carry_out())
    batches = replace(output, is_batch=True, live=False, notify=None)
    ctx.exit(
        watch(
            options,
            place,
            blobs.open,
            replace(request, output=batches).carry_out,
            output.notify,
        )
    )


@dataclass(frozen=True)
class _Request:
    """What the command line asks for."""

    ctx: click.Context
    options: dict[str, Any]
    output: OutputOptions
    preset: Preset
    place: Destination
    find_backend: Callable[[], Backend]
    blobs: BlobSources

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments after `--`."""
        arguments: tuple[str, ...] = self.ctx.meta.get("ffmpeg", ())
        return arguments

    def carry_out(self, found: list[Found] | None = None) -> ExitCode:
        """Carry out one run, of the sources in the options or of those of these files that were *found*."""
        options, place = self.options, self.place
        if not options["dry_run"]:
            put_sources_right(place.folder)
        chosen = files_of(options, place, self.blobs, self.output) if found is None else found
        plan = plan_of(options, self.preset, self.arguments, place, chosen)
        ffmpeg = find_ffmpeg(options["ffmpeg"])
        backend = self.blobs.known_to(replace(self.find_backend(), cloud=place.cloud))
        refuse_options_for_azure(self.ctx, backend)
        if options["dry_run"]:
            return self._show(plan, backend, ffmpeg)
        if backend.session is None and not self.arguments:
            require_encoders(self.preset, ffmpeg)
        if _is_worth_a_trial(backend, plan, self.preset, options):
            refuse_hopeless_arguments(plan, ffmpeg)
        with place.open() as ledger:
            run_id, exit_code = self._run(plan, backend, ffmpeg, ledger)
        if options["detach"] and backend.session is not None:
            show(run_id)
        return exit_code

    def _show(self, plan: Plan, backend: Backend, ffmpeg: str) -> ExitCode:
        """Show what a run of *plan* would do."""
        options, place = self.options, self.place
        with place.peek() as ledger:
            existing = Existing(
                ledger,
                ffmpeg,
                options["overwrite"],
                made_with=backend.made_with(ffmpeg),
                targets=place.targets(),
            )
            todo = show_plan(plan, existing, self.output)
            if self.output.as_json or not self.output.quiet:
                estimated = estimate(todo, ledger, backend, options, ffmpeg, measure=False)
                show_estimate(estimated, self.output, options["max_cost"])
                if options["where"] == "auto":
                    say_hint(hint(estimated, is_azure=backend.session is not None))
        backend.check_rights(plan)
        return ExitCode.OK

    def _run(
        self, plan: Plan, backend: Backend, ffmpeg: str, ledger: Ledger
    ) -> tuple[str, ExitCode]:
        """Convert what is left of *plan*; return the run's name, too."""
        options = self.options
        plan, asked = _resumed_plan(plan, ledger, backend, self.ctx)
        made_with = backend.made_with(ffmpeg)
        backend, chosen = backend.for_run(asked)
        agree_on_sources(plan, chosen, options["sources"], yes=options["yes"])
        jobs = options["jobs"] or usable_cores()
        existing = Existing(
            *(ledger, ffmpeg, chosen.overwrite, jobs, made_with), targets=self.place.targets()
        )
        if backend.session is not None and chosen.max_cost is not None:
            refuse_limit_without_watcher(chosen, detach=options["detach"])
            todo = left_to_do(plan, existing)
            estimated = estimate(todo, ledger, backend, options, ffmpeg, measure=True)
            spent = cost_so_far(ledger, plan.id, estimated)
            refuse_if_too_dear(estimated, chosen.max_cost, spent)
        if not (self.output.quiet or self.output.is_batch):
            say_hint(hint_before_start(plan, existing, backend, options))
        run = Run(
            plan=plan,
            backend=backend.name,
            where=backend.words,
            command=typed_command(),
            options=chosen,
            follow_up=follow_up_of(self.ctx),
            **terms_of(backend, chosen),
        )
        if options["clean_start"] and backend.session is not None:
            is_here = partial(existing.has, plan.destination)
            _clean_start(backend.session, is_here, plan, run.follow_up)
        engine = backend.engine(run, ffmpeg=ffmpeg, jobs=options["jobs"], detach=options["detach"])
        return plan.id, run_and_report(run, engine, existing, self.output)


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
    for run in ledger.resumable(backend.name) if session else ():
        if session and not session.shares_no_files_with(run, plan):
            options = run_options_of(ctx, ledger.run(run).options)
            # of those that it has converted, sources may be gone: they are of this run all the same
            done = tuple(ledger.sources.gone(run))
            return replace(plan, id=run, done=done).verified_by(options.verify), options
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


def _show_settings(ctx: click.Context) -> None:
    """Show each option and where its value comes from."""
    origins = {
        ParameterSource.COMMANDLINE: "command line",
        ParameterSource.ENVIRONMENT: "environment",
        ParameterSource.DEFAULT: "default",
    }
    settings = settings_of(ctx)
    for name, value in ctx.params.items():
        source = ctx.get_parameter_source(name)
        origin = origins.get(source) if source else None
        say(f"{name} = {value!r}  ({origin or settings.origins.get(name)})")
