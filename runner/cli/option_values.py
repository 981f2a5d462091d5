"""What the options of a command may be set to: the callbacks that read and check their values."""

import os
import re
from contextlib import suppress

import click

from runner.errors import UsageError
from runner.formatting import printable
from runner.media.paths import folder_fault
from runner.options import LONGEST_TIMEOUT, is_pool_name, is_split
from runner.prices import HIGHEST, is_currency
from runner.source_choice import MOVE, is_choice


def seconds(ctx: click.Context, parameter: click.Parameter, value: str | float) -> float | None:  # noqa: ARG001
    """Seconds; None for `auto`."""
    if value == "auto":
        return None
    with suppress(ValueError):
        if 0 < (seconds := float(value)) <= LONGEST_TIMEOUT:
            return seconds
    raise UsageError(f"--timeout {value}: use a number of seconds, or auto")


def source(ctx: click.Context, parameter: click.Parameter, value: str) -> str:  # noqa: ARG001
    """What to do with sources; folders are absolute then, as a run may be continued from elsewhere."""
    action, colon, folder = value.partition(":")
    if action == MOVE and folder:
        value = action + colon + os.path.abspath(os.path.expanduser(folder))
        if fault := folder_fault(value.removeprefix(action + colon)):
            raise UsageError(f"--source {printable(value)}: {fault}")
    if not is_choice(value):
        raise UsageError(f"--source {printable(value)}: use keep, trash, delete or move:DIR")
    return value


def money(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:  # noqa: ARG001
    """An amount of money, in the currency of the prices."""
    if value is None:
        return None
    with suppress(ValueError):
        if 0 <= (amount := float(value)) <= HIGHEST:
            return amount
    raise UsageError(
        f"{parameter.opts[0]} {printable(value)}: use an amount of money, such as 2.50"
    )


def currency(ctx: click.Context, parameter: click.Parameter, value: str) -> str:  # noqa: ARG001
    """The code of a currency, in capitals."""
    if is_currency(value.upper()):
        return value.upper()
    raise UsageError(f"--currency {printable(value)}: use a code of three letters, such as EUR")


def bits(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:  # noqa: ARG001
    """Bytes a second."""
    if value is None:
        return None
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]+)?) ?([kMG]?)bit/s", value)
    if found and (rate := float(found[1]) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[found[2]] / 8):
        return rate
    raise UsageError(f"--uplink {printable(value)}: use a speed such as 20Mbit/s")


def pool(ctx: click.Context, parameter: click.Parameter, value: str) -> str:  # noqa: ARG001
    """The name of a pool, "" for the default one."""
    if value and not is_pool_name(value):
        raise UsageError(f"--pool {printable(value)}: use the name of a pool of the stack")
    return value


def split(ctx: click.Context, parameter: click.Parameter, value: str) -> str:  # noqa: ARG001
    """`auto`, `off` or a number of seconds."""
    if not is_split(value):
        raise UsageError(
            f"--split {printable(value)}: use auto, off, or a number of seconds from 1"
        )
    return value
