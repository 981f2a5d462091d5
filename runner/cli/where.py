"""Decide where a run is done: here, or on the Azure environment of a Pulumi stack."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from runner import __version__
from runner.cli.options import Command, option
from runner.convert import Run
from runner.engine import Engine
from runner.errors import UnfitError
from runner.local import LocalEngine, identify

if TYPE_CHECKING:
    from runner.azure.session import Session

WHERE = ("auto", "local", "azure")


@dataclass(frozen=True)
class Place:
    """Where a run is done, and why there."""

    session: "Session | None"
    """On Azure."""
    why: str

    @property
    def name(self) -> str:
        """As the ledger has it."""
        return self.session.deployment.batch_account if self.session else "local"

    @property
    def words(self) -> str:
        """For people."""
        spot = self.session.deployment.place if self.session else "this machine"
        return f"on {spot} ({self.why})"

    def engine(self, run: Run, *, ffmpeg: str, jobs: int, detach: bool = False) -> Engine:
        """An engine for *run*; *jobs* are the workers of this machine."""
        if self.session is None:
            return LocalEngine(ffmpeg=ffmpeg, jobs=jobs, options=run.options)
        engine = self.session.engine(ffmpeg, run.options, detach=detach)
        return replace(engine, follow_up=run.follow_up)

    def made_with(self, ffmpeg: str) -> str:
        """What converts there: *ffmpeg* here, or the nodes' own."""
        return f"{__version__} {self.name}" if self.session else identify(ffmpeg)


def where_options(command: Command) -> Command:
    """`--where`, `--stack` and `--outputs`."""
    for add in (
        option(
            "--outputs",
            metavar="FILE",
            help="The stack's outputs, from `pulumi stack output --json`.",
        ),
        option("--stack", metavar="NAME", help="Which Pulumi stack.  [default: the selected one]"),
        option(
            "--where",
            type=click.Choice(WHERE),
            default="auto",
            help="auto: on Azure where a deployed stack is selected, else here.",
        ),
    ):
        command = add(command)
    return command


def find_place(options: dict[str, Any]) -> Place:
    """The place that the options of `where_options` mean.

    Raises:
        UnfitError: Azure is asked for, and there is no environment; or the one there is broken.
    """
    where, stack, outputs = options["where"], options["stack"], options["outputs"]
    if where == "local":
        return Place(None, "as --where says")
    from runner.azure.deployment import choose  # noqa: PLC0415 - starts Pulumi, perhaps

    choice = choose(stack, outputs)
    if choice.deployment is not None:
        return Place(_open(choice.deployment), choice.why)
    if where == "azure":
        advice = "deploy one with `pulumi up`, or name it with --stack or --outputs"
        raise UnfitError(f"--where azure: {choice.why}; {advice}")
    return Place(None, choice.why)


def find_session(options: dict[str, Any]) -> "Session":
    """The Azure environment that the options mean, for commands that make sense only there.

    Raises:
        UnfitError: There is none.
    """
    place = find_place({**options, "where": "azure"})
    assert place.session is not None
    return place.session


def _open(deployment: Any) -> "Session":
    from runner.azure.session import Session  # noqa: PLC0415 - the Azure clients take 0.5 s

    return Session(deployment)
