"""`runner completion`: the script for completion in a shell."""

import click
from click.shell_completion import get_completion_class

from runner import cli
from runner.errors import UsageError

_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """Print the completion script of a shell: bash, zsh or fish.

    For bash: echo 'eval "$(runner completion bash)"' >> ~/.bashrc
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"no completion for {shell}")
    click.echo(kind(cli.cli, {}, "runner", "_RUNNER_COMPLETE").source())
