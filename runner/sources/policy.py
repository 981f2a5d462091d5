"""Which sources of a run may go, and when: each after the last of its conversions, checked once more."""

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from runner.formatting import display_path
from runner.ledger import Ledger
from runner.media.failures import ConversionError
from runner.media.paths import mtime_ns_of
from runner.media.target import target_path
from runner.models import Conversion, Event, Notice, Plan, Result, SourceOutcome, State
from runner.source_choice import DONE, KEPT, MOVE, SourceChoice
from runner.source_records import ASKED, LEAVING, Identity, SourceRecord
from runner.sources.durable import ChangedError, NotNowError, ResultCheck, StaysError
from runner.sources.removal import as_it_is_now, remove_source

_A_LINK = "it is a link"
_IS_LINKED_TO = "another source is a link to it"
_FAILED = "a conversion of it failed"
_STAYS = (_A_LINK, _IS_LINKED_TO, _FAILED)


@dataclass
class _Group:
    """The sources that are one file, by whatever names, and their conversions."""

    records: list[SourceRecord] = field(default_factory=list)
    left: int = 0
    """Conversions without a final event."""
    stays: bool = False
    """Whether one of them failed."""
    results: list[tuple[Conversion, Result]] = field(default_factory=list)

    @property
    def is_refused(self) -> bool:
        """Whether nothing of it is touched, whatever comes of its conversions."""
        return any(record.reason in _STAYS for record in self.records)


