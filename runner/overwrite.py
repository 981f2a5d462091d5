"""Decide what to do about existing targets: leave them, check them, or convert again."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from itertools import islice
from pathlib import Path

from runner.engine import awaited, starting_threads
from runner.existing_target import ExistingTarget, Targets
from runner.folder_targets import FolderTargets
from runner.ledger import Ledger
from runner.media.failures import ConversionError
from runner.media.hashing import sha256_of
from runner.media.paths import mtime_ns_of
from runner.media.target import from_os, is_used_up, target_path
from runner.media.verify import check_existing
from runner.models import Conversion, Event, Failure, Kind, Plan, Result, State, TargetState
from runner.records import KnownFailure, StoredResult


class Action(Enum):
    """What to do about one conversion."""

    CONVERT = "convert"
    REPLACE = "replace"
    """Convert it, and replace the existing file."""
    UP_TO_DATE = "up to date"
    CHECK = "check"
    """The target exists, and the ledger does not say that it is this conversion."""
    KEEP = "keep"
    """The target is out of date, and may not be replaced."""
    FAILED_BEFORE = "failed before"
    """It failed because of its source, and neither that nor the settings have changed."""
    REFUSED = "refused"
    """The target was made with a notice, which `--strict` does not accept."""
    NAME_TOO_LONG = "name too long"
    """The destination's file system does not allow such a name."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about one conversion, and why."""

    action: Action
    why: str = ""
    """Why the existing file is kept or refused, or cannot exist."""
    replaces: TargetState | None = None
    """The state of the file to be replaced."""


_CONVERT = Decision(Action.CONVERT)
_UP_TO_DATE = Decision(Action.UP_TO_DATE)
_CHECK = Decision(Action.CHECK)
_FAILED_BEFORE = Decision(Action.FAILED_BEFORE)
_AHEAD = 4
"""Files a worker that wait to be checked."""
_AT_ONCE = 250
"""Files that are looked up in the ledger with one query."""
_NOT_OURS = "there is no record that runner made it"


