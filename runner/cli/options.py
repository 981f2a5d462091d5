"""Options that several commands share; each can also be set by an environment variable `RUNNER_…`."""

import logging
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from runner.cli.help import Option
from runner.errors import UsageError
from runner.followup import FollowUp
from runner.formatting import printable
from runner.media.paths import folder_fault, is_address
from runner.media.recipe import VERIFY
from runner.options import (
    LONGEST_TIMEOUT,
    MOST_RETRIES,
    MOST_TRANSFERS,
    OVERWRITE,
    UPLOAD,
    RunOptions,
    is_pool_name,
    is_split,
)
from runner.prices import HIGHEST, is_currency
from runner.settings import Settings, read_settings
from runner.source_choice import METAVAR, MOVE, is_choice

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


def show_requests(verbose: int) -> int:
    """Have what concerns requests to Azure be said: errors' ids, or all of them; returns *verbose*."""
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
    logging.getLogger("runner.requests").setLevel(level)
    return verbose


def _seconds(ctx: click.Context, parameter: click.Parameter, value: str | float) -> float | None:  # noqa: ARG001
    if value == "auto":
        return None
    with suppress(ValueError):
        if 0 < (seconds := float(value)) <= LONGEST_TIMEOUT:
            return seconds
    raise UsageError(f"--timeout {value}: use a number of seconds, or auto")


def _source(ctx: click.Context, parameter: click.Parameter, value: str) -> str:  # noqa: ARG001
    action, colon, folder = value.partition(":")
    if action == MOVE and folder:
        value = action + colon + os.path.abspath(os.path.expanduser(folder))
        if fault := folder_fault(value.removeprefix(action + colon)):
            raise UsageError(f"--source {printable(value)}: {fault}")
    if not is_choice(value):
        raise UsageError(f"--source {printable(value)}: use {METAVAR.replace('|', ', ')}")
    return value


def _money(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:  # noqa: ARG001
    if value is None:
        return None
    with suppress(ValueError):
        if 0 <= (amount := float(value)) <= HIGHEST:
            return amount
    raise UsageError(
        f"{parameter.opts[0]} {printable(value)}: use an amount of money, such as 2.50"
    )


def _currency(ctx: click.Context, parameter: click.Parameter, value: str) -> str:  # noqa: ARG001
    if is_currency(value.upper()):
        return value.upper()
    raise UsageError(f"--currency {printable(value)}: use a code of three letters, such as EUR")


def _bits(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:  # noqa: ARG001
    """Bytes a second."""
    if value is None:
        return None
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]+)?) ?([kMG]?)bit/s", value)
    if found and (rate := float(found[1]) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[found[2]] / 8):
        return rate
    raise UsageError(f"--uplink {printable(value)}: use a speed such as 20Mbit/s")


uplink_option = option(
    "--uplink",
    callback=_bits,
    metavar="RATE",
    section="Azure",
    show_default="as earlier runs had it",
    help="The speed of the line to Azure for estimates, such as 20Mbit/s.",
)


def _pool(ctx: click.Context, parameter: click.Parameter, value: str) -> str:  # noqa: ARG001
    if value and not is_pool_name(value):
        raise UsageError(f"--pool {printable(value)}: use the name of a pool of the stack")
    return value


def _split(ctx: click.Context, parameter: click.Parameter, value: str) -> str:  # noqa: ARG001
    if not is_split(value):
        raise UsageError(
            f"--split {printable(value)}: use auto, off, or a number of seconds from 1"
        )
    return value


