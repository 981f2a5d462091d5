"""What the steps of a run on Azure share: its options, its blob names, and its tasks in Batch."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runner.addresses import BlobAddress
from runner.azure.add_tasks import TaskAdder
from runner.azure.blobs import Blobs
from runner.azure.flac_copies import FlacCopies
from runner.azure.jobs import Jobs
from runner.azure.names import BlobNames, TaskName
from runner.azure.node_reads import NodeReads
from runner.azure.pace import Pace
from runner.azure.results import CloudResults
from runner.azure.stack import Deployment
from runner.azure.stored import StoredRun
from runner.azure.task_spec import StayingResult
from runner.conversions import Conversions
from runner.media.pieces import Cut
from runner.media.target import Replaceable
from runner.models import Conversion, Event, NodeUse, Notice, Step, TargetState
from runner.moved_results import MoveNotes
from runner.options import RunOptions
from runner.result_blobs import result_blob


@dataclass(slots=True, eq=False)
class WorkItem:
    """One conversion in progress; only one thread uses it at a time.

    A million of them may wait in Batch, so each has its place in the table of all, and no conversion of its own.
    """

    conversions: Conversions
    place: int
    attempt: int = 1
    retried: int = 0
    """Extra attempts that this runner has made."""
    is_earlier: bool = False
    """Whether another runner made this attempt, before it was interrupted."""
    is_undecided: bool = False
    """Whether the submitter waits to hear if there is another attempt: this one was cut off."""
    tries: int = 0
    """The number of this attempt's transfers that failed with a temporary error."""
    blob: str = ""
    """The blob of its source, once uploaded."""
    sent: int | None = None
    """Bytes uploaded for this attempt; None if another runner may have done that, and they are gone."""
    sending: Step | None = None
    """When that was."""
    job: str = ""
    cut: Cut | None = None
    """How its film was cut, if it is converted in pieces."""
    notice: str = ""
    """Why not, where the user should know."""
    pieces_seconds: dict[str, float] | None = None
    """How long each piece took on its node, by its task; none without pieces."""
    is_added: bool = False
    """Whether the service is known to have its task."""

    @property
    def conversion(self) -> Conversion:
        """What is converted into what; it is made anew each time."""
        return self.conversions[self.place]

    @property
    def task(self) -> str:
        """The id of this attempt's task."""
        return str(TaskName(self.conversion.id, self.attempt))

    @property
    def tasks(self) -> int:
        """How many tasks this attempt takes: one for each piece of a film that was cut, and the one with the result."""
        return 1 + (len(self.cut.pieces) if self.cut else 0)

    def again(self) -> "WorkItem":
        """Return the next attempt at the same conversion."""
        return WorkItem(
            self.conversions,
            self.place,
            attempt=self.attempt + 1,
            retried=self.retried + 1,
            blob=self.blob,
            sent=0 if self.blob else None,
        )


class InFlightTasks:
    """The items whose tasks are in Batch, by task id; safe for several threads."""

    def __init__(self) -> None:
        self._items: dict[str, WorkItem] = {}
        self._lock = threading.Lock()

    def add(self, item: WorkItem) -> None:
        """Add *item* under the id of its task."""
        task = item.task
        with self._lock:
            self._items[task] = item

    def take(self, task: str) -> WorkItem | None:
        """Remove and return the item of *task*; None if it is not here."""
        with self._lock:
            return self._items.pop(task, None)

    def find(self, task: str) -> WorkItem | None:
        """Return the item of *task* without removing it."""
        with self._lock:
            return self._items.get(task)

    def of(self, job: str) -> list[WorkItem]:
        """Return all items whose tasks are known to be in *job*."""
        with self._lock:
            return [item for item in self._items.values() if item.job == job and item.is_added]

    def jobs(self) -> set[str]:
        """Return the jobs of all items."""
        with self._lock:
            return {item.job for item in self._items.values()}

    @property
    def undecided(self) -> int:
        """How many items wait to hear if there is another attempt."""
        with self._lock:
            return sum(item.is_undecided for item in self._items.values())

    def __len__(self) -> int:
        return len(self._items)


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """One run: what its threads share, and how they report."""

    run: str
    destination: Path
    scratch: Path
    """A folder for unfinished files."""
    deployment: Deployment
    options: RunOptions
    pace: Pace
    ffmpeg: str
    """The ffmpeg that extracts the audio of films before the upload."""
    jobs: Jobs
    adder: TaskAdder
    blobs: Blobs
    blob_names: BlobNames
    reads: NodeReads
    """How nodes read what was in storage before."""
    report: Callable[[Event | Notice | NodeUse], None]
    stored: StoredRun
    stopped: threading.Event
    """Set when the run is over or stopped."""
    at_limit: threading.Event = field(default_factory=threading.Event)
    """Set when nothing more may be begun, as it would cost too much."""
    wound_down: threading.Event = field(default_factory=threading.Event)
    """Set when, after that, nothing runs any more."""
    files: int = 1
    """The number of conversions of this run."""
    replaces: Mapping[str, TargetState] = field(default_factory=dict)
    """As in `Plan`."""
    results: CloudResults | None = None
    """Where results stay; None if they are downloaded."""
    result_signature: Callable[[BlobAddress], str] = lambda _: ""
    """What a node needs behind the address of a result that stays."""
    in_flight: InFlightTasks = field(default_factory=InFlightTasks)
    flac_copies: FlacCopies = field(default_factory=FlacCopies)

    @property
    def notes(self) -> MoveNotes:
        """Those of results that are moved into place."""
        return MoveNotes(self.run, self.scratch)

    def staying(self, conversion: Conversion) -> StayingResult | None:
        """Return how the node stores the result of *conversion*, if results stay in the cloud.

        Raises:
            ConversionError: It can have no such name.
        """
        if self.results is None:
            return None
        anything = self.options.overwrite == "always"
        replaces = self.replaces.get(conversion.target)
        target = self.results.target_of(conversion, self.run, replaces, anything=anything)
        blob = result_blob(self.results.address, conversion.target)
        return StayingResult(target, self.result_signature(blob))

    def replaceable(self, conversion: Conversion) -> Replaceable:
        """Return which file the result of *conversion* may replace."""
        return self.options.replaceable(self.replaces.get(conversion.target))
