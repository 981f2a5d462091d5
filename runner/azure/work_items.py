"""The conversions of a run: objects while a thread works on them, and else rows of a table."""

import struct
import threading
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from runner.azure.conversion_index import ConversionIndex, id_of
from runner.azure.names import TaskName
from runner.conversions import Conversions, Numbered
from runner.media.pieces import Cut
from runner.models import Conversion, Step


@dataclass(slots=True, eq=False)
class WorkItem:
    """One conversion in progress; only one thread uses it at a time."""

    conversions: Conversions
    index: int
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
        return self.conversions[self.index]

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
            self.index,
            attempt=self.attempt + 1,
            retried=self.retried + 1,
            blob=self.blob,
            sent=0 if self.blob else None,
        )


_ROW = struct.Struct("<HHHIBqdd")
"""Attempt, retries, job, suffix of the blob, flags, bytes sent, and when that began and ended."""
_EARLIER, _UNDECIDED, _ADDED, _STORED, _IN_FLIGHT = 1, 2, 4, 8, 16
_UNKNOWN = -1


class InFlightTasks:
    """The items whose tasks are in Batch, and what is known of the others; safe for several threads.

    A million of them take about 50 MB: one row each, and an entry in the index by which tasks find them.
    """

    def __init__(self, run: str, conversions: Conversions) -> None:
        self.conversions = conversions
        self._run = run
        self._rows = bytearray(_ROW.size * len(conversions))
        self._jobs, self._suffixes = Numbered(), Numbered()
        self._cuts: dict[int, Cut] = {}
        self._pieces_seconds: dict[int, dict[str, float]] = {}
        """Of films in pieces."""
        self._count: Counter[str] = Counter()
        self._added: Counter[str] = Counter()
        """Of those in flight, by job."""
        self._undecided = 0
        self._lock, self._indexing = threading.Lock(), threading.Lock()

    @cached_property
    def _by_id(self) -> ConversionIndex:
        return ConversionIndex(self.conversions, id_of)

    def index_of(self, conversion: str) -> int | None:
        """Return the index of the conversion with this id; None if it is none of these."""
        with self._indexing:  # which threads may do that look for the first one
            return self._by_id.find(conversion)

    def known(self, index: int) -> WorkItem:
        """Return what was noted of the conversion at *index*; its attempt is 0 if there was none."""
        attempt, retried, job, suffix, flags, sent, began, ended = _ROW.unpack_from(
            self._rows, index * _ROW.size
        )
        return WorkItem(
            self.conversions,
            index,
            attempt=attempt,
            retried=retried,
            is_earlier=bool(flags & _EARLIER),
            is_undecided=bool(flags & _UNDECIDED),
            blob=f"{self._blob(index)}{self._suffixes.texts[suffix]}" if flags & _STORED else "",
            sent=None if sent == _UNKNOWN else sent,
            sending=Step("send", began, ended) if began else None,
            job=self._jobs.texts[job] if attempt else "",
            cut=self._cuts.get(index),
            pieces_seconds=self._pieces_seconds.get(index),
            is_added=bool(flags & _ADDED),
        )

    def next_attempt(self, index: int) -> WorkItem:
        """Return the attempt after what was noted of the conversion at *index*."""
        known = self.known(index)
        return WorkItem(
            self.conversions, index, attempt=known.attempt + 1, blob=known.blob, sent=known.sent
        )

    def note(self, item: WorkItem, flags: int = 0) -> None:
        """Note what is known of *item*, which is in no thread's hands for now."""
        flags |= item.is_earlier * _EARLIER | item.is_undecided * _UNDECIDED
        flags |= item.is_added * _ADDED | bool(item.blob) * _STORED
        _ROW.pack_into(
            self._rows,
            item.index * _ROW.size,
            item.attempt,
            item.retried,
            self._jobs.number(item.job),
            self._suffixes.number(item.blob.removeprefix(self._blob(item.index))),
            flags,
            _UNKNOWN if item.sent is None else item.sent,
            item.sending.began if item.sending else 0.0,
            item.sending.ended if item.sending else 0.0,
        )

    def add(self, item: WorkItem) -> None:
        """Note that the task of *item* is in its job, or is on its way there."""
        with self._lock:
            self._remove(item.index)  # it may have been in a job that has ended
            self.note(item, _IN_FLIGHT)
            if item.cut:
                self._cuts[item.index] = item.cut
            self._counted(item, 1)

    def added(self, item: WorkItem) -> None:
        """Note that the service is known to have the task of *item*, if that has not finished already."""
        with self._lock:
            kept = self._kept(item.index)
            if kept and kept.attempt == item.attempt and not kept.is_added:
                kept.is_added = True
                self._added[kept.job] += 1
                self.note(kept, _IN_FLIGHT)

    def take(self, task: str) -> WorkItem | None:
        """Remove and return the item of *task*; None if it is not here."""
        with self._lock:
            item = self._find(task)
            if item is not None:
                self._remove(item.index)
            return item

    def find(self, task: str) -> WorkItem | None:
        """Return the item of *task* without removing it."""
        with self._lock:
            return self._find(task)

    def piece_took(self, task: str, piece: str, seconds: float) -> None:
        """Note that the task *piece*, which made a piece of the film of *task*, ran for *seconds*."""
        with self._lock:
            if item := self._find(task):
                self._pieces_seconds.setdefault(item.index, {})[piece] = seconds

    def are_added_to(self, job: str) -> bool:
        """Return whether any of the items' tasks are known to be in *job*."""
        return self._added[job] > 0

    def jobs(self) -> set[str]:
        """Return the jobs of all items."""
        with self._lock:
            return {job for job, count in self._count.items() if count}

    @property
    def undecided(self) -> int:
        """How many items wait to hear if there is another attempt."""
        return self._undecided

    def __len__(self) -> int:
        with self._lock:
            return self._count.total()

    def _blob(self, index: int) -> str:
        """Return the name of the blob for the source at *index*, without its suffix."""
        return f"{self._run}/{self.conversions[index].id}"

    def _find(self, task: str) -> WorkItem | None:
        name = TaskName.parse(task)
        index = self.index_of(name.conversion) if name else None
        if name is None or index is None:
            return None
        item = self._kept(index)
        return item if item and item.attempt == name.attempt else None

    def _kept(self, index: int) -> WorkItem | None:
        """Return the item at *index*, if it is in flight."""
        flags = _ROW.unpack_from(self._rows, index * _ROW.size)[4]
        return self.known(index) if flags & _IN_FLIGHT else None

    def _remove(self, index: int) -> None:
        if item := self._kept(index):
            self._counted(item, -1)
            self.note(item)
            self._cuts.pop(index, None)
            self._pieces_seconds.pop(index, None)

    def _counted(self, item: WorkItem, by: int) -> None:
        self._count[item.job] += by
        self._added[item.job] += by * item.is_added
        self._undecided += by * item.is_undecided