# The options of a run, by the fields of `RunOptions`, which has the defaults.
_OF_A_RUN: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "overwrite": (
        ("--overwrite",),
        {
            "type": click.Choice(OVERWRITE),
            "help": "What to do with existing results; auto replaces outdated ones that runner made.",
        },
    ),
    "verify": (
        ("--verify",),
        {
            "type": click.Choice(VERIFY),
            "section": "Conversion",
            "help": (
                "How to check results: compare their length with the source's, also decode them,"
                " or not at all."
            ),
        },
    ),
    "retries": (
        ("--retries",),
        {
            "type": click.IntRange(0, MOST_RETRIES),
            "metavar": "N",
            "section": "Conversion",
            "help": "Extra attempts after a temporary failure.",
        },
    ),
    "timeout": (
        ("--timeout",),
        {
            "callback": _seconds,
            "metavar": "auto|SECONDS",
            "section": "Conversion",
            "help": "Time limit for one file; auto: no limit while ffmpeg makes progress.",
        },
    ),
    "split": (
        ("--split",),
        {
            "callback": _split,
            "metavar": "auto|off|SECONDS",
            "section": "Conversion",
            "help": (
                "Encode long films in pieces side by side, and join them; auto: where one encoder"
                " cannot use all cores."
            ),
        },
    ),
    "upload": (
        ("--upload",),
        {
            "type": click.Choice(UPLOAD),
            "section": "Azure",
            "help": "What to upload; auto: only the audio of a film if the target is audio.",
        },
    ),
    "transfers": (
        ("--transfers",),
        {
            "type": click.IntRange(1, MOST_TRANSFERS),
            "metavar": "N",
            "section": "Azure",
            "help": "Parallel uploads, and parallel downloads.",
        },
    ),
    "keep": (
        ("--keep/--no-keep",),
        {"section": "Azure", "help": "Keep the sources in Azure storage after the run."},
    ),
    "keep_times": (
        ("--keep-times/--no-keep-times",),
        {"help": "Give results the modification times of their sources."},
    ),
    "source": (
        ("--source",),
        {
            "callback": _source,
            "metavar": METAVAR,
            "help": (
                "What to do with a source once its result is verified and safely on the disk;"
                " asks first, unless --yes is given."
            ),
        },
    ),
    "pool": (
        ("--pool",),
        {
            "callback": _pool,
            "metavar": "NAME",
            "section": "Azure",
            "show_default": "the stack's default pool",
            "help": "The pool of the stack to use.",
        },
    ),
    "max_cost": (
        ("--max-cost",),
        {
            "callback": _money,
            "metavar": "AMOUNT",
            "section": "Azure",
            "help": (
                "Start no run that is estimated to cost more, and begin nothing more once its nodes"
                " have cost that much."
            ),
        },
    ),
    "price_per_hour": (
        ("--price-per-hour",),
        {
            "callback": _money,
            "metavar": "AMOUNT",
            "section": "Azure",
            "show_default": "Azure's public price of the day",
            "help": "What a node costs an hour, Spot or not.",
        },
    ),
    "currency": (
        ("--currency",),
        {
            "callback": _currency,
            "metavar": "CODE",
            "section": "Azure",
            "help": "The currency of prices and limits, such as EUR.",
        },
    ),
    "fail_fast": (
        ("--fail-fast",),
        {
            "type": click.IntRange(1),
            "metavar": "N",
            "section": "Conversion",
            "help": "Stop after N failed files.",
        },
    ),
}


def run_options(
    *fields: str, default: str | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options of a run called *fields*; *default* describes their default."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for field in reversed(fields):
            names, details = _OF_A_RUN[field]
            value = getattr(RunOptions(), field)
            shown = {"default": "auto" if field == "timeout" else value}
            if default and field != "fail_fast":
                shown["show_default"] = default
            command = option(*names, **{"section": "Output", **details, **shown})(command)
        return command

    return add


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


def run_options_of(ctx: click.Context, stored: RunOptions | None = None) -> RunOptions:
    """Return the options of a run from the command line, or else as they are *stored* with the run.

    The environment and the settings files only counted when the run started.
    """
    typed = {
        field.name: ctx.params[field.name]
        for field in fields(RunOptions)
        if field.name in ctx.params and (stored is None or is_typed(ctx, field.name))
    }
    return replace(stored or RunOptions(), **{"fail_fast": None, **typed})
