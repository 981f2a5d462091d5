"""The names of files and workers on the page: short, on one line, and harmless to the reader."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from runner.formatting import printable
from runner.media.paths import below
from runner.records import AttemptRecord


@dataclass(frozen=True, slots=True)
class Names:
    """Names relative to the common folder of all sources."""

    folder: str
    """Empty if there is none."""

    @classmethod
    def of(cls, attempts: Iterable[AttemptRecord]) -> "Names":
        """Return the names for the sources of *attempts*."""
        try:
            return cls(os.path.commonpath({os.path.dirname(each.source) for each in attempts}))
        except ValueError:  # none, or on several drives
            return cls("")

    def source(self, attempt: AttemptRecord) -> str:
        """Return the name of the source of *attempt*."""
        return printable((self.folder and below(attempt.source, self.folder)) or attempt.source)

    def worker(self, name: str) -> str:
        """A worker, or one that the ledger does not know."""
        return printable(name) or "worker not known"
