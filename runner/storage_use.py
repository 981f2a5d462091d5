"""What a run does with blob storage, and what that costs. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from runner.models import Event, State, Step
from runner.prices import StoragePrices
from runner.records import AttemptRecord

_SINGLE_PUT, _BLOCK = 16 << 20, 8 << 20
"""Bytes; larger blobs travel in blocks, one operation each: see `runner.azure.clients`."""
_MONTH = 730 * 3600.0
"""Seconds of a month, as Azure's bills have it."""
_DAY = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageUse:
    """Operations of each price, and what lies there."""

    writes: int = 0
    reads: int = 0
    others: int = 0
    uploaded: int = 0
    """Bytes of sources that are deleted once they are converted."""
    byte_seconds: float = 0.0
    """Bytes of sources times the seconds until then."""
    stays: int = 0
    """Bytes that stay until `runner clean`: of results, and of sources with `--keep`."""

    def __add__(self, other: Self) -> Self:
        return type(self)(
            writes=self.writes + other.writes,
            reads=self.reads + other.reads,
            others=self.others + other.others,
            uploaded=self.uploaded + other.uploaded,
            byte_seconds=self.byte_seconds + other.byte_seconds,
            stays=self.stays + other.stays,
        )

    def amount(self, prices: StoragePrices) -> float:
        """Return what it costs, without what stays there afterwards."""
        operations = (
            self.writes * prices.writes + self.reads * prices.reads + self.others * prices.others
        )
        kept = self.uploaded * (prices.soft_delete_days or 0) * _DAY
        months = (self.byte_seconds + kept) / _MONTH
        return operations / 10_000 + months / 1e9 * prices.gigabyte_month

    def a_month(self, prices: StoragePrices) -> float:
        """Return what that which stays there costs a month."""
        return self.stays / 1e9 * prices.gigabyte_month


NOTHING = StorageUse()
OF_A_RUN = StorageUse(writes=3, reads=2, others=1)
"""Its plan is stored, listed (at the price of a write) and read; the worker is asked for, and stored by the first run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retained:
    """What stays in storage of a run."""

    results: bool = False
    """Whether results are stored at their final address in the cloud, so that none is downloaded."""
    sources: bool = False
    """Whether uploaded sources are kept (`--keep`)."""


NOTHING_RETAINED = Retained()


def use_of_file(
    sent: int | None, result: int | None, seconds: float, retained: Retained
) -> StorageUse:
    """Return what one attempt at one file does; the operations were counted on the emulator.

    Which has which price: https://learn.microsoft.com/azure/storage/blobs/map-rest-apis-transaction-categories

    Args:
        sent: The bytes of the source, 0 if it was in storage already; None if another machine sent it.
        result: The bytes of its result, if there is one.
        seconds: How long the source lies in storage.
        retained: What stays there.
    """
    is_there = sent == 0
    # the node writes the record and two logs, and reads the worker and the source
    writes, reads, others = 3, 2, 0
    writes += 0 if is_there else _puts(sent or 0)
    reads += 1  # of the record, by us
    others += 1 if is_there else 0  # whether the source is still the same
    if result is not None:
        writes += _puts(result)
        reads += 0 if retained.results else max(1, -(-result // _BLOCK))
        others += 4 if retained.results else 0
    return StorageUse(
        writes=writes,
        reads=reads,
        others=others,
        uploaded=0 if retained.sources else sent or 0,
        byte_seconds=(sent or 0) * max(0.0, seconds),
        stays=(0 if retained.results else result or 0) + (sent or 0 if retained.sources else 0),
    )


def use_of_attempt(attempt: AttemptRecord, retained: Retained) -> StorageUse:
    """Return what *attempt* did."""
    if not attempt.worker:  # it did not get as far as a node
        return NOTHING
    result = attempt.size if attempt.state is State.CONVERTED else None
    seconds = _there_for(attempt.steps, attempt.seconds, attempt.ended.timestamp())
    return use_of_file(attempt.sent, result, seconds, retained)


def use_of_event(event: Event, now: float, retained: Retained) -> StorageUse:
    """Return what the attempt did that ended with *event*, if one did; *now* is in seconds since the epoch."""
    done = event.execution
    if not done.worker or not (event.state.is_final or event.state is State.RETRYING):
        return NOTHING
    size = event.result.size if event.result is not None else None
    seconds = _there_for(done.steps, event.seconds, now)
    return use_of_file(done.sent, size, seconds, retained)


def _there_for(steps: Iterable[Step], seconds: float, now: float) -> float:
    """Return for how long a source lay in storage: since it was sent, else as long as its task ran."""
    sent = [step.ended for step in steps if step.name == "send"]
    return max(0.0, now - sent[0]) if sent else seconds


def _puts(size: int) -> int:
    """Return the operations that store a blob of *size* bytes: one, or its blocks and their list."""
    return 1 if size <= _SINGLE_PUT else -(-size // _BLOCK) + 1
