"""What the parts of an Azure run share: its options, its places, and what is on its way."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from runner.azure.adding import Adder
from runner.azure.blobs import Blobs
from runner.azure.deployment import Deployment
from runner.azure.jobs import Jobs
from runner.azure.signing import Lifetimes
from runner.azure.stored import StoredRun
from runner.azure.tasks import Places, TaskName
from runner.models import Conversion, Event, Notice
from runner.options import RunOptions


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often Azure is asked, and how long its addresses hold."""

    lifetimes: Lifetimes | None = None
    """How long a node without an identity may use an address; none for as long as the run needs."""
    first_look: float = 1.0
    """Seconds between looks at the beginning; they grow with the run."""
    longest_look: float = 15.0
    quiet: float = 60.0
    """Seconds without a running task after which the user is told why."""


@dataclass(slots=True, eq=False)
class Item:
    """One conversion on its way; in the hands of one thread at a time."""

    conversion: Conversion
    attempt: int = 1
    retried: int = 0
    """Further attempts that this runner has made."""
    is_earlier: bool = False
    """Whether another runner made this attempt, before it was cut off."""
    tries: int = 0
    """Transfers of this attempt that met a passing fault."""
    blob: str = ""
    """Where its source lies in storage, once it does."""
    job: str = ""
    is_added: bool = False
    """Whether the service is known to have its task."""

    @property
    def task(self) -> str:
        """The id of this attempt's task."""
        return str(TaskName(self.conversion.id, self.attempt))

    def again(self) -> "Item":
        """The next attempt at the same conversion."""
        return Item(
            self.conversion, attempt=self.attempt + 1, retried=self.retried + 1, blob=self.blob
        )


class Aloft:
    """The items whose tasks are in Batch, by task id; safe for several threads."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._lock = threading.Lock()

    def add(self, item: Item) -> None:
        """Put *item* in, under the id of its task."""
        with self._lock:
            self._items[item.task] = item

    def take(self, task: str) -> Item | None:
        """Take out the item of *task*; none if it is not here, or was taken already."""
        with self._lock:
            return self._items.pop(task, None)

    def find(self, task: str) -> Item | None:
        """The item of *task*, which stays."""
        with self._lock:
            return self._items.get(task)

    def of(self, job: str) -> list[Item]:
        """All items whose tasks are in *job*, and known to be."""
        with self._lock:
            return [item for item in self._items.values() if item.job == job and item.is_added]

    def jobs(self) -> set[str]:
        """The jobs of all items."""
        with self._lock:
            return {item.job for item in self._items.values()}

    def __len__(self) -> int:
        return len(self._items)


@dataclass(frozen=True, kw_only=True)
class Flight:
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
    adder: Adder
    blobs: Blobs
    places: Places
    report: Callable[[Event | Notice], None]
    stored: StoredRun
    over: threading.Event
    """Set when nobody waits any longer."""
    aloft: Aloft = field(default_factory=Aloft)
