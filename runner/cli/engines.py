"""Make the engine of a place, as the options want it."""

from dataclasses import dataclass, field

from runner.cli.where import Place
from runner.engine import Engine
from runner.local import LocalEngine, usable_cores
from runner.media.ffmpeg import Limits


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the options say about how a run is done; each engine takes what concerns it."""

    ffmpeg: str
    jobs: int = field(default_factory=usable_cores)
    """Local workers."""
    retries: int = 2
    limits: Limits = field(default_factory=Limits)
    replace: bool = False
    """Whether targets that are there may be replaced."""
    upload: str = "auto"
    transfers: int = 4
    keep: bool = False
    detach: bool = False


def make_engine(place: Place, wishes: Wishes) -> Engine:
    """The engine of *place*."""
    if place.session is None:
        return LocalEngine(
            ffmpeg=wishes.ffmpeg,
            jobs=wishes.jobs,
            retries=wishes.retries,
            limits=wishes.limits,
            replace=wishes.replace,
        )
    from runner.azure.flight import Options  # noqa: PLC0415 - the Azure clients take 0.5 s

    return place.session.engine(
        Options(
            ffmpeg=wishes.ffmpeg,
            upload=wishes.upload,
            retries=wishes.retries,
            seconds=wishes.limits.seconds,
            transfers=wishes.transfers,
            keep=wishes.keep,
            detach=wishes.detach,
            replace=wishes.replace,
        )
    )
