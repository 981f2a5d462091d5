"""What came of a run, counted: of a million files, nobody can keep every event."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.models import Event, Plan, State
from runner.reasons import Reason, ReasonCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The outcome of a run."""

    plan: Plan
    counts: Mapping[State, int]
    """How many conversions ended in each final state."""
    seconds: float
    """Wall-clock time of the run."""
    media_seconds: float = 0.0
    """Of what was converted; so are the next two."""
    bytes_in: int = 0
    bytes_out: int = 0
    failures: tuple[Reason, ...] = ()
    """Why files failed, most frequent reason first."""
    notices: tuple[Reason, ...] = ()
    """The notices about converted files, most frequent first."""
    with_notices: int = 0
    """How many files were converted with a notice."""
    sources: Mapping[str, int] = field(default_factory=dict)
    """How many sources were deleted, trashed, moved or kept, where they were not to stay."""

    def count(self, state: State) -> int:
        """Return how many conversions ended in *state*."""
        return self.counts.get(state, 0)

    @property
    def left(self) -> int:
        """How many conversions have not ended."""
        return self.plan.files - sum(self.counts.values())


class Totals:
    """Adds up the final events of a run."""

    def __init__(self) -> None:
        self.counts: Counter[State] = Counter()
        self._media_seconds = 0.0
        self._bytes_in = self._bytes_out = self._with_notices = 0
        self._failures, self._notices = ReasonCounts(), ReasonCounts()

    def add(self, event: Event) -> None:
        """Take in a final *event*."""
        self.counts[event.state] += 1
        source = event.conversion.source
        if event.failure is not None:
            self._failures.add_failure(event.failure, source.path)
        elif event.notices:
            self._with_notices += 1
            for notice in event.notices:
                self._notices.add("notice", notice, source.path)
        if event.state is State.CONVERTED:
            self._media_seconds += event.media_done
            self._bytes_in += max(source.size, 0)
            self._bytes_out += event.result.size if event.result else 0

    def report(self, plan: Plan, seconds: float, sources: Mapping[str, int]) -> Report:
        """What came of *plan* in *seconds*; *sources* says what became of those that were not to stay."""
        return Report(
            plan=plan,
            counts=self.counts,
            seconds=seconds,
            media_seconds=self._media_seconds,
            bytes_in=self._bytes_in,
            bytes_out=self._bytes_out,
            failures=tuple(self._failures.by_frequency()),
            notices=tuple(self._notices.by_frequency()),
            with_notices=self._with_notices,
            sources=sources,
        )
