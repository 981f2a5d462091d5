"""Decide which conversions on Azure are tried again."""

from runner.azure.work_items import WorkItem
from runner.errors import TransientError
from runner.models import Failure, Kind

_ROUNDS = 3
"""If each of those that travel at a time fails so often in a row, or as often as it may, the network is at
fault, not a file."""
_LEAST_FAULTS = 12


class RetryPolicy:
    """Decides which failures are retried, and when the network itself is at fault."""

    def __init__(self, retries: int, at_a_time: int) -> None:
        self._retries = retries
        self._most_faults = max(_LEAST_FAULTS, min(_ROUNDS, 1 + retries) * at_a_time)
        self._faults = 0

    def may_try_again(self, item: WorkItem, failure: Failure) -> bool:
        """Return whether another attempt at *item* may succeed."""
        if failure.kind is Kind.ENVIRONMENT:
            return item.is_earlier  # the source may have been fixed since
        return failure.kind is Kind.TRANSIENT and item.retried < self._retries

    def count_fault(self, error: TransientError) -> None:
        """Count a failed transfer; raise *error* after too many in a row."""
        self._faults += 1
        if self._faults >= self._most_faults:
            raise error

    def succeeded(self) -> None:
        """Note that a transfer succeeded, so the network works."""
        self._faults = 0
