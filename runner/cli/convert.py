"""`runner convert`: from the words on the command line to a run and its exit code."""

import json
import shlex
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from runner.clashes import ON_CLASH
from runner.cli.backend import Backend, find_backend, where_options
from runner.cli.options import (
    destination_option,
    detach_option,
    ffmpeg_option,
    follow_up_of,
    is_typed,
    jobs_option,
    json_option,
    option,
    quiet_option,
    run_options,
    run_options_of,
)
from runner.cli.output import say, show
from runner.cli.running import OutputOptions, run_and_report
from runner.encoders import require_encoders
from runner.errors import NothingToConvertError, UsageError
from runner.existing import Decision, Existing, is_result
from runner.followup import FollowUp, joined
from runner.formatting import count_text, printable
from runner.ledger import Ledger
from runner.local import find_ffmpeg, usable_cores
from runner.media.inputs import check_input_arguments
from runner.media.recipe import DEINTERLACE, ID3, SUBTITLES
from runner.models import Plan, Recipe
from runner.options import RunOptions
from runner.plan import DEFAULT_NAME, make_plan
from runner.presets import DEFAULT, Preset, find_preset, for_suffix
from runner.report import left_out_line, plan_as_json, plan_line
from runner.runs import Run
from runner.selection import Selection, find_files, list_files, read_list
from runner.settings import Settings, read_settings

if TYPE_CHECKING:
    from pathlib import Path

    from runner.azure.session import Session


# Options that say what a preset takes of a source.
_OF_AUDIO = ("audio_stream", "audio_language")
_OF_PRESETS = (*_OF_AUDIO, "subtitles", "deinterlace", "copy_if_fits")
# Options that are also properties of a recipe.
_CHOICES = (*_OF_PRESETS, "verify", "strict", "id3")


