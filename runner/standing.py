"""What has the name of a result now, and where to ask."""

from dataclasses import dataclass
from typing import Protocol

from runner.models import TargetState
from runner.records import StoredResult


@dataclass(frozen=True, slots=True)
class Standing:
    """What has a target's name now."""

    state: TargetState
    mtime_ns: int
    record: StoredResult | None
    """What it was made from; none where nobody knows."""
    is_as_made: bool
    """Whether it is still as it was when that was written down."""


class Targets(Protocol):
    """Where the results of a run are."""

    @property
    def can_be_opened(self) -> bool:
        """Whether what is there can be looked into here, and so be held to its source."""

    def find(self, target: str) -> Standing | None:
        """What has the name of *target*.

        Raises:
            ConversionError: No result can have it.
        """
