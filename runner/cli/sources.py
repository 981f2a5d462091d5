"""`--source`: what becomes of sources, and whether the user has agreed to that."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from runner.cli.output import say
from runner.conversions import Conversions
from runner.errors import UsageError
from runner.formatting import bytes_text, count_text, display_path, printable
from runner.media.paths import below, resolved
from runner.media.target import OURS
from runner.models import Plan
from runner.options import RunOptions
from runner.source_choice import DELETE, KEEP, MOVE, TRASH, SourceChoice

_DOES = {DELETE: "delete", TRASH: "put into the trash", MOVE: "move"}


def agree_on_sources(
    plan: Plan, chosen: RunOptions, named: Iterable[str], *, yes: bool = False
) -> None:
    """See that what *chosen* says of the sources can be done, and that the user wants it.

    *named* are the folders and files on the command line.

    Raises:
        UsageError: It cannot, or nobody can be asked.
        click.Abort: The user does not want it.
    """
    choice = SourceChoice.parse(chosen.source)
    if not choice.removes:
        return
    if plan.address or Conversions.of(plan.conversions).blobs:
        raise UsageError(
            f"--source {choice.action} is for sources and results on this machine, not for those in a container"
        )
    if chosen.verify == "none":
        raise UsageError(
            f"--source {choice.action} is for verified results, and --verify none verifies nothing"
        )
    if choice.action == MOVE:
        _refuse_folder(choice.folder, plan, named)
    if not yes:
        _ask(choice, plan)


def _refuse_folder(folder: str, plan: Plan, named: Iterable[str]) -> None:
    """Refuse a *folder* to move sources to where the next run would find them, or nobody would.

    Raises:
        UsageError: It is one.
    """
    real, shown = resolved(folder), display_path(folder)
    for name in named:
        if os.path.isdir(name) and below(real, resolved(name)) is not None:
            raise UsageError(
                f"--source move:{shown} lies in {printable(name)}, where the next run would find the "
                "sources again: choose a folder outside"
            )
    folders = map(os.path.dirname, Conversions.of(plan.conversions).source_folders)
    if any(below(resolved(one), real) is not None for one in folders):
        raise UsageError(
            f"--source move:{shown}: there are sources in that folder; choose another one"
        )
    if below(real, resolved(os.path.join(plan.destination, OURS))) is not None:
        raise UsageError(f"--source move:{shown} is a folder of runner's own: choose another one")


def _ask(choice: SourceChoice, plan: Plan) -> None:
    size = Conversions.of(plan.conversions).bytes
    to = f" to {display_path(choice.folder)}" if choice.folder else ""
    sources = count_text(len(plan.conversions), "source")
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            f"--source {choice.action} would {_DOES[choice.action]} {sources}{to}, and there is no "
            "terminal to ask you on: add --yes"
        )
    question = f"{_DOES[choice.action]} {sources} ({bytes_text(size)}){to}, each once its result is verified?"
    click.confirm(question, abort=True, err=True)


def refuse_other_choice(asked: RunOptions, began: RunOptions) -> None:
    """Refuse what *asked* says of the sources, unless that is to keep them, or what the run *began* with.

    Raises:
        UsageError: It is something else: nobody wrote down which files they are.
    """
    if asked.source not in (KEEP, began.source):
        raise UsageError(
            f"--source {asked.source}: this run began with --source {began.source}; it can continue "
            "with that, or with keep"
        )


def put_sources_right(destination: Path) -> None:
    """Look after the sources that a killed run was about to take away; say what is to be known."""
    if not (destination / OURS).exists():
        return
    from runner.sources.recovery import put_right  # noqa: PLC0415 - it imports what few runs need

    for line in put_right(destination):
        say(line)
