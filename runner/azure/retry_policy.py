"""Which conversions on Azure are tried once more."""

from runner.azure.context import WorkItem
from runner.errors import TransientError
from runner.models import Failure, Kind

_TRANSIENT_IN_A_ROW = 12
"""So many transfers that fail one after the other are the network's fault, and not a file's."""


class RetryPolicy:
    """Which failures are tried once more, and when the network itself is at fault."""

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._faults = 0

    def may_try_again(self, item: WorkItem, failure: Failure) -> bool:
        """Whether another attempt at the conversion of *item* may end otherwise."""
        if failure.kind is Kind.ENVIRONMENT:
            return item.is_earlier  # it may have been repaired since
        return failure.kind is Kind.TRANSIENT and item.retried < self._retries

    def count_fault(self, error: TransientError) -> None:
        """Count a transfer that failed; raises *error* after too many in a row."""
        self._faults += 1
        if self._faults >= _TRANSIENT_IN_A_ROW:
            raise error

    def succeeded(self) -> None:
        """A transfer went well: the network is not at fault."""
        self._faults = 0
