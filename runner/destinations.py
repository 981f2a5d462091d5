"""Where results go: a folder, or names in a container, which also has the memory of what was done."""

import hashlib
import os
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.addresses import BlobAddress, signature_of
from runner.conversions import Conversions
from runner.errors import TransientError, UsageError
from runner.formatting import printable
from runner.media.failures import ConversionError
from runner.media.paths import AZURE, below
from runner.media.target import OURS
from runner.models import Conversion, Failure, Kind, LeftOut, Plan
from runner.result_blobs import ours_in, prefix_of, result_blob
from runner.selection import FoundFile

if TYPE_CHECKING:
    from runner.azure.accounts import Accounts
    from runner.azure.results import CloudResults
    from runner.azure.session import Session
    from runner.azure.shared_lock import SharedLock
    from runner.existing_target import Targets
    from runner.ledger import Ledger

_FOLDERS = "clouds"
"""Below the user's state folder: one for each destination in a container."""


@dataclass(frozen=True)
class Destination:
    """Where the results of runs are, and what is known about them."""

    folder: Path
    """Of the ledger; without an address, of the results too."""
    cloud: "CloudResults | None" = None

    @property
    def address(self) -> BlobAddress | None:
        """Where results stay in Azure storage."""
        return self.cloud.address if self.cloud else None

    def __str__(self) -> str:
        return str(self.address or self.folder)

    @property
    def shown(self) -> Path | str:
        """In full, for pages that are read elsewhere."""
        return str(self.address) if self.address else self.folder.absolute()

    def target_at(self, file: str) -> str:
        """Return the name in the ledger of the result *file*; empty if it is not a result."""
        if self.address is None:
            target = below(os.path.abspath(file), os.path.abspath(self.folder))
            return target.replace(os.sep, "/") if target else ""
        start = f"{str(self.address).rstrip('/')}/"
        return file.removeprefix(start) if file.startswith(start) else ""

    def targets(self) -> "Targets | None":
        """Return the existing results; None if the ledger and the folder tell."""
        if self.cloud is None:
            return None
        from runner.cloud_targets import CloudTargets  # noqa: PLC0415 - for Azure

        return CloudTargets(self.cloud.address, self.cloud.listing)

    @contextmanager
    def open(self) -> "Iterator[Ledger]":
        """Open the ledger for a run, or create it.

        Raises:
            RunnerError: The destination cannot be used, or another runner uses it.
        """
        lock = self._fetched(for_run=True)
        with _ledgers().open(self.folder) as ledger:
            ledger.lock = lock or ledger.lock
            ledger.results_stay = lock is not None
            yield ledger

    @contextmanager
    def read(self, *, for_run: bool = False) -> "Iterator[Ledger]":
        """Open the ledger to look something up; *for_run* if a run follows.

        Raises:
            UsageError: There is none.
        """
        lock = self._fetched(for_run=for_run)
        if not _ledgers().exists(self.folder):
            raise UsageError(f"no runs in {self}: give the output folder with -o")
        with _ledgers().read(self.folder) as ledger:
            ledger.lock = lock or ledger.lock
            ledger.results_stay = lock is not None
            yield ledger

    @contextmanager
    def read_if_any(self) -> "Iterator[Ledger]":
        """Open the ledger; an empty one in memory if there is none."""
        lock = self._fetched()
        with _ledgers().if_any(self.folder) as ledger:
            ledger.lock = lock or ledger.lock
            ledger.results_stay = lock is not None
            yield ledger

    def peek(self) -> "Ledger":
        """Open the ledger read-only."""
        lock = self._fetched()
        ledger = _ledgers().peek(self.folder)
        ledger.results_stay = lock is not None
        return ledger

    def planned(self, plan: Plan) -> Plan:
        """*plan*, which was made for the folder, for here: no result takes the place of its source."""
        if self.address is None:
            return plan
        left_out = list(plan.left_out)
        kept = array("I")
        conversions = Conversions.of(plan.conversions)
        for index, conversion in enumerate(conversions):
            if self._overwrites(conversion):
                why = "its result would overwrite it; choose another place with -o"
                left_out.append(LeftOut(conversion, Failure(Kind.NAME, why)))
            else:
                kept.append(index)
        return replace(
            plan,
            conversions=conversions.only(kept),
            left_out=tuple(left_out),
            address=self.address,
        )

    def _overwrites(self, conversion: Conversion) -> bool:
        assert self.address is not None
        with suppress(ConversionError):
            return str(result_blob(self.address, conversion.target)) == conversion.source.path
        return False

    def without_results(self, found: Iterable[FoundFile]) -> Iterator[FoundFile]:
        """Return those in *found* that no run has made here: sources may lie in the destination."""
        if self.cloud is None:
            yield from self._without_files(found)
            return
        start = str(self.cloud.address.named(prefix_of(self.cloud.address)))
        ours = str(self.cloud.address.named(ours_in(self.cloud.address)))
        made: set[str] | None = None
        for one in found:
            path = one.source.path
            if path.startswith(start):
                made = self._made() if made is None else made
                if path in made or path.startswith(ours):
                    continue
            yield one

    def _without_files(self, found: Iterable[FoundFile]) -> Iterator[FoundFile]:
        if not (self.folder / OURS).exists():  # what knows of results takes time to import
            yield from found
            return
        from runner.earlier_results import EarlierResults  # noqa: PLC0415 - see above

        with _ledgers().peek(self.folder) as ledger:
            earlier = EarlierResults(ledger)
            yield from (one for one in found if one.source.path not in earlier)

    def _made(self) -> set[str]:
        """The addresses of all results in the cloud."""
        assert self.cloud is not None
        address = self.cloud.address
        return {
            str(address.named(name))
            for name, blob in self.cloud.listing()
            if blob.made_from is not None
        }

    def abandon(self, ledger: "Ledger", run: str) -> None:
        """Write into *ledger* that nobody takes *run* up again.

        A runner that is at work there will see by itself that it was cancelled.
        """
        if self.cloud is None:
            ledger.runs.abandon(run)
            return
        with suppress(TransientError), ledger.lock.held_for(run):
            ledger.runs.abandon(run)

    def has_ledger(self) -> bool:
        """Return whether there was ever a run."""
        self._fetched()
        return _ledgers().exists(self.folder)

    def _fetched(self, *, for_run: bool = False) -> "SharedLock | None":
        """Return the lock of a destination in a container, once its ledger has been downloaded."""
        if self.cloud is None:
            return None
        from runner.azure.shared_ledger import SharedLedger  # noqa: PLC0415 - for Azure
        from runner.azure.shared_lock import SharedLock  # noqa: PLC0415 - as above

        shared = SharedLedger(self.cloud, self.folder)
        lock = SharedLock(shared)
        if for_run:
            lock.wait_until_free()
        shared.fetch()
        return lock


