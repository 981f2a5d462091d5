"""What to do about targets that are there already: leave them, check them, or make them anew."""

import os
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum

from runner.ledger import Ledger
from runner.media.failures import ConversionError
from runner.media.target import target_path
from runner.media.verify import check_existing
from runner.media.worker import sha256_of
from runner.models import Conversion, Event, Failure, Kind, Plan, Result, State
from runner.records import Record


class Verdict(Enum):
    """What is to be done about one conversion."""

    CONVERT = "convert"
    UP_TO_DATE = "up to date"
    CHECK = "check"
    """Something has the target's name, and nobody wrote down what it is."""
    STALE = "stale"
    """The target was made from another source or with other settings, and is to be kept."""


@dataclass(frozen=True)
class Existing:
    """Sorts out conversions whose targets are there."""

    ledger: Ledger
    ffmpeg: str
    """Checks what the ledger does not know."""
    overwrite: str = "never"
    """As in `RunOptions`."""
    jobs: int = 1

    def judge(self, plan: Plan, conversion: Conversion) -> Verdict:
        """Decide from names, times and the ledger alone; opens no media."""
        try:
            path = target_path(plan.destination, conversion.target)
            status = os.stat(path, follow_symlinks=False)
        except (OSError, ConversionError):
            return Verdict.CONVERT  # who converts says what is wrong about the name
        if self.overwrite == "always" or stat.S_ISDIR(status.st_mode):
            return Verdict.CONVERT
        record = self.ledger.find(conversion.target)
        unchanged = record is not None and (record.result.size, record.result.mtime_ns) == (
            status.st_size,
            status.st_mtime_ns,
        )
        if record is None or not unchanged:
            newer = conversion.source.mtime_ns > status.st_mtime_ns
            return Verdict.CONVERT if newer and self.overwrite == "if-newer" else Verdict.CHECK
        if _made_from(record) == (
            conversion.source.size,
            conversion.source.mtime_ns,
            conversion.recipe.fingerprint,
        ):
            return Verdict.UP_TO_DATE
        return Verdict.STALE if self.overwrite == "never" else Verdict.CONVERT

    def check(self, plan: Plan, conversions: Iterable[Conversion]) -> Iterator[Event]:
        """Open targets and sources, and yield for each pair whether the one is made of the other."""
        with ThreadPoolExecutor(self.jobs) as pool:
            yield from pool.map(lambda conversion: self._check(plan, conversion), conversions)

    def _check(self, plan: Plan, conversion: Conversion) -> Event:
        try:
            path = target_path(plan.destination, conversion.target)
            check_existing(self.ffmpeg, conversion.source.path, path, conversion.recipe)
            status = os.stat(path)
            result = Result(
                size=status.st_size, mtime_ns=status.st_mtime_ns, sha256=sha256_of(path)
            )
        except OSError as error:
            return _kept(conversion, f"its name is taken: {error.strerror}")
        except ConversionError as error:
            if error.failure.kind is not Kind.INPUT:
                return Event(conversion=conversion, state=State.FAILED, failure=error.failure)
            why = f"another file has its name ({error.failure.message}); --overwrite always replaces it"
            return _kept(conversion, why)
        return Event(conversion=conversion, state=State.UP_TO_DATE, result=result)


def stale(conversion: Conversion) -> Event:
    """The failure of a conversion whose target is out of date, and is not to be overwritten."""
    why = "made from an older source or with other settings; --overwrite if-newer replaces it"
    return _kept(conversion, why)


def _kept(conversion: Conversion, why: str) -> Event:
    failure = Failure(Kind.INPUT, f"kept what is there: {why}")
    return Event(conversion=conversion, state=State.FAILED, failure=failure)


def _made_from(record: Record) -> tuple[int, int, str]:
    # not its path: who moves the sources has not changed them
    return record.source.size, record.source.mtime_ns, record.recipe
