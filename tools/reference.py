"""Write docs/reference.md from the program itself: commands, options, presets, exit codes, outputs.

python tools/reference.py
"""

import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from runner.azure.deployment import Deployment
from runner.azure.pools import Pool
from runner.cli import cli
from runner.cli.help import Command
from runner.errors import ExitCode
from runner.media.film import plain_arguments
from runner.presets import BUILT_IN

TARGET = Path(__file__).parents[1] / "docs" / "reference.md"


def reference() -> str:
    """The whole document."""
    parts = [
        "# Reference",
        "This page is made by `python tools/reference.py` from the program itself, and a test checks it.",
        *_commands(),
        "## Presets",
        *_presets(),
        "## Exit codes",
        _table(("code", "meaning"), [(str(int(code)), code.meaning) for code in ExitCode]),
        "## Outputs of the stack",
        "What `runner` reads from `pulumi stack output --json`: "
        + _names(Deployment, "chosen")
        + "; and of each in `pools`: "
        + _names(Pool)
        + ".",
    ]
    return "\n\n".join(parts) + "\n"


def _names(kind: type[Any], *left_out: str) -> str:
    return ", ".join(f"`{each.name}`" for each in fields(kind) if each.name not in left_out)


def _commands() -> Iterator[str]:
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        with click.Context(command, info_name=f"runner {name}") as inner:
            usage = " ".join([inner.command_path, *command.collect_usage_pieces(inner)])
            assert isinstance(command, Command) or not any(
                isinstance(parameter, click.Option) for parameter in command.params
            ), f"{name} has options, and no sections for them"
            sections = [*command.sections(inner)] if isinstance(command, Command) else []
        yield f"## `{usage}`"
        yield (command.help or "").split("\n\n")[0].replace("\n", " ")
        for section, records in sections:
            rows = [
                (f"`{_escaped(names)}`", _escaped(text))
                for names, text in records
                if "--help" not in names
            ]
            if rows:
                yield _table((section, ""), rows)


def _presets() -> Iterator[str]:
    yield _table(
        ("name", "makes", "ffmpeg's arguments"),
        [
            (
                f"`{p.name}`",
                f"`{p.suffix}`: {p.summary}",
                f"`{_escaped(shlex.join(plain_arguments(p.recipe())))}`",
            )
            for p in BUILT_IN.values()
        ],
    )


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


if __name__ == "__main__":
    if sys.argv[1:] == ["-"]:
        sys.stdout.buffer.write(reference().encode())
    else:
        TARGET.write_text(reference(), encoding="utf-8")