def _ledgers() -> "type[Ledger]":
    from runner.ledger import Ledger  # noqa: PLC0415 - files are looked for before

    return Ledger


def find_destination(
    place: Path | str,
    options: dict[str, Any],
    session: 'Callable[[], "Session | None"]' = lambda: None,
) -> Destination:
    """Return the destination that *place* means: a folder, or an address in Azure storage.

    Its account is that of the stack that *session* uses, or that *options* name, where the address
    names none.

    Raises:
        UsageError: It can mean nothing.
        RunnerError: It cannot be found out what it means.
    """
    if isinstance(place, Path):
        return Destination(place)
    from runner.azure.installation import require_clients  # noqa: PLC0415 - for Azure alone

    require_clients()
    _refuse_signature(place)
    found = session()
    return cloud_destination(place, found.accounts if found else _accounts(place, options))


def _refuse_signature(place: str) -> None:
    if signature_of(place):
        raise UsageError(
            "-o takes no signature (SAS): nodes would need it, too, and keep it; sign in with `az login`, "
            "and name the container in `writeContainers`"
        )


def cloud_destination(place: str, accounts: "Accounts") -> Destination:
    """The destination at the address *place*, in one of *accounts*.

    Raises:
        UsageError: It can mean nothing.
        RunnerError: It cannot be found out what it means.
    """
    from platformdirs import user_state_path  # noqa: PLC0415 - for Azure

    from runner.azure.results import CloudResults  # noqa: PLC0415 - the Azure clients take 0.5 s

    _refuse_signature(place)
    address = accounts.resolve(place)
    name = address.name.rstrip("/")
    if any(part in ("", ".", "..") for part in name.split("/")) and name:
        raise UsageError(f"-o {printable(place)}: an output folder cannot have this name")
    address = address.named(name)
    key = hashlib.blake2b(str(address).encode(), digest_size=12).hexdigest()
    folder = user_state_path("runner", appauthor=False) / _FOLDERS / key
    return Destination(folder, CloudResults(address, accounts))


def _accounts(place: str, options: dict[str, Any]) -> "Accounts":
    from runner.azure.accounts import Accounts  # noqa: PLC0415 - the Azure clients take 0.5 s
    from runner.azure.stack import choose_stack  # noqa: PLC0415 - starts Pulumi, perhaps

    if not place.startswith(AZURE):
        return Accounts()
    stack, outputs = options.get("stack"), options.get("outputs")
    return Accounts(choose_stack(stack, outputs).deployment)
