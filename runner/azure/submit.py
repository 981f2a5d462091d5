"""Submit uploaded sources as tasks: a hundred at a time, or after a second what is there."""

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from azure.batch.models import BatchTaskCreateOptions

from runner.azure.add_tasks import MOST_TASKS_A_CALL, JobEndedError
from runner.azure.context import RunContext, WorkItem
from runner.azure.job_state import ended_from_outside
from runner.azure.names import next_job
from runner.azure.piece_tasks import build_pieces, with_pieces
from runner.azure.task_spec import build_task
from runner.media.failures import ConversionError
from runner.models import Event, Failure, Kind, State

_LOOK_AROUND = 0.5


class Submitter:
    """Submits uploaded items, and counts those that are still expected."""

    def __init__(self, context: RunContext, jobs: list[str], done: Callable[[], None]) -> None:
        self._context = context
        self._jobs = jobs
        """The run's jobs, newest last; the newest one gets new tasks."""
        self._tell_done = done
        self._staged: SimpleQueue[WorkItem | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._expected = 0
        self._is_done = False
        self._is_job_over = False

    def expect(self, count: int = 1) -> None:
        """Expect *count* more items, each to be put or dropped."""
        with self._lock:
            self._expected += count
            self._is_done = self._is_done and not count

    def open_another_job(self) -> None:
        """Note that the newest job was over before this command started, so its end is expected."""
        self._is_job_over = True

    def put(self, item: WorkItem) -> None:
        """Submit *item*, which was expected."""
        self._staged.put(item)

    def drop(self) -> None:
        """Note that one expected item will not come."""
        with self._lock:
            self._expected -= 1
        self._staged.put(None)

    @property
    def is_done(self) -> bool:
        """Whether everything expected is submitted, and the job will end by itself."""
        return self._is_done

    def run(self) -> None:
        """Submit until the run is over."""
        batch: list[WorkItem] = []
        due = 0.0
        while not self._context.stopped.is_set():
            if self._expected == 0 and not self._is_done and not self._begins_nothing:
                self._finish()
            wait = max(0.01, due - time.monotonic()) if batch else _LOOK_AROUND
            if item := self._next(wait):
                due = due if batch else time.monotonic() + self._context.pace.hold
                batch.append(item)
            # not after the run was stopped, when nobody wants it tried again
            if batch and self._is_due(batch, due) and not self._begins_nothing:
                self._submit(batch)
                batch = []

    @property
    def _begins_nothing(self) -> bool:
        return self._context.stopped.is_set() or self._context.at_limit.is_set()

    def _next(self, wait: float) -> WorkItem | None:
        try:
            return self._staged.get(timeout=wait)
        except Empty:
            return None

    def _is_due(self, batch: list[WorkItem], due: float) -> bool:
        full = len(batch) >= MOST_TASKS_A_CALL
        return full or time.monotonic() >= due or len(batch) == self._expected

    def _finish(self) -> None:
        """Let the job end by itself; only then can a detached runner exit."""
        self._context.jobs.finish(self._jobs[-1])
        with self._lock:
            self._is_done = self._expected == 0
        self._tell_done()

    def _submit(self, batch: list[WorkItem]) -> None:
        if self._is_job_over:
            self._open_job()
        tasks = []
        for item in list(batch):
            try:
                tasks += self._describe(item)
            except ConversionError as error:
                batch.remove(item)
                self._fail(item, error.failure)
                self.drop()
                continue
            item.job = self._jobs[-1]
            # recorded before it is added, as its end may be seen before the response
            self._context.in_flight.add(item)
        if not tasks:
            return
        try:
            refused = self._add(tasks)
        except JobEndedError:
            self._open_another(batch)
            return
        for item in batch:
            if reason := refused.get(item.task):
                self._refuse(item, reason)
            else:
                item.is_added = True
                self._context.report(
                    Event(conversion=item.conversion, state=State.QUEUED, attempt=item.attempt)
                )
        with self._lock:
            self._expected -= len(batch)

    def _add(self, tasks: list[BatchTaskCreateOptions]) -> dict[str, str]:
        refused: dict[str, str] = {}
        for first in range(0, len(tasks), MOST_TASKS_A_CALL):
            some = tasks[first : first + MOST_TASKS_A_CALL]
            refused |= self._context.adder.add(self._jobs[-1], some)
        return refused

    def _open_another(self, batch: list[WorkItem]) -> None:
        """Continue in another job, because this one ended by itself before this attempt.

        Raises:
            JobLostError: Somebody ended the job.
        """
        if error := ended_from_outside(self._context.jobs, self._jobs[-1]):
            raise error
        self._open_job()
        self._submit(batch)

    def _open_job(self) -> None:
        job = next_job(self._context.run, self._jobs)
        self._context.jobs.create(job)
        self._jobs.append(job)
        self._is_job_over = False

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

    def _describe(self, item: WorkItem) -> list[BatchTaskCreateOptions]:
        """Return the tasks of *item*: those of its pieces, if it has any, and the one with the result."""
        seconds = self._context.options.timeout
        names = self._context.blob_names
        pieces = build_pieces(item.conversion, item.attempt, item.blob, names, seconds, item.cut)
        task = build_task(
            item.conversion,
            item.attempt,
            item.blob,
            self._context.blob_names,
            self._context.options.timeout,
            self._context.staying(item.conversion),
        )
        return [*pieces, with_pieces(task, names, item.cut, item.notice)]
