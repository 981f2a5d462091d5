"""`runner convert`: from the command line to a plan; the rest is imported once files are being looked for."""

import json
from functools import cache, partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from runner.cli.blobs import blob_sources, put_signatures_away
from runner.cli.convert_options import EXAMPLES, convert_options
from runner.cli.help import Command
from runner.cli.options import is_typed, keep_settings, settings_of
from runner.cli.output import OutputOptions, say
from runner.cli.planning import chosen_preset
from runner.cli.request import Request, backend_of
from runner.destinations import find_destination
from runner.errors import ExitCode, UsageError
from runner.selection import FoundFile
from runner.settings import read_settings


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
    output = OutputOptions.of(options)
    if output.verbose:
        _show_settings(ctx)
    preset = chosen_preset(ctx, options, settings_of(ctx), ctx.meta.get("ffmpeg", ()))
    backend = cache(partial(backend_of, options))
    place = find_destination(options["destination"], options, lambda: backend().session)
    blobs = blob_sources(ctx, options, backend)
    request = Request(ctx, options, output, preset, place, backend, blobs)
    if options["watch"]:
        ctx.exit(_watch(request))
    if is_typed(ctx, "settle"):
        raise UsageError("--settle has no effect without --watch")
    ctx.exit(_carry_out(request))


def _carry_out(request: Request, found: list[FoundFile] | None = None) -> ExitCode:
    """Carry out one run, of the sources in the options or of those of these files that were *found*."""
    plan = request.plan(found)
    from runner.cli.run_plan import run_plan  # noqa: PLC0415 - files are looked for before

    return run_plan(request, plan)


def _watch(request: Request) -> ExitCode:
    from runner.cli.watching import watch  # noqa: PLC0415 - few watch

    run_plan = partial(_carry_out, request.of_a_batch())
    notify = request.output.notify
    return watch(request.options, request.place, request.blobs.open, run_plan, notify)


def _show_settings(ctx: click.Context) -> None:
    """Show each option as a settings file has it, and where its value comes from."""
    origins = {
        ParameterSource.COMMANDLINE: "command line",
        ParameterSource.ENVIRONMENT: "environment",
        ParameterSource.DEFAULT: "default",
    }
    settings = settings_of(ctx)
    for option in ctx.command.get_params(ctx):
        name = str(option.name)
        if not isinstance(option, click.Option) or name not in ctx.params:
            continue
        source = ctx.get_parameter_source(name)
        origin = origins.get(source) if source else None
        value = _shown(option, ctx.params[name])
        say(f"{_long_name(option)} = {value}  ({origin or settings.origins.get(name)})")


def _shown(option: click.Option, value: object) -> str:
    """Return *value* as TOML writes it; in words, if there is none."""
    if value is None:
        usual = (option.show_default, option.default)
        return next((words for words in usual if isinstance(words, str)), "not set")
    if isinstance(value, bool | int | float | list | tuple):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str | Path):
        return json.dumps(str(value), ensure_ascii=False)
    return "not shown"  # the address to notify is a secret
