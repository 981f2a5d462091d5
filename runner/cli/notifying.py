"""`--notify`: post what came of a run, and keep the address to ourselves."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from runner.addresses import SIGNATURE, signature_of, without_signature
from runner.cli.options import Command, option
from runner.cli.output import say
from runner.errors import ExitCode, UsageError
from runner.followup import joined

if TYPE_CHECKING:
    from runner.notify import Address

_NAME = "--notify"


def _address(_: click.Context, __: click.Parameter, value: str | None) -> "Address | None":
    if not value:
        return None
    from runner.notify import Address  # noqa: PLC0415 - HTTP clients take 20 ms to import

    try:
        return Address.parse(value)
    except ValueError as error:
        raise UsageError(f"{_NAME}: {error}") from None


notify_option: Callable[[Command], Command] = option(
    _NAME,
    metavar="URL",
    callback=_address,
    show_default=False,
    help=(
        "Post the summary to this address when the run ends, as JSON that Slack and Teams also take."
        " Prefer RUNNER_NOTIFY: other users of this machine can see command lines."
    ),
)


def typed_command() -> str:
    """Return the command as typed, without the address to notify and without signatures (SAS): the ledger keeps it."""
    words, hides = [], False
    for word in sys.argv[1:]:
        if hides:
            words.append("…")
        else:
            words.append(f"{_NAME}=…" if word.startswith(f"{_NAME}=") else _shown(word))
        hides = word == _NAME and not hides
    return joined(["runner", *words])


def _shown(word: str) -> str:
    return f"{without_signature(word)}?{SIGNATURE}" if signature_of(word) else word


def notify(
    address: "Address | None", lines: Sequence[str], facts: Mapping[str, Any], exit_code: ExitCode
) -> None:
    """Post how a run ended, where an address is given; what goes wrong with that is said, and no more."""
    if address is None:
        return
    from runner.notify import Patience, post_within  # noqa: PLC0415 - as above

    # somebody who pressed Ctrl-C can press it once more
    in_a_hurry = exit_code is ExitCode.INTERRUPTED
    patience = Patience(each=4.0, whole=5.0) if in_a_hurry else Patience()
    title = f"runner: {exit_code.meaning}"
    if why := post_within(address, address.body([title, *lines], facts), patience):
        say(f"Warning: the notification was not sent: {why}")
