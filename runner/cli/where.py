"""The options that choose where a run is done: this machine, or the Azure environment of a Pulumi stack."""

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
    return option(
        "--where",
        type=click.Choice(WHERE),
        default="auto",
        section="Azure",
        help="Where to convert; auto: on Azure if a deployed stack is selected, else here.",
    )(stack_options(command))