class _Convert(click.Command):
    """Takes what follows `--` for ffmpeg, and defaults from the settings files."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            split = args.index("--")
            ctx.meta["ffmpeg"] = tuple(args[split + 1 :])
            args = args[:split]
        options = {_long_name(p): p for p in self.params if isinstance(p, click.Option)}
        settings = read_settings({name: str(p.name) for name, p in options.items()})
        several = {p.name for p in options.values() if p.multiple}
        ctx.default_map = {
            name: [value] if name in several and isinstance(value, str) else value
            for name, value in settings.convert.items()
        }
        ctx.meta["settings"] = settings
        return super().parse_args(ctx, args)


def _long_name(option: click.Option) -> str:
    """The name of *option* in a settings file: as on the command line, without the dashes."""
    return next(name for name in option.opts if name.startswith("--")).removeprefix("--")


@click.command(cls=_Convert, short_help="Convert files: here, or on Azure Batch.")
@click.argument("sources", nargs=-1, metavar="SRC...", type=click.Path())
@destination_option()
@option(
    "--to", metavar="FORMAT", help="Output format, by suffix: mp3, m4a, opus, ogg, flac, wav, mp4 …"
)
@option(
    "--preset", metavar="NAME", help="Format by name; `runner presets` lists them.  [default: mp3]"
)
@jobs_option
@option(
    "--include", multiple=True, metavar="GLOB", help="Take only files that match; may be repeated."
)
@option("--exclude", multiple=True, metavar="GLOB", help="Leave out what matches; may be repeated.")
@option(
    "--files-from", metavar="FILE|-", help="Read names from a file: a line each, or NUL-separated."
)
@option(
    "--name",
    default=DEFAULT_NAME,
    metavar="TEMPLATE",
    help="Name of a result; {name} is the whole file name.",
)
@option(
    "--on-clash",
    type=click.Choice(ON_CLASH),
    default="report",
    help="Files that would be written to the same name: leave them out and report them, keep them"
    " apart by their suffix (a.flac.mp3), or refuse the run.",
)
@option(
    "--audio-stream",
    type=click.IntRange(0),
    metavar="N",
    help="Which audio stream; 0 is the first.  [default: the one that players take]",
)
@option(
    "--audio-language",
    default="",
    metavar="LANG",
    show_default=False,
    help="Take only audio in this language: en, eng …",
)
@option(
    "--subtitles",
    type=click.Choice(SUBTITLES),
    default="keep",
    help="Subtitles of films: in the target's own kind, or none.",
)
@option(
    "--deinterlace",
    type=click.Choice(DEINTERLACE),
    default="auto",
    help="auto: make whole pictures of interlaced ones, also of those that do not say so.",
)
@option(
    "--copy-if-fits",
    is_flag=True,
    help="Copy what is already in the wanted format, instead of encoding it again.",
)
@option(
    "--input-args",
    "input_arguments",
    default="",
    metavar="WORDS",
    show_default=False,
    help="What stands before ffmpeg's -i: '-ss 5 -hwaccel auto', '-f s16le -ar 44100 -ac 2' …",
)
@option(
    "--strict",
    is_flag=True,
    help="Count a file that is converted with a notice as failed, advice aside.",
)
@option("--id3", type=click.Choice(ID3), default="2.4", help="Version of the tags in MP3 and WAV.")
@run_options("overwrite", "keep_times", "verify", "retries", "timeout", "fail_fast")
@where_options
@run_options("pool", "upload", "transfers", "keep")
@option("--clean-start", is_flag=True, help="First delete what earlier runs left on Azure.")
@detach_option
@ffmpeg_option
@option("-n", "--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@json_option
@quiet_option
@option("-v", "--verbose", count=True, show_default=False, help="Say more.")
@option("--progress/--no-progress", default=True, help="Live display on a terminal.")
@click.pass_context
def convert(ctx: click.Context, /, **options: Any) -> None:
    """Convert media files, one ffmpeg a file, and keep only verified results.

    SRC is a folder, a file or a glob. Folders are searched for media files; their tree is kept in
    the destination. What is converted already is left alone, so the same command again goes on
    where it stopped. Words after `--` go to ffmpeg in place of the preset's own arguments:

        runner convert talks --to mp3 -- -map 0:a:0 -c:a libmp3lame -b:a 64k

    The first Ctrl-C lets the running files end, the second one ends them at once.
    """
    output = OutputOptions(
        as_json=options["as_json"],
        quiet=options["quiet"],
        verbose=options["verbose"],
        live=options["progress"],
    )
    if output.verbose:
        _show_settings(ctx)
    _settle_format(ctx, options)
    arguments = ctx.meta.get("ffmpeg", ())
    preset = _preset(options, ctx.meta["settings"], arguments)
    _refuse_what_has_no_effect(ctx, preset, arguments)
    plan = _plan(options, _recipe(options, preset, arguments))
    ffmpeg = find_ffmpeg(options["ffmpeg"])
    backend = find_backend(options)
    if backend.session is None and options["pool"] and is_typed(ctx, "pool"):
        raise UsageError(f"--pool {options['pool']} is for Azure, and this run is {backend.words}")
    made_with = backend.made_with(ffmpeg)
    if options["dry_run"]:
        with Ledger.peek(plan.destination) as ledger:
            existing = Existing(ledger, ffmpeg, options["overwrite"], made_with=made_with)
            _show_plan(plan, existing, output)
        return
    if backend.session is None and not arguments:
        require_encoders(preset, ffmpeg)
    with Ledger.open(plan.destination) as ledger:
        plan, asked = _resumed_plan(plan, ledger, backend, ctx)
        backend, chosen = backend.for_run(asked)
        jobs = options["jobs"] or usable_cores()
        existing = Existing(ledger, ffmpeg, chosen.overwrite, jobs, made_with)
        run = Run(
            plan=plan,
            backend=backend.name,
            where=backend.words,
            command=joined(["runner", *sys.argv[1:]]),
            options=chosen,
            follow_up=follow_up_of(ctx),
        )
        if options["clean_start"] and backend.session is not None:
            _clean_start(backend.session, ledger, plan, run.follow_up)
        engine = backend.engine(run, ffmpeg=ffmpeg, jobs=jobs, detach=options["detach"])
        exit_code = run_and_report(run, engine, existing, output)
    if options["detach"] and backend.session is not None:
        show(plan.id)
    ctx.exit(exit_code)


def _resumed_plan(
    plan: Plan, ledger: Ledger, backend: Backend, ctx: click.Context
) -> tuple[Plan, RunOptions]:
    """*plan* with its options; of a run on Azure that was cut off, its name and its options.

    Then nothing is submitted twice, and it goes on as it began.
    """
    session = backend.session
    for run in ledger.resumable(backend.name) if session else ():
        if session and not session.shares_no_files_with(run, plan):
            options = run_options_of(ctx, ledger.run(run).options)
            return replace(plan, id=run).verified_by(options.verify), options
    return plan, run_options_of(ctx)


def _clean_start(session: "Session", ledger: Ledger, plan: Plan, follow_up: FollowUp) -> None:
    """Delete what earlier runs left, but for results that nobody has collected."""
    is_here = partial(Existing(ledger).has, plan.destination)
    gone = []
    for run in session.old_runs(datetime.now(UTC) + timedelta(days=1)):
        if count := session.uncollected(run, is_here):
            results, attach = count_text(count, "result"), follow_up.attach(run)
            say(f"left run {run}: `{attach}` collects its {results}")
        elif run != plan.id:
            gone.append(run)
    session.delete(gone)


def _settle_format(ctx: click.Context, options: dict[str, Any]) -> None:
    """Let a `--to` on the command line win over a `preset` in a settings file, and vice versa."""
    if not (options["to"] and options["preset"]):
        return
    typed = [name for name in ("to", "preset") if is_typed(ctx, name)]
    if len(typed) != 1:
        raise UsageError("use either --to or --preset, not both")
    options["preset" if typed == ["to"] else "to"] = None


def _preset(options: dict[str, Any], settings: Settings, arguments: tuple[str, ...]) -> Preset:
    if options["to"]:
        return for_suffix(options["to"], arguments, settings.presets)
    return find_preset(options["preset"] or DEFAULT, settings.presets)


def _refuse_what_has_no_effect(
    ctx: click.Context, preset: Preset, arguments: tuple[str, ...]
) -> None:
    """Refuse options on the command line that would change nothing about the results.

    In a settings file they are for the runs that they suit.

    Raises:
        UsageError: There is one.
    """
    idle: tuple[str, ...] = ()
    if arguments:
        idle, why = _OF_PRESETS, "your own arguments after `--` replace the preset's: say it there"
    elif not preset.chooses_audio:
        idle = _OF_AUDIO
        why = f"the preset '{preset.name}' does not say {{audio}} in its arguments"
    for name in idle:
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"--{name.replace('_', '-')} would have no effect: {why}")


def _recipe(options: dict[str, Any], preset: Preset, arguments: tuple[str, ...]) -> Recipe:
    return preset.recipe(
        arguments=arguments,
        input_arguments=_input_arguments(options["input_arguments"]),
        **{name: options[name] for name in _CHOICES},
    )


def _input_arguments(text: str) -> tuple[str, ...]:
    """What `--input-args` means.

    Raises:
        UsageError: It is more than words on how a source is read.
    """
    try:
        words = tuple(shlex.split(text))
        check_input_arguments(words)
    except ValueError as error:  # of both
        raise UsageError(f"--input-args: {error}") from error
    return words


def _plan(options: dict[str, Any], recipe: Recipe) -> Plan:
    destination: Path = options["destination"]
    selection = Selection(options["include"], options["exclude"], destination)
    found = [*find_files(options["sources"], selection)]
    if options["files_from"]:
        found += list_files(read_list(options["files_from"]))
    elif not options["sources"]:
        raise UsageError("name a folder or files to convert: runner convert ./in")
    with Ledger.peek(destination) as ledger:
        found = [one for one in found if not is_result(one.source.path, ledger)]
    if not found:
        where = ", ".join(printable(source) for source in options["sources"]) or "the list"
        raise NothingToConvertError(f"no media files in {where}; --include '*' takes any file")
    return make_plan(found, recipe, destination, options["name"], options["on_clash"])


def _show_plan(plan: Plan, existing: Existing, output: OutputOptions) -> None:
    decisions = [existing.decide(plan, conversion) for conversion in plan.conversions]
    for conversion, decision in zip(plan.conversions, decisions, strict=True):
        if output.as_json:
            click.echo(json.dumps(plan_as_json(conversion, decision.value)))
        elif not output.quiet:
            show(plan_line(plan, conversion, decision.value))
    if damage := existing.ledger.damage:
        say(f"Warning: {damage}: a run sets it aside, and checks the results")
    for one in plan.left_out:
        if output.as_json:
            click.echo(json.dumps(plan_as_json(one.conversion, "left out")))
        say(left_out_line(one))
    todo = decisions.count(Decision.CONVERT)
    say(f"dry run: {todo} of {plan.files} files to convert, nothing done")


def _show_settings(ctx: click.Context) -> None:
    """Say what each option is, and where that comes from."""
    origins = {
        ParameterSource.COMMANDLINE: "command line",
        ParameterSource.ENVIRONMENT: "environment",
        ParameterSource.DEFAULT: "default",
    }
    settings: Settings = ctx.meta["settings"]
    for name, value in ctx.params.items():
        source = ctx.get_parameter_source(name)
        origin = origins.get(source) if source else None
        say(f"{name} = {value!r}  ({origin or settings.origins.get(name)})")
