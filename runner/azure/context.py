"""What the parts of an Azure run share: its options, its blob names, and what is starting."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runner.addresses import BlobAddress
from runner.azure.add_tasks import TaskAdder
from runner.azure.blobs import Blobs
from runner.azure.jobs import Jobs
from runner.azure.names import BlobNames, TaskName
from runner.azure.results import CloudResults
from runner.azure.signing import Lifetimes
from runner.azure.stack import Deployment
from runner.azure.stored import StoredRun
from runner.azure.task_spec import StayingResult
from runner.media.target import Replaceable
from runner.models import Conversion, Event, NodeUse, Notice, Step, TargetState
from runner.options import RunOptions
from runner.result_blobs import result_blob


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often Azure is asked, and how long its addresses hold."""

    lifetimes: Lifetimes | None = None
    """How long a node without an identity may use an address; none for as long as the run needs."""
    first_look: float = 1.0
    """Seconds between looks at the beginning; they grow with the run."""
    longest_look: float = 15.0
    nodes: float = 15.0
    """Seconds between looks at the nodes, for their cost."""
    quiet: float = 60.0
    """Seconds without a running task after which the user is told why."""


@dataclass(slots=True, eq=False)
class WorkItem:
    """One conversion on its way; in the hands of one thread at a time."""

    conversion: Conversion
    attempt: int = 1
    retried: int = 0
    """Further attempts that this runner has made."""
    is_earlier: bool = False
    """Whether another runner made this attempt, before it was cut off."""
    is_undecided: bool = False
    """Whether the submitter waits to hear if there is another attempt: this one was cut off."""
    tries: int = 0
    """Transfers of this attempt that met a temporary error."""
    blob: str = ""
    """Where its source lies in storage, once it does."""
    sent: int | None = None
    """Bytes that were uploaded for this attempt; none where another runner may have done that."""
    sending: Step | None = None
    """When that was."""
    job: str = ""
    is_added: bool = False
    """Whether the service is known to have its task."""

    @property
    def task(self) -> str:
        """The id of this attempt's task."""
        return str(TaskName(self.conversion.id, self.attempt))

    def again(self) -> "WorkItem":
        """The next attempt at the same conversion."""
        return WorkItem(
            self.conversion,
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
        """Put *item* in, under the id of its task."""
        with self._lock:
            self._items[item.task] = item

    def take(self, task: str) -> WorkItem | None:
        """Take out the item of *task*; none if it is not here, or was taken already."""
        with self._lock:
            return self._items.pop(task, None)

    def find(self, task: str) -> WorkItem | None:
        """The item of *task*, which stays."""
        with self._lock:
            return self._items.get(task)

    def of(self, job: str) -> list[WorkItem]:
        """All items whose tasks are in *job*, and known to be."""
        with self._lock:
            return [item for item in self._items.values() if item.job == job and item.is_added]

    def jobs(self) -> set[str]:
        """The jobs of all items."""
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
    """One run: what its threads work with, and how they report."""

    run: str
    destination: Path
    scratch: Path
    """For what is not finished."""
    deployment: Deployment
    options: RunOptions
    pace: Pace
    ffmpeg: str
    """Copies the audio out of films before the upload."""
    jobs: Jobs
    adder: TaskAdder
    blobs: Blobs
    blob_names: BlobNames
    report: Callable[[Event | Notice | NodeUse], None]
    stored: StoredRun
    stopped: threading.Event
    """Set when nobody waits any longer."""
    at_limit: threading.Event = field(default_factory=threading.Event)
    """Set when nothing more may be begun, as it would cost too much."""
    wound_down: threading.Event = field(default_factory=threading.Event)
    """Set when, after that, nothing runs any more."""
    replaces: Mapping[str, TargetState] = field(default_factory=dict)
    """As in `Plan`."""
    results: CloudResults | None = None
    """Where results stay; none where they are downloaded."""
    result_signature: Callable[[BlobAddress], str] = lambda _: ""
    """What a node needs behind the address of a result that stays."""
    in_flight: InFlightTasks = field(default_factory=InFlightTasks)

    def staying(self, conversion: Conversion) -> StayingResult | None:
        """How the node stores the result of *conversion*, if that stays in the cloud.

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
        """Which file the result of *conversion* may replace."""
        return self.options.replaceable(self.replaces.get(conversion.target))
