"""The options of a run, which `convert` and the commands that go on with a run share."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import click

from runner.cli import option_values
from runner.cli.options import is_typed, option
from runner.media.recipe import VERIFY
from runner.options import MOST_RETRIES, MOST_TRANSFERS, OVERWRITE, UPLOAD, RunOptions
from runner.source_choice import METAVAR

# By the fields of `RunOptions`, which has the defaults.
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
            "callback": option_values.seconds,
            "metavar": "auto|SECONDS",
            "section": "Conversion",
            "help": "Time limit for one file; auto: no limit while ffmpeg makes progress.",
        },
    ),
    "split": (
        ("--split",),
        {
            "callback": option_values.split,
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
            "help": "What to upload; auto, if the target is audio: of a film only the audio, WAV as FLAC.",
        },
    ),
    "transfers": (
        ("--transfers",),
        {
            "type": click.IntRange(1, MOST_TRANSFERS),
            "metavar": "N",
            "section": "Azure",
            "help": "Parallel uploads, and parallel downloads; by default, 16 of small files.",
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
            "callback": option_values.source,
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
            "callback": option_values.pool,
            "metavar": "NAME",
            "section": "Azure",
            "show_default": "the stack's default pool",
            "help": "The pool of the stack to use.",
        },
    ),
    "max_cost": (
        ("--max-cost",),
        {
            "callback": option_values.money,
            "metavar": "AMOUNT",
            "section": "Azure",
            "help": (
                "Limit for the cost of a run: it is not started if the estimate is higher, and no more"
                " files are started once this much is spent."
            ),
        },
    ),
    "price_per_hour": (
        ("--price-per-hour",),
        {
            "callback": option_values.money,
            "metavar": "AMOUNT",
            "section": "Azure",
            "show_default": "Azure's public price of the day",
            "help": "Price of a node per hour, Spot or not.",
        },
    ),
    "currency": (
        ("--currency",),
        {
            "callback": option_values.currency,
            "metavar": "CODE",
            "section": "Azure",
            "help": "Currency of prices and limits, such as EUR.",
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
