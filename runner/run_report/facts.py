"""Summarize what the ledger knows about one run. Pure: it turns records into numbers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from runner.costs import Cost, cost_of
from runner.models import NodeUse, State
from runner.records import AttemptRecord, RunRecord
from runner.storage_use import Retained

_ON_WORKERS = ("download", "convert", "verify", "upload")
_EARLIER = 3600.0
"""A node that was allocated longer before the run was made for another one."""


@dataclass(frozen=True, slots=True)
class Span:
    """The time that something took."""

    began: datetime
    ended: datetime

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.ended - self.began).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The outcomes of a run's files; the four add up to the selected files."""

    converted: int
    up_to_date: int
    failed: int
    left: int
    """Nothing is known about them: the run was interrupted, is still running, or left them to Azure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """The sizes of sources and results, in bytes."""

    files: int
    """Converted files whose sizes, of source and result, are known."""
    source: int
    result: int

    @property
    def saved(self) -> int:
        """How much smaller the results are; negative if they are larger."""
        return self.source - self.result


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What travelled to Azure, in bytes, as far as this is known."""

    files: int
    source: int
    """The size of the files that were to be converted."""
    sent: int


@dataclass(frozen=True)
class RunFacts:
    """One run with all of its attempts, in the order in which they ended."""

    run: RunRecord
    attempts: tuple[AttemptRecord, ...]
    uses: tuple[NodeUse, ...] = ()
    """The nodes that were seen while it was watched."""
    results_stay: bool = False
    """Whether its results stay in storage, so that none was downloaded."""

    @cached_property
    def cost(self) -> Cost | None:
        """What it used on Azure; None for a run on this machine."""
        if self.is_local or not (self.uses or self.attempts):
            return None
        retained = Retained(results=self.results_stay, sources=self.run.options.keep)
        return cost_of(self.uses, self.attempts, self.run.prices, retained)

    def steps_of(self, attempt: AttemptRecord) -> tuple[tuple[str, Span], ...]:
        """Return the steps of *attempt* that its worker did, and when."""
        ahead = self._ahead.total_seconds()
        found = (step for step in attempt.steps if step.name in _ON_WORKERS)
        return tuple((s.name, _span(s.began - ahead, s.ended - ahead)) for s in found)

    @property
    def boots(self) -> tuple[tuple[str, Span], ...]:
        """The nodes that were made for it, from their allocation to the end of their start task."""
        ahead, began = self._ahead.total_seconds(), self.run.started.timestamp() - _EARLIER
        found = {
            use.node: _span(use.allocated - ahead, use.ready - ahead)
            for use in self.uses
            if use.allocated and use.ready and began <= use.allocated - ahead <= use.ready - ahead
        }
        return tuple(found.items())

    @property
    def is_local(self) -> bool:
        """Whether the work was done on this machine."""
        return self.run.backend == "local"

    @cached_property
    def latest(self) -> tuple[AttemptRecord, ...]:
        """The newest attempt at each file."""
        newest: dict[tuple[str, str], AttemptRecord] = {}
        for attempt in self.attempts:
            known = newest.get((attempt.target, attempt.source))
            if known is None or known.number < attempt.number:
                newest[attempt.target, attempt.source] = attempt
        return tuple(newest.values())

    def that_ended(self, state: State) -> tuple[AttemptRecord, ...]:
        """Return the newest attempts at files that ended in *state*."""
        return tuple(attempt for attempt in self.latest if attempt.state is state)

    @cached_property
    def counts(self) -> Counts:
        """What became of the files.

        Of a run that was taken up again its own counts are those of the last command, to which all
        that was converted before is up to date; the attempts tell all.
        """
        converted = len(self.that_ended(State.CONVERTED))
        failed = len(self.that_ended(State.FAILED))
        rest = max(0, self.run.files - converted - failed)
        up_to_date = min(self.run.up_to_date, rest)
        return Counts(
            converted=converted, up_to_date=up_to_date, failed=failed, left=rest - up_to_date
        )

    @cached_property
    def duration(self) -> Span:
        """From the first that was written down of the run to the last, by this machine's clock."""
        moments = [self.run.started, *(attempt.ended for attempt in self.attempts)]
        if self.run.ended is not None:
            moments.append(self.run.ended)
        return Span(min(moments), max(moments))

    @cached_property
    def drawn(self) -> Span:
        """The time that holds all that is known of the run."""
        spans = [self.duration]
        for attempt in self.attempts:
            spans += filter(None, (self.span_of(attempt), self.wait_of(attempt)))
        spans += (span for _, span in self.boots)
        return Span(min(span.began for span in spans), max(span.ended for span in spans))

    @cached_property
    def _ahead(self) -> timedelta:
        """How far Azure's clock is ahead of this machine's, at least, on which all ends came later."""
        ends = (
            attempt.began + timedelta(seconds=attempt.seconds) - attempt.ended
            for attempt in self.attempts
            if attempt.began is not None and not self.is_local
        )
        return max(timedelta(), *ends, timedelta())

    def span_of(self, attempt: AttemptRecord) -> Span | None:
        """Return when a worker was busy with *attempt*; None if none was, or if it is not known."""
        took = timedelta(seconds=attempt.seconds)
        if attempt.began is not None:
            began = attempt.began - self._ahead
            return Span(began, began + took)
        # older ledgers have no begin; and a failure that is known from an earlier run has the time
        # that it took then
        began = attempt.ended - took
        return Span(began, attempt.ended) if took and began >= self.run.started else None

    def wait_of(self, attempt: AttemptRecord) -> Span | None:
        """Return when *attempt* waited for a node; None if it did not, or if it is not known."""
        if attempt.queued is None or attempt.began is None or attempt.began <= attempt.queued:
            return None
        return Span(attempt.queued - self._ahead, attempt.began - self._ahead)

    @cached_property
    def volume(self) -> Volume:
        """The bytes of what was converted."""
        sizes = [sizes for a in self.that_ended(State.CONVERTED) if (sizes := sizes_of(a))]
        return Volume(
            files=len(sizes),
            source=sum(source for source, _ in sizes),
            result=sum(result for _, result in sizes),
        )

    @cached_property
    def upload(self) -> Upload | None:
        """What was uploaded; None if that is not known."""
        known = [a for a in self.attempts if a.sent and a.source_size is not None]
        if not known:
            return None
        return Upload(
            files=len(known),
            source=sum(attempt.source_size or 0 for attempt in known),
            sent=sum(attempt.sent or 0 for attempt in known),
        )

    @cached_property
    def media_seconds(self) -> float:
        """The length of the media that were converted, in seconds, as far as it is known."""
        return sum(attempt.media_seconds or 0 for attempt in self.that_ended(State.CONVERTED))

    @cached_property
    def slowest(self) -> tuple[tuple[AttemptRecord, float], ...]:
        """The newest attempts that took longest first, with their seconds."""
        timed = ((a, span.seconds) for a in self.latest if (span := self.span_of(a)) is not None)
        return tuple(sorted(timed, key=lambda each: each[1], reverse=True))

    @cached_property
    def savings(self) -> tuple[tuple[AttemptRecord, int], ...]:
        """The results that are smaller than their sources, the most bytes saved first."""
        saved = ((a, s[0] - s[1]) for a in self.that_ended(State.CONVERTED) if (s := sizes_of(a)))
        return tuple(sorted((s for s in saved if s[1] > 0), key=lambda s: s[1], reverse=True))

    @cached_property
    def repeated(self) -> tuple[AttemptRecord, ...]:
        """The attempts at files that took more than one."""
        several = {(a.target, a.source) for a in self.latest if a.number > 1}
        found = (a for a in self.attempts if (a.target, a.source) in several)
        return tuple(sorted(found, key=lambda a: (a.source, a.target, a.number)))


def _span(began: float, ended: float) -> Span:
    moments = (datetime.fromtimestamp(each, UTC).astimezone() for each in (began, ended))
    return Span(*moments)


def sizes_of(attempt: AttemptRecord) -> tuple[int, int] | None:
    """Return the bytes of its source and of its result, if both are known."""
    if attempt.source_size is None or attempt.size is None:
        return None
    return attempt.source_size, attempt.size


def total_seconds(spans: Iterable[Span]) -> float:
    """Return the total length of *spans*."""
    return sum(span.seconds for span in spans)
