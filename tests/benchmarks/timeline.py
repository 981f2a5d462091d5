"""Where the seconds of a run on Azure go, as its ledger tells."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import mean

from runner.ledger import Ledger
from runner.models import Step
from runner.records import AttemptRecord


@dataclass(frozen=True)
class Attempt:
    """When the parts of an attempt were done, in seconds since the command began."""

    send: Step
    queued: float
    began: float
    download: Step
    convert: Step
    verify: Step
    upload: Step
    collect: Step

    @classmethod
    def of(cls, record: AttemptRecord, start: float) -> "Attempt":
        """Read *record*, of a run that began at *start*, in seconds since the epoch."""
        steps = {s.name: Step(s.name, s.began - start, s.ended - start) for s in record.steps}
        return cls(queued=_since(start, record.queued), began=_since(start, record.began), **steps)


def attempts_in(destination: Path, start: float) -> list[Attempt]:
    """Return the attempts of the only run in *destination*."""
    with Ledger.read(destination) as ledger:
        (run,) = ledger.runs.all()
        return [Attempt.of(record, start) for record in ledger.attempts.all(run.id)]


def moments(attempts: Iterable[Attempt], end: float) -> dict[str, float]:
    """Return what happened when."""
    all_ = list(attempts)
    return {
        "planned and signed in, the first copy begins": min(a.send.began for a in all_),
        "the first source is in storage": min(a.send.ended for a in all_),
        "the first task is added": min(a.queued for a in all_),
        "the last source is in storage": max(a.send.ended for a in all_),
        "the last task is added": max(a.queued for a in all_),
        "the last task ends": max(a.upload.ended for a in all_),
        "the last result is here": max(a.collect.ended for a in all_),
        "the command ends": end,
    }


def spans(attempts: Iterable[Attempt]) -> dict[str, float]:
    """Return how long the parts of an attempt took on average, in the order in which they come."""
    all_ = list(attempts)
    return {
        "copy of what is heard, and upload": mean(map(_length, (a.send for a in all_))),
        "until its task is added": mean(a.queued - a.send.ended for a in all_),
        "until a slot is free": mean(a.began - a.queued for a in all_),
        "download to the node, start of Python": mean(map(_length, (a.download for a in all_))),
        "conversion": mean(map(_length, (a.convert for a in all_))),
        "verification": mean(map(_length, (a.verify for a in all_))),
        "upload of result, record and logs": mean(map(_length, (a.upload for a in all_))),
        "until runner looks": mean(a.collect.began - a.upload.ended for a in all_),
        "download of record and result": mean(map(_length, (a.collect for a in all_))),
    }


def _length(step: Step) -> float:
    return step.ended - step.began


def _since(start: float, moment: datetime | None) -> float:
    assert moment is not None
    return moment.timestamp() - start
