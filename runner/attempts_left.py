"""The attempts of a run that are left: each conversion once, and those again that failed for a while."""

from collections import deque
from collections.abc import Sequence

from runner.models import Conversion


class AttemptsLeft:
    """A queue of attempts, each with its number; a million of them take no room of their own."""

    def __init__(self, conversions: Sequence[Conversion]) -> None:
        """*conversions* come in their order, and before those that are tried again."""
        self._conversions = conversions
        self._next = 0
        self._again: deque[tuple[Conversion, int]] = deque()

    def __len__(self) -> int:
        return len(self._conversions) - self._next + len(self._again)

    def take(self) -> tuple[Conversion, int]:
        """Take out the next one."""
        if self._next == len(self._conversions):
            return self._again.popleft()
        self._next += 1
        return self._conversions[self._next - 1], 1

    def put(self, conversion: Conversion, number: int) -> None:
        """Add attempt *number* at *conversion*, behind all others."""
        self._again.append((conversion, number))

    def clear(self) -> None:
        """Take out all."""
        self._next = len(self._conversions)
        self._again.clear()
