"""What to do about targets that are there already: leave them, check them, or make them anew."""

import os
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path

from runner.engine import awaited, starting_threads
from runner.ledger import Ledger
from runner.media.failures import ConversionError
from runner.media.paths import below
from runner.media.target import from_os, is_used_up, target_path
from runner.media.verify import check_existing
from runner.media.worker import sha256_of
from runner.models import Conversion, Event, Failure, Kind, Plan, Result, State
from runner.records import KnownFailure, StoredResult


class Decision(Enum):
    """What is to be done about one conversion."""

    CONVERT = "convert"
    UP_TO_DATE = "up to date"
    CHECK = "check"
    """Something has the target's name, and nobody wrote down what it is."""
    STALE = "stale"
    """The target was made from another source or with other settings, and is to be kept."""
    FAILED_BEFORE = "failed before"
    """It failed for a reason that lies in the source, and neither that nor the settings changed."""
    REFUSED = "refused"
    """The target was made with a notice, which `--strict` does not take."""


@dataclass(frozen=True)
class Existing:
    """Sorts out conversions whose targets are there."""

    ledger: Ledger
    ffmpeg: str = ""
    """Checks what the ledger does not know."""
    overwrite: str = "never"
    """As in `RunOptions`."""
    jobs: int = 1
    made_with: str = ""
    """What converts. A failure that was found with it is not tried again; "" tries all again."""

    def has(self, destination: Path, conversion: Conversion) -> bool:
        """Whether the ledger knows the target of *conversion* in *destination* to be made of it."""
        decision = self.decide(Plan("", destination, ()), conversion)
        return decision in (Decision.UP_TO_DATE, Decision.REFUSED)

    def decide(self, plan: Plan, conversion: Conversion) -> Decision:
        """Decide from names, times and the ledger alone; opens no media."""
        try:
            path = target_path(plan.destination, conversion.target)
            status = os.stat(path, follow_symlinks=False)
        except ConversionError:
            return Decision.CONVERT  # who converts says what is wrong about the name
        except OSError:
            return Decision.FAILED_BEFORE if self._is_known(conversion) else Decision.CONVERT
        if self.overwrite == "always" or stat.S_ISDIR(status.st_mode):
            return Decision.CONVERT
        record = self.ledger.find(conversion.target)
        unchanged = record is not None and (record.result.size, record.result.mtime_ns) == (
            status.st_size,
            status.st_mtime_ns,
        )
        if record is None or not unchanged:
            newer = conversion.source.mtime_ns > status.st_mtime_ns
            return Decision.CONVERT if newer and self.overwrite == "if-newer" else Decision.CHECK
        if _made_from(record) == (
            conversion.source.size,
            conversion.source.mtime_ns,
            conversion.recipe.fingerprint,
        ):
            refused = conversion.recipe.strict and record.notices
            return Decision.REFUSED if refused else Decision.UP_TO_DATE
        return Decision.STALE if self.overwrite == "never" else Decision.CONVERT

    def failed(self, conversion: Conversion, decision: Decision) -> Event:
        """The failure of a conversion that is not tried, because of the *decision* about it."""
        if decision is Decision.STALE:
            why = (
                "made from an older source or with other settings; --overwrite if-newer replaces it"
            )
            return _kept(conversion, why)
        if decision is Decision.REFUSED:
            record = self.ledger.find(conversion.target)
            notices = "; ".join(record.notices) if record else ""
            return _kept(conversion, f"converted before, but --strict refuses it: {notices}")
        known = self._known[_key(conversion)]
        return Event(
            conversion=conversion,
            state=State.FAILED,
            failure=Failure(known.kind, known.message),
            is_known=True,
        )

    @cached_property
    def _known(self) -> dict[tuple[str, str], KnownFailure]:
        return self.ledger.known_failures(self.made_with) if self.made_with else {}

    def _is_known(self, conversion: Conversion) -> bool:
        known = self._known.get(_key(conversion))
        source = conversion.source
        return (
            known is not None
            and self.overwrite != "always"
            and (
                (known.source_size, known.source_mtime_ns, known.recipe)
                == (source.size, source.mtime_ns, conversion.recipe.identity)
            )
        )

    def check(self, plan: Plan, conversions: Iterable[Conversion]) -> Iterator[Event]:
        """Open targets and sources, and yield for each pair whether the one is made of the other."""
        with ThreadPoolExecutor(self.jobs) as pool:
            with starting_threads():
                checks = [pool.submit(self._check, plan, conversion) for conversion in conversions]
            try:
                yield from map(awaited, checks)
            finally:
                for check in checks:
                    check.cancel()

    def _check(self, plan: Plan, conversion: Conversion) -> Event:
        try:
            path = target_path(plan.destination, conversion.target)
            check_existing(self.ffmpeg, conversion.source.path, path, conversion.recipe)
            status = os.stat(path)
            result = Result(
                size=status.st_size, mtime_ns=status.st_mtime_ns, sha256=sha256_of(path)
            )
        except OSError as error:
            if is_used_up(error):
                return Event(
                    conversion=conversion, state=State.FAILED, failure=from_os(error).failure
                )
            return _kept(conversion, f"its name is taken: {error.strerror}")
        except ConversionError as error:
            if error.failure.kind is not Kind.INPUT:
                return Event(conversion=conversion, state=State.FAILED, failure=error.failure)
            why = f"the file there is not this conversion ({error.failure.message}); --overwrite always replaces it"
            return _kept(conversion, why)
        return Event(conversion=conversion, state=State.UP_TO_DATE, result=result)


def is_result(path: str, ledger: Ledger) -> bool:
    """Whether an earlier run made *path*: a destination may be the folder of the sources itself."""
    target = below(path, os.path.abspath(ledger.destination))
    return target is not None and ledger.find(target.replace(os.sep, "/")) is not None


def _key(conversion: Conversion) -> tuple[str, str]:
    return conversion.target, conversion.source.path


def _kept(conversion: Conversion, why: str) -> Event:
    failure = Failure(Kind.INPUT, f"not replaced: {why}")
    return Event(conversion=conversion, state=State.FAILED, failure=failure)


def _made_from(record: StoredResult) -> tuple[int, int, str]:
    # not its path: who moves the sources has not changed them
    return record.source.size, record.source.mtime_ns, record.recipe
