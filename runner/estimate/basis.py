"""What estimates are based on: earlier runs, measurements on parts, guesses."""

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from runner.costs import covered
from runner.estimate.speeds import Timing
from runner.formatting import count_text
from runner.ledger import Ledger
from runner.media.recipe import Recipe
from runner.records import AttemptRecord, RunRecord

ENOUGH = 0.8
"""Of the media must be of a kind that the ledger knows; else this machine is measured."""
MEASURED, CALIBRATED, GUESS = 0.15, 0.25, 1.0
"""How far estimates of each kind may be off, as a share."""
END = 0.2
"""Seconds between the end of a run and that of its command."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What an estimate is based on."""

    words: str
    error: float
    """How far it may be off, as a share."""


@dataclass(frozen=True, slots=True)
class History:
    """The earlier runs of one recipe."""

    attempts: tuple[AttemptRecord, ...]
    runs: Mapping[str, RunRecord]

    @classmethod
    def of(cls, ledger: Ledger, recipe: Recipe) -> "History":
        """Return all of them in *ledger*."""
        return cls(
            tuple(ledger.attempts.earlier(recipe)), {run.id: run for run in ledger.runs.all()}
        )

    def where(self, is_it: Callable[[RunRecord], bool]) -> "History":
        """Return those of the runs for which *is_it* is true."""
        good = {name: run for name, run in self.runs.items() if is_it(run)}
        return History(tuple(a for a in self.attempts if a.run in good), good)

    @property
    def timings(self) -> list[Timing]:
        """How long its files took."""
        return [
            Timing(
                os.path.splitext(a.source)[1].lower(),
                a.source_size / a.media_seconds,
                a.media_seconds,
                a.seconds,
                a.size,
            )
            for a in self.attempts
            if a.media_seconds and a.source_size and a.size
        ]

    @property
    def words(self) -> str:
        """How much there is."""
        runs = len({attempt.run for attempt in self.attempts})
        return f"{count_text(len(self.attempts), 'file')} in {count_text(runs, 'earlier run')}"

    def rate(self, step: str, size: Callable[[AttemptRecord], int | None]) -> float | None:
        """Bytes a second while *step* went on, in all runs together."""
        spans = defaultdict(list)
        total = 0
        for attempt in self.attempts:
            for done in attempt.steps:
                if done.name == step and (moved := size(attempt)):
                    spans[attempt.run].append((done.began, done.ended))
                    total += moved
        seconds = sum(map(covered, spans.values()))
        return total / seconds if seconds > 0 and total else None

    @property
    def starts(self) -> list[float]:
        """The seconds in which each run's first task waited for a node."""
        queued, began = defaultdict(list), defaultdict(list)
        for a in self.attempts:
            if a.queued and a.began:
                queued[a.run].append(a.queued.timestamp())
                began[a.run].append(a.began.timestamp())
        return [max(0.0, min(began[run]) - min(queued[run])) for run in queued]


def median(values: Sequence[float]) -> float:
    """Return the middle one of *values*, which must not be empty."""
    # Python's own takes 10 ms to import, at each start
    return sorted(values)[len(values) // 2]