class SourcePolicy:
    """What becomes of the sources of one run; without a wish of the user they stay, all of them."""

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        choice: SourceChoice,
        is_stopped: Callable[[], bool],
        *,
        planned_now: bool,
    ) -> None:
        """*planned_now* says that *plan* was made here and now, not read from storage."""
        self.counts: Counter[str] = Counter()
        self._plan = plan
        self._ledger = ledger
        self._choice = choice
        self._planned_now = planned_now
        self._check = ResultCheck(plan.destination, is_stopped)
        self._groups: dict[str, _Group] = {}
        """By path; several paths may have one group."""
        self._known_before: set[str] = set()
        """The sources of this run that were written down when it began for the first time."""

    def begin(self) -> Iterator[Notice]:
        """Write down how the sources are, before anybody reads them.

        A plan that comes from storage takes nothing away but what was written down here when its run
        began: whoever can write there must not choose files of this machine.
        """
        if not self._choice.removes:
            return
        if self._planned_now:
            self._known_before = {record.path for record in self._ledger.sources.of(self._plan.id)}
            self._ledger.sources.ask(_records_of(self._plan, self._choice))
        groups: dict[str, _Group] = {}
        for record in self._ledger.sources.of(self._plan.id):
            number = record.identity.file.rpartition(":")[2]
            group = groups.setdefault(
                record.identity.file if int(number) else record.path, _Group()
            )
            group.records.append(record)
            self._groups[record.path] = group
        for conversion in _conversions_of(self._plan):
            if known := self._groups.get(conversion.source.path):
                known.left += 1
        if not groups and not self._planned_now:
            yield Notice("the sources stay where they are: this is not where the run began")

    def after(self, event: Event) -> Iterator[Notice]:
        """Do what is to be done after the final *event* of a conversion; its result is in the ledger."""
        if not event.state.is_final:
            return
        group = self._groups.get(event.conversion.source.path)
        if group is None:
            yield from self._unknown(event)
            return
        group.left -= 1
        if event.state is State.FAILED:
            self._stays(group)
            return
        try:
            if not group.stays and not group.is_refused:
                group.results.append((event.conversion, self._result_of(event)))
        except StaysError as error:
            yield from self._kept(group, error)
        if group.left == 0 and not group.stays:
            yield from self._settle(group)

    def _unknown(self, event: Event) -> Iterator[Notice]:
        """Return what to say about a source that had already changed when the run began."""
        if self._choice.removes and self._planned_now and event.state is not State.FAILED:
            why = "it changed before it was read"
            yield self._say(SourceOutcome(event.conversion.source.path, KEPT, reason=why))

    def _stays(self, group: _Group) -> None:
        if not group.stays:
            self.counts[KEPT] += len(group.records)
        group.stays = True
        for record in group.records:
            if record.reason not in _STAYS:
                self._ledger.sources.set(replace(record, state=KEPT, reason=_FAILED))

    def _result_of(self, event: Event) -> Result:
        """Return the result that runner made from the source of *event*, in this run or an earlier one.

        Raises:
            StaysError: It did not, or the source may be another one since.
        """
        if event.state is State.CONVERTED and event.result is not None:
            return event.result
        conversion = event.conversion
        stored = self._ledger.find(conversion.target)
        if stored is None or not stored.is_ours or event.result is not None:
            raise StaysError("runner did not make its result as it is now")
        if stored.source.path != conversion.source.path:
            raise StaysError(f"its result was made from {display_path(stored.source.path)}")
        self._require_unchanged_since(conversion)
        return stored.result

    def _require_unchanged_since(self, conversion: Conversion) -> None:
        """Refuse a source that may be another one than that of its result, of an earlier run."""
        path, table = conversion.source.path, self._ledger.sources
        try:
            status = os.lstat(path)
        except OSError as error:
            raise StaysError("it is already gone") from error
        before = table.before(path, conversion.target)
        is_older = before and (before.run != self._plan.id or path in self._known_before)
        if before and is_older and before.identity.is_still(status):
            return
        read = table.converted_at(conversion.target)
        if read is None or status.st_ctime_ns > read * 1e9:
            advice = "--overwrite always converts it again"
            raise StaysError(f"it, or something about it, changed since it was converted; {advice}")

    def _settle(self, group: _Group) -> Iterator[Notice]:
        if group.is_refused:
            said = [record for record in group.records if record.reason in (_A_LINK, _IS_LINKED_TO)]
            yield from map(self._note, said)
            return
        for record in group.records:
            if record.state not in (ASKED, KEPT):
                continue
            try:
                done = self._remove(record, group.results)
            except NotNowError:
                return
            except StaysError as error:
                now = record if isinstance(error, ChangedError) else as_it_is_now(record)
                yield self._note(replace(now, state=KEPT, place="", reason=str(error)))
            else:
                yield self._note(done)

    def _remove(
        self, record: SourceRecord, results: list[tuple[Conversion, Result]]
    ) -> SourceRecord:
        if self._check.is_stopped():
            raise NotNowError
        for conversion, result in results:
            self._require_result(record, conversion, result)
        leaving = replace(record, state=LEAVING, place=self._place_of(record, results[0][0]))
        self._ledger.sources.set(leaving)
        try:
            remove_source(leaving, self._check.is_stopped)
        except NotNowError:
            self._ledger.sources.set(record)
            raise
        return replace(leaving, state=DONE[record.choice.action])

    def _require_result(self, record: SourceRecord, conversion: Conversion, result: Result) -> None:
        try:
            target = target_path(self._plan.destination, conversion.target)
        except ConversionError as error:
            raise StaysError(str(error)) from error
        status = self._check.require(target, result)
        if Identity.of(status).file == record.identity.file:
            raise StaysError("its result is the same file")

    def _place_of(self, record: SourceRecord, conversion: Conversion) -> str:
        """Return where it is moved to: below the chosen folder, at the same relative path as its result."""
        if record.choice.action != MOVE:
            return ""
        name = os.path.basename(record.path)
        folder = conversion.target.rpartition("/")[0]
        try:
            place = target_path(record.choice.folder, f"{folder}/{name}" if folder else name)
        except ConversionError as error:
            raise StaysError(str(error)) from error
        if os.path.lexists(place):
            raise StaysError(f"{display_path(place)} already exists")
        return place

    def _kept(self, group: _Group, why: StaysError) -> Iterator[Notice]:
        group.stays = True
        for record in group.records:
            yield self._note(replace(record, state=KEPT, place="", reason=str(why)))

    def _note(self, record: SourceRecord) -> Notice:
        self._ledger.sources.set(record)
        return self._say(SourceOutcome(record.path, record.state, record.place, record.reason))

    def _say(self, outcome: SourceOutcome) -> Notice:
        self.counts[outcome.state] += 1
        why = f": {outcome.reason}" if outcome.reason else ""
        to = f" to {display_path(outcome.place)}" if outcome.place else ""
        return Notice(f"{outcome.state} {display_path(outcome.path)}{to}{why}", source=outcome)


def _conversions_of(plan: Plan) -> Iterable[Conversion]:
    yield from plan.conversions
    yield from (one.conversion for one in plan.left_out)


def _records_of(plan: Plan, choice: SourceChoice) -> list[SourceRecord]:
    """Return the states of the sources of *plan*; those that must not be touched are recorded as kept from the start."""
    records: dict[str, SourceRecord] = {}
    linked: set[str] = set()
    for conversion in _conversions_of(plan):
        path = conversion.source.path
        with suppress(OSError):  # it fails, and stays
            status, is_link = os.stat(path), os.path.islink(path)
            identity = Identity.of(status)
            if (status.st_size, mtime_ns_of(status)) != conversion.source.state:
                continue  # whoever reads it now sees another one
            if is_link:
                linked.add(identity.file)
            if stat.S_ISREG(status.st_mode):
                why = _A_LINK if is_link else ""
                records[path] = SourceRecord(
                    plan.id, path, identity, choice, state=KEPT if why else ASKED, reason=why
                )
    return [
        replace(record, state=KEPT, reason=_IS_LINKED_TO)
        if record.identity.file in linked and record.reason != _A_LINK
        else record
        for record in records.values()
    ]
