"""Share this machine's cores among the files of a run that are converted at the same time."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from runner.conversions import Conversions
from runner.media.pieces import Split
from runner.options import AUTO, OFF
from runner.parallel import pieces_for, threads_for, usable_cores, useful_threads_of, workers_for


@dataclass(frozen=True, kw_only=True)
class CoreShares:
    """What each file of a run gets of the cores."""

    cores: int
    useful: int
    """The threads that one file makes good use of."""
    at_a_time: int
    """Files that are converted at the same time."""

    @classmethod
    def of(cls, conversions: Conversions, jobs: int | None) -> Self:
        """Share the cores among *conversions*, so many *jobs* at a time; None for as many as make good use of them."""
        cores, useful, files = usable_cores(), useful_threads_of(conversions), len(conversions)
        at_a_time = max(1, min(jobs or workers_for(files, cores, useful), files))
        return cls(cores=cores, useful=useful, at_a_time=at_a_time)

    def threads(self, running: int) -> int | None:
        """Return the threads of a file that begins now as one of *running*; None if it may take them all."""
        return threads_for(running, self.cores, self.useful)

    def split(self, running: int, wanted: str, folder: Path) -> Split | None:
        """Return how to encode the pieces of a film that begins now, in *folder*; None for one piece.

        *wanted* is `--split`.
        """
        if wanted == OFF:
            return None
        is_asked = wanted != AUTO
        at_a_time = pieces_for(running, self.cores, self.useful, asked=is_asked)
        if at_a_time < 2 and not is_asked:
            return None
        return Split(
            folder=str(folder),
            seconds=float(wanted) if is_asked else None,
            at_a_time=at_a_time,
            threads=threads_for(at_a_time * running, self.cores, self.useful),
        )