@dataclass(frozen=True)
class OverwritePolicy:
    """Decides about conversions whose targets exist."""

    ledger: Ledger
    ffmpeg: str = ""
    """Checks what the ledger does not know."""
    overwrite: str = "auto"
    """As in `RunOptions`."""
    jobs: int = 1
    made_with: str = ""
    """The program that converts. Failures found with the same one are not tried again; "" tries all again."""
    planned_now: bool = True
    """Whether the plan has the current state of the sources, not that of when the run began."""
    targets: Targets | None = None
    """Where the results are; None for the plan's folder."""

    def has(self, destination: Path, conversion: Conversion) -> bool:
        """Return whether the ledger says that *conversion* made its target in *destination*."""
        decision = self.decide(Plan("", destination, ()), conversion)
        return decision.action in (Action.UP_TO_DATE, Action.REFUSED)

    def decide(self, plan: Plan, conversion: Conversion) -> Decision:
        """Decide from names, times and what is written down alone; opens no media."""
        return self._decide(self._targets_of(plan), conversion)

    def decisions(self, plan: Plan) -> Iterator[tuple[Conversion, Decision]]:
        """Decide about all conversions of *plan*, in its order."""
        targets = self._targets_of(plan)
        coming = iter(plan.conversions)
        while some := list(islice(coming, _AT_ONCE)):
            targets.expect([conversion.target for conversion in some])
            for conversion in some:
                yield conversion, self._decide(targets, conversion)

    def _decide(self, targets: Targets, conversion: Conversion) -> Decision:
        try:
            there = targets.find(conversion.target)
        except ConversionError as error:
            if error.failure.kind is Kind.NAME:
                return Decision(Action.NAME_TOO_LONG, error.failure.message)
            return _CONVERT  # the conversion will say what is wrong with the name
        if there is None:
            return _FAILED_BEFORE if self._is_known(conversion) else _CONVERT
        decision = self._about(conversion, there)
        if decision is _CHECK and not targets.can_be_opened:
            what = "it was changed after it was made" if there.record else _NOT_OURS
            return Decision(Action.KEEP, f"{what}; --overwrite always replaces it")
        return decision

    def _targets_of(self, plan: Plan) -> Targets:
        return self.targets or FolderTargets(self.ledger, plan.destination)

    def _about(self, conversion: Conversion, there: ExistingTarget) -> Decision:
        """Decide what to do where something already has the target's name."""
        if self.overwrite == "always":
            return Decision(Action.REPLACE, replaces=there.state)
        record = there.record
        if record is not None and _out_of_date(record, conversion):
            return self._about_an_outdated(conversion, record, there)
        if record is None or not there.is_as_made:
            is_newer = conversion.source.mtime_ns > there.mtime_ns
            may_replace = self.overwrite == "if-newer" and is_newer
            return Decision(Action.REPLACE, replaces=there.state) if may_replace else _CHECK
        if conversion.recipe.strict and record.notices:
            why = f"converted before, but --strict refuses it: {'; '.join(record.notices)}"
            return Decision(Action.REFUSED, why)
        return _UP_TO_DATE

    def _about_an_outdated(
        self, conversion: Conversion, record: StoredResult, there: ExistingTarget
    ) -> Decision:
        """Decide what to do where the target was made from something else."""
        obstacle = self._obstacle(conversion, record, there)
        if self.overwrite == "if-newer":
            may_replace = there.is_as_made or conversion.source.mtime_ns > there.mtime_ns
        else:
            may_replace = self.overwrite == "auto" and not obstacle
        if not may_replace:
            mode = "always" if obstacle else "auto"
            why = f"{_out_of_date(record, conversion)}{obstacle}; --overwrite {mode} replaces it"
            return Decision(Action.KEEP, why)
        if self._is_known(conversion):
            return _FAILED_BEFORE
        return Decision(Action.REPLACE, replaces=there.state)

    def _obstacle(self, conversion: Conversion, record: StoredResult, there: ExistingTarget) -> str:
        """Return why `--overwrite auto` keeps what is *there* although it is out of date; else ""."""
        if not there.is_as_made:
            return ", and it was changed after it was made"
        if not record.is_ours:
            return f", but {_NOT_OURS}"
        if not self.planned_now and record.source.mtime_ns > conversion.source.mtime_ns:
            return ", but from a newer version of its source"
        return ""

    def failed(self, conversion: Conversion, decision: Decision) -> Event:
        """Return the failure of a conversion that is not tried because of *decision*."""
        if decision.action is Action.NAME_TOO_LONG:
            failure = Failure(Kind.NAME, decision.why)
            return Event(conversion=conversion, state=State.FAILED, failure=failure)
        if decision.why:
            return _kept(conversion, decision.why)
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
        if not self._known:
            return False
        known = self._known.get(_key(conversion))
        source = conversion.source
        return (
            known is not None
            and self.overwrite != "always"
            and (
                (known.source_size, known.source_mtime_ns, known.source_etag, known.recipe)
                == (source.size, source.mtime_ns, source.etag, conversion.recipe.identity)
            )
        )

    def check(self, plan: Plan, conversions: Iterable[Conversion]) -> Iterator[Event]:
        """Open targets and sources, and yield for each pair whether the target was made from the source.

        The events come in the order of *conversions*, of which a few are looked at ahead.
        """
        coming = iter(conversions)
        checks: deque[Future[Event]] = deque()
        with ThreadPoolExecutor(self.jobs) as pool:
            try:
                while True:
                    with starting_threads():
                        for one in islice(coming, _AHEAD * self.jobs - len(checks)):
                            made = self._sha256_made(one)
                            checks.append(pool.submit(self._check, plan, one, made))
                    if not checks:
                        return
                    yield awaited(checks.popleft())
            finally:
                for check in checks:
                    check.cancel()

    def _check(self, plan: Plan, conversion: Conversion, made: str) -> Event:
        """Open the target of *conversion*; *made* is the SHA-256 of the file that runner made there."""
        if conversion.source.is_blob:  # comparing their lengths would mean reading all of it
            why = "nothing shows that the file there was made from this blob"
            return _kept(conversion, f"{why}; --overwrite always replaces it")
        try:
            path = target_path(plan.destination, conversion.target)
            check_existing(self.ffmpeg, conversion.source.path, path, conversion.recipe)
            status = os.stat(path)
            # a file that was touched, or copied without its time, is still runner's own
            sha256 = made if made and sha256_of(path) == made else ""
            result = Result(size=status.st_size, mtime_ns=mtime_ns_of(status), sha256=sha256)
        except OSError as error:
            if is_used_up(error):
                return Event(
                    conversion=conversion, state=State.FAILED, failure=from_os(error).failure
                )
            return _kept(conversion, f"the file there cannot be read: {error.strerror}")
        except ConversionError as error:
            if error.failure.kind is not Kind.INPUT:
                return Event(conversion=conversion, state=State.FAILED, failure=error.failure)
            why = f"the file there is not this conversion ({error.failure.message}); --overwrite always replaces it"
            return _kept(conversion, why)
        return Event(conversion=conversion, state=State.UP_TO_DATE, result=result)

    def _sha256_made(self, conversion: Conversion) -> str:
        """Return the SHA-256 of the file that runner made at the target, if the ledger has it."""
        record = self.ledger.find(conversion.target)
        return record.result.sha256 if record else ""


def _key(conversion: Conversion) -> tuple[str, str]:
    return conversion.target, conversion.source.path


def _kept(conversion: Conversion, why: str) -> Event:
    failure = Failure(Kind.INPUT, f"not replaced: {why}")
    return Event(conversion=conversion, state=State.FAILED, failure=failure)


def _out_of_date(record: StoredResult, conversion: Conversion) -> str:
    """Return why the result in *record* differs from what *conversion* would make; else ""."""
    # the path does not count: moving the sources does not change them
    before, now = record.source, conversion.source
    if (before.state, before.etag) != (now.state, now.etag):
        return "it was made from another version of its source"
    if record.recipe != conversion.recipe.fingerprint:
        return "it was made with other settings"
    return ""
