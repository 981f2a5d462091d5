"""Options that several commands share; each can also be set by an environment variable `RUNNER_…`."""

import logging
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from runner.cli import option_values
from runner.cli.help import Option
from runner.errors import UsageError
from runner.followup import FollowUp
from runner.formatting import printable
from runner.media.paths import folder_fault, is_address
from runner.settings import Settings, read_settings

_SETTINGS = "runner.settings"
Command = TypeVar("Command", bound=Callable[..., Any])


def option(*names: str, **details: Any) -> Callable[[Command], Command]:
    """Make a click option that can also be set by an environment variable named after it."""
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    variable = "RUNNER_" + long.removeprefix("--").replace("-", "_").upper()
    return click.option(*names, cls=Option, **{"envvar": variable, "show_default": True, **details})


class _Place(click.Path):
    """A folder whose names this system can have, as a path; or an address, as it was typed."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, file_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if is_address(str(value)):
            return str(value)
        folder = super().convert(value, param, ctx)
        if fault := folder_fault(str(folder)):
            raise UsageError(f"-o {printable(str(folder))}: {fault}")
        return folder


def destination_option() -> Callable[[Command], Command]:
    """Add `-o DIR`: the folder of the results and of the ledger."""
    return option(
        "-o",
        "--out",
        "destination",
        type=_Place(),
        default=_destination,
        show_default="out",
        metavar="DIR",
        section="Output",
        help="Output folder, or az://CONTAINER/PREFIX: results then stay in Azure storage.",
    )


def _destination() -> str:
    """Return the place from the `convert` settings: all commands use the same one."""
    return str(settings_of(click.get_current_context()).convert.get("out", "out"))


def settings_of(ctx: click.Context) -> Settings:
    """Return the content of the settings files, which are read once per command."""
    if _SETTINGS not in ctx.meta:
        ctx.meta[_SETTINGS] = read_settings()
    settings: Settings = ctx.meta[_SETTINGS]
    return settings


def keep_settings(ctx: click.Context, settings: Settings) -> None:
    """Store the settings for `settings_of`."""
    ctx.meta[_SETTINGS] = settings


def run_argument() -> Callable[[Command], Command]:
    """Add `[RUN]`: the name of a run, or its first letters."""
    return click.argument("name", metavar="[RUN]", required=False)


# Options of the commands that convert, each with one wording, one range and one environment variable.
ffmpeg_option = option(
    "--ffmpeg",
    metavar="PATH",
    section="Conversion",
    show_default="the bundled one",
    help="The ffmpeg program to use.",
)
jobs_option = option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    metavar="N",
    section="Conversion",
    show_default="as many as fill the cores",
    help="Files to convert in parallel.",
)
json_option = option(
    "--json", "as_json", is_flag=True, help="Write JSON to standard output, one object per line."
)
quiet_option = option("-q", "--quiet", is_flag=True, help="Print only failures.")
verbose_option = option(
    "-v",
    "--verbose",
    count=True,
    show_default=False,
    callback=lambda _, __, value: show_requests(value),
    help="Print more, such as the request ids of Azure's errors; -vv prints each request.",
)
detach_option = option(
    "--detach",
    is_flag=True,
    section="Azure",
    help="Exit once everything is submitted to Azure, and print the name of the run.",
)
# `yes` is for the command line and the environment alone: a settings file may be somebody else's
yes_option = option(
    "-y",
    "--yes",
    is_flag=True,
    show_default=False,
    section="Output",
    help="Do not ask before sources are deleted, moved or put into the trash.",
)


def show_requests(verbose: int) -> int:
    """Have what concerns requests to Azure be said: errors' ids, or all of them; returns *verbose*."""
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
    logging.getLogger("runner.requests").setLevel(level)
    return verbose


uplink_option = option(
    "--uplink",
    callback=option_values.bits,
    metavar="RATE",
    section="Azure",
    show_default="as measured in earlier runs, else 20Mbit/s",
    help="Upload speed to assume in estimates, such as 40Mbit/s.",
)


def is_typed(ctx: click.Context, name: str) -> bool:
    """Return whether the option *name* is on the command line, not only in the environment or a file."""
    return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


def follow_up_of(ctx: click.Context) -> FollowUp:
    """Return the follow-up commands for the same destination and environment.

    They only repeat options from the command line: they find the rest as this command did.
    """
    typed = {name: value for name, value in ctx.params.items() if is_typed(ctx, name)}
    azure = ((f"--{name}", typed[name]) for name in ("stack", "outputs") if typed.get(name))
    return FollowUp(destination=typed.get("destination"), azure=tuple(chain.from_iterable(azure)))
