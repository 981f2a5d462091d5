"""The files of a run that failed, those with the same reason together. Pure."""

from collections import defaultdict
from dataclasses import dataclass

from runner.formatting import printable, printable_text
from runner.models import State
from runner.reasons import common_text, pattern_of
from runner.records import AttemptRecord
from runner.run_report.facts import RunFacts
from runner.run_report.names import Names

_FIRST = 10
"""Files of a reason that are shown at once; the others are folded away."""
_MOST_LOGS = 100
"""The most files of which the end of the log is shown."""
_LINES = 15
_LONGEST_LINE = 400
"""Characters."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that was not converted."""

    name: str
    message: str
    """Empty if it is that of the reason."""
    attempts: int
    log: str


@dataclass(frozen=True, slots=True)
class FailedFiles:
    """The files that failed for one reason."""

    kind: str
    message: str
    shown: tuple[Failure, ...]
    folded: tuple[Failure, ...]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.shown) + len(self.folded)


def failed_files(facts: RunFacts, names: Names) -> tuple[FailedFiles, ...]:
    """Return the files that failed by their reasons, the most frequent one first."""
    found: dict[tuple[str, str], list[AttemptRecord]] = defaultdict(list)
    for attempt in facts.that_ended(State.FAILED):
        found[attempt.kind, pattern_of(attempt.message)].append(attempt)
    logs_of_each = max(1, _MOST_LOGS // max(1, len(found)))
    reasons = []
    for index, ((kind, pattern), attempts) in enumerate(
        sorted(found.items(), key=lambda each: -len(each[1]))
    ):
        logs = logs_of_each if index < _MOST_LOGS else 0
        message = common_text(pattern, {attempt.message for attempt in attempts})
        files = tuple(
            _failure(attempt, names, message, has_log=number < logs)
            for number, attempt in enumerate(attempts)
        )
        reasons.append(FailedFiles(kind, printable(message), files[:_FIRST], files[_FIRST:]))
    return tuple(reasons)


def _failure(attempt: AttemptRecord, names: Names, message: str, *, has_log: bool) -> Failure:
    return Failure(
        names.source(attempt),
        "" if attempt.message == message else printable(attempt.message),
        attempt.number,
        _end_of(attempt.log) if has_log else "",
    )


def _end_of(log: str) -> str:
    """Return the last lines of *log*; where there are errors and warnings, of these, as encoders end with statistics."""
    lines = printable_text(log).strip().split("\n")
    lines = [line for line in lines if "[info]" not in line] or lines
    cut = (line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…" for line in lines)
    return "\n".join(tuple(cut)[-_LINES:])
