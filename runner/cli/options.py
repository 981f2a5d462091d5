"""Options that several commands share, each also an environment variable `RUNNER_…`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from runner.settings import read_settings

Command = TypeVar("Command", bound=Callable[..., Any])


def option(*names: str, **details: Any) -> Callable[[Command], Command]:
    """A click option that an environment variable of its long name sets too."""
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    variable = "RUNNER_" + long.removeprefix("--").replace("-", "_").upper()
    return click.option(*names, **{"envvar": variable, "show_default": True, **details})


def destination_option() -> Callable[[Command], Command]:
    """`-o DIR`: the folder of the results, which also holds the ledger."""
    return option(
        "-o",
        "--out",
        "destination",
        type=click.Path(path_type=Path, file_okay=False),
        default=_destination,
        show_default="out",
        metavar="DIR",
        help="Folder of the results.",
    )


def _destination() -> Path:
    """What the settings say for `convert`: all commands look into the same folder."""
    return Path(str(read_settings().convert.get("out", "out")))


def run_argument() -> Callable[[Command], Command]:
    """`[RUN]`: the name of a run, or how it starts."""
    return click.argument("name", metavar="[RUN]", required=False)
