"""Sources in Azure storage: their accounts are opened once there is one, and signatures kept out of sight."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from runner.addresses import SIGNATURE, BlobAddress, signatures_of, without_signature
from runner.blob_selection import BlobStore
from runner.errors import SetupError
from runner.models import Source

if TYPE_CHECKING:
    from runner.azure.accounts import Accounts
    from runner.cli.backend import Backend

_SIGNATURES = "signatures"


@dataclass
class BlobSources:
    """Where the sources of a command are that lie in storage."""

    options: dict[str, Any]
    """Those of `where_options` among them."""
    backend: "Callable[[], Backend]"
    signatures: dict[BlobAddress, str] = field(default_factory=dict)
    """Those (SAS) that came with addresses, which have them no longer."""

    @cached_property
    def _accounts(self) -> "Accounts":
        session = self.backend().session
        accounts = session.accounts if session is not None else self._accounts_from_here()
        accounts.signatures = self.signatures
        return accounts

    def _accounts_from_here(self) -> "Accounts":
        """Return the accounts for a run on this machine, including the stack's if there is one."""
        from runner.azure.installation import require_clients  # noqa: PLC0415 - for Azure alone

        require_clients()
        from runner.azure.accounts import Accounts  # noqa: PLC0415 - the clients take 0.5 s
        from runner.azure.stack import choose_stack  # noqa: PLC0415 - starts Pulumi, perhaps

        return Accounts(choose_stack(self.options["stack"], self.options["outputs"]).deployment)

    def open(self) -> BlobStore:
        """Return the store in which they are looked up."""
        accounts = self._accounts
        from runner.azure.listing import Listing  # noqa: PLC0415 - see above

        return Listing(accounts)

    def look_at(self, path: str) -> Source:
        """Return the blob at *path*, a source of an earlier run, as it is now."""
        accounts = self._accounts
        from runner.azure.listing import Listing, source_at  # noqa: PLC0415 - see above

        return source_at(path, Listing(accounts))

    def take_signatures(self, texts: Iterable[str]) -> list[str]:
        """*texts* without the signatures in those that are addresses; they are kept here."""
        texts = list(texts)
        self.signatures.update(signatures_of(texts))
        return list(map(without_signature, texts))

    def known_to(self, backend: "Backend") -> "Backend":
        """*backend*, which can read what was found here."""
        is_open = "_accounts" in self.__dict__
        return replace(backend, accounts=self._accounts) if is_open else backend


@contextmanager
def asking_for_signatures(commands: Iterable[str]) -> Iterator[None]:
    """Have an error say that sources need their signature again, where one of *commands*, which began the run, had one.

    Raises:
        SetupError: It says so, with the command.
    """
    try:
        yield
    except SetupError as error:
        began = next((command for command in commands if f"?{SIGNATURE}" in command), "")
        if not began:
            raise
        raise SetupError(
            f"{error}; the run's sources had a signature (SAS), which runner does not store: to continue, "
            f"run this command again, with the signature: `{began}`"
        ) from error


def put_signatures_away(
    ctx: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> tuple[str, ...]:
    """Take the signatures out of the addresses among *texts* before anything can show them."""
    ctx.meta[_SIGNATURES] = signatures_of(texts)
    return tuple(map(without_signature, texts))


def blob_sources(
    ctx: click.Context, options: dict[str, Any], backend: "Callable[[], Backend]"
) -> BlobSources:
    """Return the blob sources of the command in *ctx*, with the signatures that were set aside."""
    return BlobSources(options, backend, ctx.meta[_SIGNATURES])
