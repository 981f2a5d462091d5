"""The estimate of a run on this machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from runner.estimate.basis import CALIBRATED, END, ENOUGH, GUESS, MEASURED, Basis, History, median
from runner.estimate.calibration import Calibration
from runner.estimate.contents import Contents, FileContent
from runner.estimate.model import time_here
from runner.estimate.speeds import Speeds
from runner.formatting import count_text


@dataclass(frozen=True, slots=True)
class LocalEstimate:
    """The run on this machine."""

    seconds: float | None
    jobs: int
    basis: Basis


def estimate_here(
    found: Contents,
    history: History,
    jobs: int,
    measure: Callable[[Sequence[FileContent]], Calibration] | None = None,
    start: float = 0.0,
) -> tuple[LocalEstimate, Speeds | None]:
    """How long this machine takes; *measure* finds out, if it is given, what its ledger does not know.

    *start* is how many seconds a command takes before its run begins.
    """
    contents = found.files
    is_sound = any(content.conversion.recipe.media == "audio" for content in contents)
    past = history.where(lambda run: run.backend == "local")
    speeds = Speeds(past.timings, any_kind=is_sound)
    if len(speeds) and speeds.covers(contents) >= ENOUGH:
        basis = Basis(f"based on {past.words}", MEASURED + found.error)
    elif measure is None:
        return LocalEstimate(None, jobs, Basis("`runner plan` measures it", GUESS)), None
    else:
        measured = measure(contents)
        speeds = Speeds(measured.timings, any_kind=True)
        basis = Basis(
            f"measured on parts of {count_text(measured.files, 'file')}", CALIBRATED + found.error
        )
    if not len(speeds):
        return LocalEstimate(
            None, jobs, Basis("no file could be converted to measure it", GUESS)
        ), None
    seconds = start + time_here(speeds.times(contents), jobs) + _overhead_here(past) + END
    return LocalEstimate(seconds, jobs, basis), speeds


def _overhead_here(past: History) -> float:
    """Return the time that earlier runs took beyond that of their files."""
    beyond = []
    for run in past.runs.values():
        of_it = [a for a in past.attempts if a.run == run.id]
        if run.ended is None or run.exit_code or len(of_it) < run.files:
            continue
        workers = len({a.worker for a in of_it})
        took = (run.ended - run.started).total_seconds()
        beyond.append(took - time_here([a.seconds for a in of_it], workers))
    return max(0.0, median(beyond)) if beyond else 0.0
