"""The data types of a run: what is converted into what, and what happens on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from runner.addresses import BlobAddress
from runner.conversions import Conversion, Conversions, FileState, Source
from runner.media.failures import Failure, Kind
from runner.media.recipe import Recipe
from runner.result_blobs import shown_result

__all__ = [
    "CloudStatus",
    "Conversion",
    "Event",
    "Execution",
    "Failure",
    "FileState",
    "Kind",
    "LeftOut",
    "NodeUse",
    "Plan",
    "Recipe",
    "Result",
    "Source",
    "SourceOutcome",
    "State",
    "Step",
]

TargetState = FileState | str
"""What tells whether a result is still the same: of a file its state, of a blob its ETag."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A planned conversion that will not be tried, and why."""

    conversion: Conversion
    failure: Failure


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be converted into what."""

    id: str
    """Sortable and easy to say, such as "20261122-1412-mossy-otter"."""
    destination: Path
    """The folder of the ledger and of unfinished files; also of the results, if there is no address."""
    conversions: Sequence[Conversion]
    left_out: tuple[LeftOut, ...] = ()
    """Files that were selected but cannot be converted because of their names."""
    done: Sequence[Conversion] = ()
    """Conversions that belong to the run and are already done."""
    replaces: Mapping[str, TargetState] = field(default_factory=dict)
    """The targets that may be replaced, each only while it is in this state."""
    address: BlobAddress | None = None
    """Where results stay in Azure storage; None if they are put into the folder."""

    def shown(self, target: str) -> str | Path:
        """Return where *target* is, or will be."""
        return shown_result(self.address, target) if self.address else self.destination / target

    @property
    def files(self) -> int:
        """The number of selected files."""
        return len(self.conversions) + len(self.left_out)

    def verified_by(self, verify: str) -> "Plan":
        """Return the same plan with another way of checking results."""
        table = Conversions.of(self.conversions)
        return replace(
            self, conversions=table.with_recipes(lambda recipe: replace(recipe, verify=verify))
        )

    def longest_first(self) -> Conversions:
        """Sort by length, longest first: a long file that starts last would keep everything waiting."""
        return Conversions.of(self.conversions).longest_first()


class State(Enum):
    """The state of a conversion in an event."""

    UPLOADING = "uploading"
    QUEUED = "queued"
    """Waiting for a node."""
    RUNNING = "running"
    """Started, or made progress."""
    DOWNLOADING = "downloading"
    CONVERTED = "converted"
    UP_TO_DATE = "up-to-date"
    """Its verified target already exists."""
    FAILED = "failed"
    RETRYING = "retrying"
    """This attempt failed; another one follows."""

    def __init__(self, word: str) -> None:
        # looked up once: it is asked four times for each of a million files
        self.is_final = word in ("converted", "up-to-date", "failed")
        """Whether this is the last event of the conversion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A verified target."""

    size: int
    """Bytes."""
    sha256: str
    """Empty for a file that existed already and that runner is not known to have made."""
    mtime_ns: int = 0

    @property
    def state(self) -> FileState:
        """The state of the file when it was verified."""
        return self.size, self.mtime_ns


@dataclass(frozen=True, slots=True)
class Step:
    """A part of an attempt, and when it was done, in seconds since the epoch."""

    name: str
    """One of `STEPS`."""
    began: float
    ended: float


STEPS = ("send", "download", "convert", "verify", "upload", "collect")
"""From here to storage, from there to the node, its work, to storage, and from there to here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Where, when and by which program an attempt was made, as far as known."""

    worker: str = ""
    """The id of the node, or on this machine the worker, such as "worker 2"."""
    queued: float | None = None
    """When its task was queued, in seconds since the epoch."""
    began: float | None = None
    """When a worker or node started it, in seconds since the epoch."""
    sent: int | None = None
    """Bytes that were uploaded for it."""
    ffmpeg: str = ""
    """The name of the program on this machine; for a node, see `Event.versions`."""
    steps: tuple[Step, ...] = ()
    """When its parts were done, as far as it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to one conversion; the final one is its result."""

    conversion: Conversion
    state: State
    attempt: int = 1
    seconds: float = 0.0
    """Time spent on this attempt so far, in seconds."""
    media_done: float = 0.0
    """Seconds of the media that were converted so far."""
    media_total: float | None = None
    """Length of the media in seconds, once known."""
    result: Result | None = None
    failure: Failure | None = None
    log: str = ""
    """ffmpeg's log, in a final state."""
    notices: tuple[str, ...] = ()
    """Problems that did not harm the result, one sentence each."""
    is_known: bool = False
    """Whether an earlier run found this failure, so that the file was not tried again."""
    versions: str = ""
    """Versions of Python and ffmpeg on the node, if a node did it."""
    uncollected: bool = False
    """Whether it only failed on this machine: the node's result stays in storage."""
    execution: Execution = Execution()


@dataclass(frozen=True, slots=True)
class SourceOutcome:
    """What became of one source after its conversion."""

    path: str
    state: str
    """"deleted", "trashed", "moved" or "kept"."""
    place: str = ""
    """Where it was moved to."""
    reason: str = ""
    """Why it was kept."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about the whole run that the user should know now."""

    message: str
    """One line: what happened, and what to do about it."""
    uncollected: int = 0
    """The number of files that are left to collect."""
    source: SourceOutcome | None = None
    """What it is about, where that is one source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUse:
    """A node of the pool while a run was watched, by the service's clock, in seconds since the epoch.

    Of the same node and `since` the newest counts.
    """

    node: str
    """Its id."""
    spot: bool | None
    """Whether it is a Spot node; None if that is not known."""
    since: float
    """When it was allocated, or the run first looked if that was later."""
    until: float
    """When it was last seen."""
    allocated: float | None = None
    ready: float | None = None
    """When its start task had ended."""


@dataclass(frozen=True, slots=True)
class CloudStatus(Notice):
    """How a run on Azure moves; it is shown, and not said."""

    sent: int = 0
    """Bytes, since the run began; so is the next."""
    received: int = 0
    nodes: tuple[tuple[str, int], ...] | None = None
    """How many nodes are in which state; None before the first look."""
    at: float = 0.0
    """When, in seconds of a clock that only goes forward."""
