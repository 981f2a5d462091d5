"""What has the name of a result now, and where to ask."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from runner.models import TargetState
from runner.records import StoredResult


@dataclass(frozen=True, slots=True)
class ExistingTarget:
    """What has a target's name now."""

    state: TargetState
    mtime_ns: int
    record: StoredResult | None
    """What it was made from; None if unknown."""
    is_as_made: bool
    """Whether it is still as it was when that was written down."""


class Targets(Protocol):
    """Where the results of a run are."""

    @property
    def can_be_opened(self) -> bool:
        """Whether existing results can be opened here, to compare them with their sources."""

    def expect(self, targets: Sequence[str]) -> None:
        """Hear that `find` is asked for these next, which may be looked up at once."""

    def find(self, target: str) -> ExistingTarget | None:
        """Return what has the name of *target*.

        Raises:
            ConversionError: No result can have it.
        """
