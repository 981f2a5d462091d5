"""Submit uploaded sources as tasks: up to a hundred a call, and several calls at a time."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from runner.azure.add_tasks import MOST_TASKS_A_CALL, JobEndedError
from runner.azure.context import RunContext
from runner.azure.job_state import ended_from_outside
from runner.azure.names import next_job
from runner.azure.open_job import open_job
from runner.azure.piece_tasks import build_pieces, with_pieces
from runner.azure.task_spec import Task, build_task
from runner.azure.work_items import WorkItem
from runner.azure.workers import Workers
from runner.media.failures import ConversionError
from runner.models import Event, Failure, Kind, State

_HOLD = 0.05
"""How long an uploaded source waits for others, as a share of the time since the first one: nodes wait, too."""
_MOMENT = 0.01
_LOOK_AROUND = 0.5
_CALLS = 4
"""Calls at a time; more would only queue at the service."""


class Submitter:
    """Submits uploaded items, and counts those that are still expected."""

    def __init__(
        self,
        context: RunContext,
        jobs: list[str],
        done: Callable[[], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """*failed* gets the error that ends the run."""
        self._context = context
        self._jobs = jobs
        """The run's jobs, newest last; the newest one gets new tasks."""
        self._tell_done = done
        self._staged: SimpleQueue[WorkItem | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._expected = 0
        self._adding = 0
        """How many of those are being submitted."""
        self._is_done = False
        self._is_job_over = False
        self._opening = threading.Lock()
        """Held to look for, or to open, the job for new tasks."""
        self._most = context.pace.tasks_per_job
        self._room = self._most
        """Tasks that the newest job may still get."""
        self._calls: Counter[str] = Counter()
        """Batches that are on their way to each job."""
        self._full: set[str] = set()
        """Jobs that get no more batches, and end by themselves once they have got all of theirs."""
        self._turns = threading.Semaphore(2 * _CALLS)
        """Batches that are described, or wait to be."""
        self._adders = Workers("add", _CALLS, self._submit, failed)

    def expect(self, count: int = 1) -> None:
        """Expect *count* more items, each to be put or dropped."""
        with self._lock:
            self._expected += count
            self._is_done = self._is_done and not count

    def begin_with(self, tasks: int | None) -> None:
        """Begin with the newest job, which has so many *tasks*; None if it was over before this command started."""
        self._is_job_over = tasks is None
        self._room = self._most - (tasks or 0)

    def put(self, item: WorkItem) -> None:
        """Submit *item*, which was expected."""
        self._staged.put(item)

    def drop(self) -> None:
        """Note that one expected item will not come."""
        with self._lock:
            self._expected -= 1
        self._staged.put(None)

    def wake(self) -> None:
        """Have `run` look at once whether the run is over."""
        self._staged.put(None)

    @property
    def is_behind(self) -> bool:
        """Whether more wait to be submitted than calls can take for now."""
        return self._staged.qsize() > 2 * _CALLS * MOST_TASKS_A_CALL

    @property
    def is_done(self) -> bool:
        """Whether everything expected is submitted, and the job will end by itself."""
        return self._is_done

    def run(self) -> None:
        """Submit until the run is over."""
        self._adders.start()
        batch: list[WorkItem] = []
        began, due = 0.0, 0.0
        while not self._context.stopped.is_set():
            if self._expected == 0 and not self._is_done and not self._is_winding_down:
                self._finish()
            is_full = _tasks_of(batch) >= MOST_TASKS_A_CALL
            wait = max(_MOMENT, due - time.monotonic()) if batch else _LOOK_AROUND
            if not is_full and (item := self._next(wait)):
                now = time.monotonic()
                began = began or now
                due = due if batch else now + self._hold(now - began)
                batch.append(item)
            # not after the run was stopped, when nobody wants it tried again
            if not batch or not (is_full or self._is_due(batch, due)) or self._is_winding_down:
                continue
            # what comes while a call is under way goes along with the next one
            if self._turns.acquire(timeout=_LOOK_AROUND if is_full else 0):
                self._hand_over(batch)
                batch = []
        self._adders.close()

    @property
    def _is_winding_down(self) -> bool:
        return self._context.stopped.is_set() or self._context.at_limit.is_set()

    def _next(self, wait: float) -> WorkItem | None:
        try:
            return self._staged.get(timeout=wait)
        except Empty:
            return None

    def _is_due(self, batch: list[WorkItem], due: float) -> bool:
        if self._adding:  # unless that call takes long
            return time.monotonic() >= due + self._context.pace.submit_delay
        is_last = len(batch) == self._expected
        return is_last or time.monotonic() >= due

    def _hold(self, age: float) -> float:
        return min(self._context.pace.submit_delay, _HOLD * age)

    def _hand_over(self, batch: list[WorkItem]) -> None:
        with self._lock:
            self._adding += len(batch)
        self._adders.put(batch)

    def _settle(self, count: int) -> None:
        """Note that *count* items of a batch need nothing more here."""
        with self._lock:
            self._expected -= count
            self._adding -= count
        self._staged.put(None)

    def _finish(self) -> None:
        """Let the job end by itself; only then can a detached runner exit."""
        self._context.jobs.finish(self._jobs[-1])
        with self._lock:
            self._is_done = self._expected == 0
        self._tell_done()

    def _submit(self, batch: list[WorkItem]) -> None:
        try:
            for part in _that_fit(batch, self._most):
                if not self._is_winding_down:
                    self._add(part, "")
        finally:
            self._turns.release()

    @contextmanager
    def _job_for(self, count: int, after: str) -> Iterator[str]:
        """Give out the job that takes *count* more tasks, while they are added.

        *after* is a job that has ended before they were; empty if there is none.

        Raises:
            JobLostError: Somebody ended it.
        """
        with self._opening:
            if self._jobs[-1] == after:  # else another call has found it out before
                if error := ended_from_outside(self._context.jobs, after):
                    raise error
                self._is_job_over = True
            elif self._room < min(count, self._most) and not self._is_job_over:
                self._full.add(self._jobs[-1])
                self._end_if_full(self._jobs[-1])
                self._is_job_over = True
            if self._is_job_over:
                self._open_job()
            job = self._jobs[-1]
            self._room -= count
            self._calls[job] += 1
        try:
            yield job
        finally:
            with self._opening:
                self._calls[job] -= 1
                self._end_if_full(job)

    def _end_if_full(self, job: str) -> None:
        """Let *job* end by itself if it is full; without its last tasks, it would do so too early."""
        if job in self._full and not self._calls[job]:
            self._full.remove(job)
            self._context.jobs.finish(job)

    def _add(self, batch: list[WorkItem], after: str) -> None:
        try:
            with self._job_for(_tasks_of(batch), after) as job:
                self._add_to(job, batch)
        except JobEndedError:
            self._add(batch, job)

    def _add_to(self, job: str, batch: list[WorkItem]) -> None:
        tasks: list[Task] = []
        for item in list(batch):
            try:
                tasks += self._describe(item)
            except ConversionError as error:
                batch.remove(item)
                self._fail(item, error.failure)
                self._settle(1)
                continue
            item.job = job
            # recorded before it is added, as its end may be seen before the response
            self._context.in_flight.add(item)
        if not tasks:
            return
        refused = self._call(job, tasks)
        for item in batch:
            if refused and (reason := refused.get(item.task)):
                self._refuse(item, reason)
            else:
                self._context.in_flight.added(item)
                self._context.report(
                    Event(conversion=item.conversion, state=State.QUEUED, attempt=item.attempt)
                )
        self._settle(len(batch))

    def _call(self, job: str, tasks: list[Task]) -> dict[str, str]:
        refused: dict[str, str] = {}
        for first in range(0, len(tasks), MOST_TASKS_A_CALL):
            refused |= self._context.adder.add(job, tasks[first : first + MOST_TASKS_A_CALL])
        return refused

    def _open_job(self) -> None:
        job = next_job(self._context.run, self._jobs)
        open_job(self._context, job)
        self._jobs.append(job)
        self._is_job_over = False
        self._room = self._most

    def _refuse(self, item: WorkItem, reason: str) -> None:
        if self._context.in_flight.take(item.task) is not None:
            self._fail(item, Failure(Kind.INTERNAL, f"Batch refuses the task: {reason}"))

    def _fail(self, item: WorkItem, failure: Failure) -> None:
        self._context.report(
            Event(
                conversion=item.conversion,
                state=State.FAILED,
                attempt=item.attempt,
                failure=failure,
            )
        )

    def _describe(self, item: WorkItem) -> list[Task]:
        """Return the tasks of *item*: those of its pieces, if it has any, and the one with the result."""
        conversion, attempt, blob = item.conversion, item.attempt, item.blob
        seconds, names = self._context.options.timeout, self._context.blob_names
        pieces = build_pieces(conversion, attempt, blob, names, seconds, item.cut)
        node_upload = self._context.node_upload(conversion)
        task = build_task(conversion, attempt, blob, names, seconds, node_upload)
        return [*pieces, with_pieces(task, names, item.cut, item.notice)]


def _tasks_of(batch: list[WorkItem]) -> int:
    return sum(item.tasks for item in batch)


def _that_fit(batch: list[WorkItem], most: int) -> Iterator[list[WorkItem]]:
    """Cut *batch* into parts with *most* tasks at most, as all tasks of a film must be in one job.

    A film with more of them than that is a part of its own.
    """
    part: list[WorkItem] = []
    for item in batch:
        if part and _tasks_of(part) + item.tasks > most:
            yield part
            part = []
        part.append(item)
    yield part
