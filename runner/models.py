"""The words of a run: what is converted into what, and what happens to it on the way."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from runner.addresses import BlobAddress
from runner.media.failures import Failure, Kind
from runner.media.paths import is_address
from runner.media.recipe import Recipe
from runner.result_blobs import shown_result

__all__ = [
    "CloudStatus",
    "Conversion",
    "Event",
    "Execution",
    "Failure",
    "Kind",
    "LeftOut",
    "NodeUse",
    "Plan",
    "Recipe",
    "Report",
    "Result",
    "Source",
    "SourceOutcome",
    "State",
    "Step",
]

# Typical bytes a second by suffix, to weigh files before anybody looked inside. Only the order of
# magnitude matters: a WAV is not ten times as long as an MP3 of its size, but a tenth.
_BYTES_A_SECOND = {
    **dict.fromkeys((".mp3", ".m4a", ".m4b", ".aac", ".ogg", ".oga", ".opus", ".wma"), 20_000),
    **dict.fromkeys((".flac", ".ape", ".wv"), 100_000),
    **dict.fromkeys((".wav", ".aif", ".aiff"), 176_000),
}
_VIDEO_BYTES_A_SECOND = 500_000


FileState = tuple[int, int]
"""A file's size in bytes and its mtime in nanoseconds, which tell whether it is still the same."""

TargetState = FileState | str
"""What tells whether a result is still the same: of a file its state, of a blob its ETag."""


@dataclass(frozen=True, slots=True)
class Source:
    """A media file as it was found: on this machine, or a blob in Azure storage."""

    path: str
    """Absolute; of a blob its address, as `BlobAddress` writes it."""
    size: int
    """Bytes; -1 where it could not be looked at."""
    mtime_ns: int
    etag: str = ""
    """Of a blob: tells this version of it from any other."""

    @property
    def is_blob(self) -> bool:
        """Whether it lies in Azure storage, and not on this machine."""
        return is_address(self.path)

    @property
    def state(self) -> FileState | None:
        """As it was found; none where it could not be looked at."""
        return None if self.size < 0 else (self.size, self.mtime_ns)

    @property
    def estimated_seconds(self) -> float:
        """A guess at its length from size and suffix, for ordering and for progress."""
        suffix = os.path.splitext(self.path)[1].lower()
        return max(self.size, 0) / _BYTES_A_SECOND.get(suffix, _VIDEO_BYTES_A_SECOND)


@dataclass(frozen=True, slots=True)
class Conversion:
    """One file to one file."""

    source: Source
    target: str
    """Relative to the destination, with `/`."""
    recipe: Recipe

    @property
    def id(self) -> str:
        """Stable: derived from what is converted, into what, and how. 24 hex digits."""
        source = self.source
        what = (source.path, source.size, source.mtime_ns, self.target, self.recipe.fingerprint)
        text = "\0".join(map(str, (*what, source.etag) if source.etag else what))
        return hashlib.blake2b(os.fsencode(text), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A conversion that was planned and is not to be tried, and why."""

    conversion: Conversion
    failure: Failure


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be converted into what."""

    id: str
    """Sortable and sayable, such as "20261122-1412-mossy-otter"."""
    destination: Path
    """The folder of the ledger and of what is not finished; without an address, of the results."""
    conversions: tuple[Conversion, ...]
    left_out: tuple[LeftOut, ...] = ()
    """Files that were selected and cannot be converted as they are named."""
    done: tuple[Conversion, ...] = ()
    """What the run is about besides, and nothing is left to do about."""
    replaces: Mapping[str, TargetState] = field(default_factory=dict)
    """The targets that may be replaced, each as long as what is there is in this state."""
    address: BlobAddress | None = None
    """Where results stay in Azure storage; none where they come to the folder."""

    def shown(self, target: str) -> str | Path:
        """Where *target* is, or will be."""
        return shown_result(self.address, target) if self.address else self.destination / target

    @property
    def files(self) -> int:
        """How many files were selected."""
        return len(self.conversions) + len(self.left_out)

    def verified_by(self, verify: str) -> "Plan":
        """The same plan, with its results checked otherwise."""
        recipes = {c.recipe.fingerprint: c.recipe for c in self.conversions}
        checked = {name: replace(recipe, verify=verify) for name, recipe in recipes.items()}
        conversions = (replace(c, recipe=checked[c.recipe.fingerprint]) for c in self.conversions)
        return replace(self, conversions=tuple(conversions))

    def longest_first(self) -> list[Conversion]:
        """Those first that take longest: a long one that starts last keeps all others waiting."""
        return sorted(self.conversions, key=lambda c: c.source.estimated_seconds, reverse=True)


class State(Enum):
    """What an event says of its conversion."""

    UPLOADING = "uploading"
    QUEUED = "queued"
    """Waits for a node."""
    RUNNING = "running"
    """Started, or further on."""
    DOWNLOADING = "downloading"
    CONVERTED = "converted"
    UP_TO_DATE = "up-to-date"
    """Its verified target is there already."""
    FAILED = "failed"
    RETRYING = "retrying"
    """This attempt failed; another one follows."""

    @property
    def is_final(self) -> bool:
        """Whether nothing follows."""
        return self in (State.CONVERTED, State.UP_TO_DATE, State.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A verified target."""

    size: int
    """Bytes."""
    sha256: str
    """Empty for one that was there already, and that this runner does not know to have made."""
    mtime_ns: int = 0

    @property
    def state(self) -> FileState:
        """As it was when it was verified."""
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
    """Where, when and by what an attempt was carried out, as far as it is known."""

    worker: str = ""
    """The id of the node; on this machine the worker, such as "worker 2"."""
    queued: float | None = None
    """When its task was in the queue, in seconds since the epoch."""
    began: float | None = None
    """When a worker or node took it up, in seconds since the epoch."""
    sent: int | None = None
    """Bytes that were uploaded for it."""
    ffmpeg: str = ""
    """The program on this machine, by its name; for a node `Event.versions` says it."""
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
    """Seconds of the media that are done."""
    media_total: float | None = None
    """Length of the media, in seconds, once it is known."""
    result: Result | None = None
    failure: Failure | None = None
    log: str = ""
    """ffmpeg's words, with a final state."""
    notices: tuple[str, ...] = ()
    """What was wrong without harming the result, a sentence each."""
    is_known: bool = False
    """Whether this failure was found by an earlier run, and the file was not tried again."""
    versions: str = ""
    """Of Python and ffmpeg on the node, where a node did it."""
    uncollected: bool = False
    """Whether it failed here only: what the node made of it stays in storage."""
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
    """Something about the run as a whole that the user should know now."""

    message: str
    """One line: what is, and what to do about it."""
    uncollected: int = 0
    """So many files of the run are left to be collected."""
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
    """Whether it is a Spot node; none where that is not known."""
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
    """How many nodes are in which state; none before anybody looked."""
    at: float = 0.0
    """When, in seconds of a clock that only goes forward."""


@dataclass(frozen=True, slots=True)
class Report:
    """How a run went."""

    plan: Plan
    results: tuple[Event, ...]
    """The final events, in the order in which they came."""
    seconds: float
    """Wall-clock time of the run."""
    sources: Mapping[str, int] = field(default_factory=dict)
    """How many sources were deleted, trashed, moved or kept, where they were not to stay."""

    def count(self, state: State) -> int:
        """How many conversions ended in *state*."""
        return sum(event.state is state for event in self.results)
