"""The options that choose where a run is done: this machine, or the Azure environment of a Pulumi stack."""

from collections.abc import Callable

import click

from runner.cli.options import Command, option

WHERE = ("auto", "local", "azure")


def stack_options(command: Command) -> Command:
    """`--stack` and `--outputs`."""
    for add in (
        option(
            "--outputs",
            metavar="FILE",
            section="Azure",
            help="A file with the stack's outputs, from `pulumi stack output --json`.",
        ),
        option(
            "--stack",
            metavar="NAME",
            section="Azure",
            show_default="the selected one",
            help="The Pulumi stack to use.",
        ),
    ):
        command = add(command)
    return command


def where_options(command: Command) -> Command:
    """`--where`, `--stack` and `--outputs`."""
    return _where("Where to convert")(stack_options(command))


def where_the_run_is_options(command: Command) -> Command:
    """The same, for commands about a run that exists."""
    return _where("Where the run is")(stack_options(command))


def _where(question: str) -> Callable[[Command], Command]:
    return option(
        "--where",
        type=click.Choice(WHERE),
        default="auto",
        section="Azure",
        help=f"{question}; auto: on Azure if a deployed stack is selected, else here.",
    )
