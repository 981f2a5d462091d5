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


# Options of the commands that convert: one wording, one range, one environment variable each.
ffmpeg_option = option(
    "--ffmpeg", metavar="PATH", help="Which ffmpeg.  [default: the embedded one]"
)
jobs_option = option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    metavar="N",
    help="Files at a time.  [default: all cores]",
)
json_option = option(
    "--json", "as_json", is_flag=True, help="Write one JSON object a line to standard output."
)
keep_option = option(
    "--keep", is_flag=True, help="Leave the sources in Azure storage after the run."
)
quiet_option = option("-q", "--quiet", is_flag=True, help="Say only what fails.")
retries_option = option(
    "--retries",
    type=click.IntRange(0),
    default=2,
    metavar="N",
    help="More attempts after a passing fault.",
)
transfers_option = option(
    "--transfers",
    type=click.IntRange(1, 64),
    default=4,
    metavar="N",
    help="Files that travel at a time, each way.",
)
