"""Turn staged sources into tasks: a hundred at a time, or what there is after a second."""

import threading
import time
from queue import Empty, SimpleQueue

from azure.batch.models import BatchTaskCreateOptions

from runner.azure.flight import Flight, Item
from runner.azure.jobs import MOST_TASKS_A_CALL, JobOverError
from runner.azure.tasks import describe
from runner.models import Event, Failure, Kind, State

_LONGEST_HOLD = 1.0
"""Seconds that a staged source waits for others to be submitted with."""


class Submitter:
    """Submits staged items; keeps count of those that are still to come."""

    def __init__(self, flight: Flight, jobs: list[str]) -> None:
        self._flight = flight
        self._jobs = jobs
        """The run's jobs, the newest last; the newest takes new tasks."""
        self._staged: SimpleQueue[Item | None] = SimpleQueue()
        self._expected = 0
        self._lock = threading.Lock()

    def expect(self, count: int = 1) -> None:
        """So many more items will be put, or dropped."""
        with self._lock:
            self._expected += count

    def put(self, item: Item) -> None:
        """Have *item* submitted; it was expected."""
        self._staged.put(item)

    def drop(self) -> None:
        """One item that was expected does not come."""
        with self._lock:
            self._expected -= 1
        self._staged.put(None)

    @property
    def is_done(self) -> bool:
        """Whether nothing is to be submitted any more."""
        return self._expected == 0

    def run(self) -> None:
        """Submit until the run is over."""
        batch: list[Item] = []
        due = 0.0
        while not self._flight.over.is_set():
            try:
                item = self._staged.get(timeout=max(0.01, due - time.monotonic()) if batch else 0.5)
            except Empty:
                item = None
            if item is not None:
                due = due if batch else time.monotonic() + _LONGEST_HOLD
                batch.append(item)
            if batch and self._is_due(batch, due):
                self._submit(batch)
                batch = []

    def _is_due(self, batch: list[Item], due: float) -> bool:
        full = len(batch) >= MOST_TASKS_A_CALL
        return full or time.monotonic() >= due or len(batch) == self._expected

    def _submit(self, batch: list[Item]) -> None:
        for item in batch:
            item.job = self._jobs[-1]
            # known before it is added, as its end may be seen before the answer
            self._flight.aloft.add(item)
        try:
            refused = self._flight.jobs.add(
                self._jobs[-1], [self._describe(item) for item in batch]
            )
        except JobOverError:
            self._open_another(batch)
            return
        for item in batch:
            if reason := refused.get(item.task):
                self._refuse(item, reason)
            else:
                self._flight.report(
                    Event(conversion=item.conversion, state=State.QUEUED, attempt=item.attempt)
                )
        with self._lock:
            self._expected -= len(batch)
        if self.is_done:
            self._flight.jobs.finish(self._jobs[-1])

    def _open_another(self, batch: list[Item]) -> None:
        """The job ended itself, or was ended, before this attempt: go on in another one."""
        number = len(self._jobs) + 1
        job = f"{self._flight.run}--{number}"
        self._flight.jobs.create(job)
        self._jobs.append(job)
        self._submit(batch)

    def _refuse(self, item: Item, reason: str) -> None:
        if self._flight.aloft.take(item.task) is not None:
            failure = Failure(Kind.INTERNAL, f"Batch refuses the task: {reason}")
            self._flight.report(
                Event(
                    conversion=item.conversion,
                    state=State.FAILED,
                    attempt=item.attempt,
                    failure=failure,
                )
            )

    def _describe(self, item: Item) -> BatchTaskCreateOptions:
        return describe(
            item.conversion,
            item.attempt,
            item.blob,
            self._flight.places,
            self._flight.options.seconds,
        )
