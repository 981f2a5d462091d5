"""Convert on this machine: one worker per core, each with one ffmpeg at a time."""

import os
import threading
import time
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from runner.attempt import Attempt
from runner.attempts_left import AttemptsLeft
from runner.conversions import Conversions
from runner.copies import Copies
from runner.core_shares import CoreShares
from runner.engine import Fetch, ResultStore, Stop, next_of, starting_threads
from runner.lengths import longest_first
from runner.media.failures import ConversionError, Stopped
from runner.media.ffmpeg import Limits, ProcessHandle
from runner.media.pieces import Split
from runner.media.source import check_unchanged
from runner.media.target import ANYTHING, from_os, writable_target
from runner.media.work import ConversionResult, Work, ignore_move
from runner.media.worker import convert
from runner.models import (
    Conversion,
    Event,
    Execution,
    Failure,
    Kind,
    NodeUse,
    Notice,
    Plan,
    State,
)
from runner.moved_results import MoveNotes
from runner.options import RunOptions
from runner.own_cores import OwnCores, cores_for
from runner.scratch import clear_leftovers, discard_scratch, make_scratch, pieces_folder
from runner.uploads import Uploads

_AHEAD = 2
"""Sources from elsewhere that wait here for a worker."""


@dataclass(frozen=True, kw_only=True)
class LocalEngine:
    """Runs conversions on this machine's cores, longest first."""

    ffmpeg: str
    jobs: int | None = None
    """Files at a time; None for as many as make good use of the cores."""
    options: RunOptions = field(default_factory=RunOptions)
    fetch: Fetch | None = None
    """Brings the sources that lie in Azure storage."""
    store: ResultStore | None = None
    """Stores the results, where they do not stay on this machine."""

    def run(self, plan: Plan, stop: Stop) -> Generator[Event | Notice | NodeUse, None, None]:
        """Yield everything that happens; see `Engine.run`."""
        yield from clear_leftovers(plan.destination)
        workers = _Workers(self, plan, make_scratch(plan.destination))
        stop.listen(workers.wake)
        try:
            workers.start()
            while (event := next_of(workers.events)) is not _END:
                if isinstance(event, Event):
                    yield event
                    workers.notes.remove(event)
                if stop.at_once:
                    workers.end()
                elif stop.gently:
                    workers.take_no_more()
        finally:
            workers.end()
            workers.copies.close()
            workers.join()
            discard_scratch(workers.scratch)


class _End:
    """Says that the last worker is done."""


_END = _End()
_WAKE = None


class _Workers:
    """The workers of one run; they share a queue of attempts and report to another."""

    def __init__(self, engine: LocalEngine, plan: Plan, scratch: Path) -> None:
        self.events: SimpleQueue[Event | _End | None] = SimpleQueue()
        self.scratch = scratch
        self.notes = MoveNotes(plan.id, scratch)
        self._engine = engine
        self._plan = plan
        conversions = Conversions.of(plan.conversions)
        self._lock = threading.Lock()
        self._handles: set[ProcessHandle] = set()
        self._ended = False
        self._is_closed = False
        self._shares = CoreShares.of(conversions, engine.jobs)
        self._working = self._shares.at_a_time
        self._own_cores = OwnCores(cores_for(self._working, conversions.recipes))
        conversions = longest_first(conversions, self._working)
        self._waiting = AttemptsLeft(conversions)
        self._pool = ThreadPoolExecutor(self._working, thread_name_prefix="worker")
        self.copies = Copies(
            *(engine.fetch, scratch, conversions.blobs, self._working + _AHEAD), lambda: self._ended
        )
        self._workers: list[Future[None]] = []
        self._uploads = Uploads(engine.options.transfers, lambda: self._ended)

    def start(self) -> None:
        with starting_threads():
            for _ in range(self._shares.at_a_time):
                self._workers.append(self._pool.submit(self._work))

    def wake(self) -> None:
        """Wake up the reader; safe in a signal handler."""
        self.events.put(_WAKE)

    def take_no_more(self) -> None:
        with self._lock:
            self._is_closed = True
            self._waiting.clear()

    def end(self) -> None:
        with self._lock:
            self._ended = True
            self._waiting.clear()
            handles = tuple(self._handles)
        for handle in handles:
            handle.cancel()

    def join(self) -> None:
        """Wait for the workers; an exception that ended one is raised here."""
        self._pool.shutdown()
        self._uploads.join()
        for worker in self._workers:
            worker.result()

    def _work(self) -> None:
        try:
            while task := self._next():
                self._attempt(*task)
        finally:
            self._own_cores.open()
            self._one_less()

    def _one_less(self) -> None:
        """Of the workers, and of the results that are on their way."""
        with self._lock:
            self._working -= 1
            last = self._working == 0
        if last:
            self.events.put(_END)

    def _next(self) -> tuple[Conversion, int, ProcessHandle] | None:
        with self._lock:
            if not self._waiting:
                return None
            handle = ProcessHandle()
            self._handles.add(handle)
            return (*self._waiting.take(), handle)

    def _attempt(self, conversion: Conversion, number: int, handle: ProcessHandle) -> None:
        attempt = Attempt(conversion, number, self.events.put, self._execution())
        try:
            self._carry_out(attempt, handle)
        except Stopped:
            return
        except ConversionError as error:
            self._failed(attempt, error.failure)
        finally:
            with self._lock:
                self._handles.discard(handle)

    def _carry_out(self, attempt: Attempt, handle: ProcessHandle) -> None:
        store = self._engine.store
        there = store.made(self._plan, attempt.conversion) if store else None
        if there is not None:
            attempt.stored(there)
            return
        with self.copies.of(attempt.conversion) as source:
            work = self._describe(attempt.conversion, attempt.number, source)
            with self._own_cores.one(handle):
                made = convert(work, handle, attempt.progress)
        if store is None:
            attempt.converted(made)
            return
        with self._lock:
            self._working += 1
        try:
            self._uploads.put(partial(self._store, store, attempt, work, made))
        except Stopped:
            self._one_less()
            raise

    def _store(
        self, store: ResultStore, attempt: Attempt, work: Work, made: ConversionResult
    ) -> None:
        try:
            result = store.put(
                *(self._plan, attempt.conversion, work.target, made),
                partial(self._still_wanted, attempt.conversion, work),
            )
            attempt.converted(made, result)
        except Stopped:
            return
        except ConversionError as error:
            attempt.failed(error.failure, State.FAILED)
        except OSError as error:
            attempt.failed(from_os(error).failure, State.FAILED)
        finally:
            with suppress(OSError):
                os.unlink(work.target)
            self._one_less()

    def _still_wanted(self, conversion: Conversion, work: Work) -> None:
        """Check the target one last time before the result gets its name, as `convert` does for files."""
        if self._ended:
            raise Stopped
        if conversion.source.is_blob and self._engine.fetch is not None:
            self._engine.fetch.check(conversion.source)
        check_unchanged(work.source, work.expected)

    def _execution(self) -> Execution:
        # the executor numbers its threads from 0
        number = threading.current_thread().name.rpartition("_")[2]
        worker = f"worker {int(number) + 1}"
        ffmpeg = os.path.basename(self._engine.ffmpeg)
        return Execution(worker=worker, began=time.time(), ffmpeg=ffmpeg)

    def _failed(self, attempt: Attempt, failure: Failure) -> None:
        again = failure.kind is Kind.TRANSIENT and attempt.number <= self._engine.options.retries
        with self._lock:
            again = again and not (self._ended or self._is_closed)
            if again:
                self._waiting.put(attempt.conversion, attempt.number + 1)
        attempt.failed(failure, State.RETRYING if again else State.FAILED)

    def _describe(self, conversion: Conversion, attempt: int, source: str) -> Work:
        return Work(
            source=source,
            target=self._target_of(conversion, attempt),
            scratch=str(self.scratch),
            name=f"{conversion.id}-{attempt}",
            recipe=conversion.recipe,
            ffmpeg=self._engine.ffmpeg,
            threads=self._shares.threads(self._running()),
            split=self._split(conversion),
            limits=Limits(seconds=self._engine.options.timeout),
            replaceable=ANYTHING
            if self._engine.store
            else self._engine.options.replaceable(self._plan.replaces.get(conversion.target)),
            mtime_ns=conversion.source.mtime_ns if self._engine.options.keep_times else None,
            # a copy of a blob is ours alone
            expected=None if conversion.source.is_blob else conversion.source.state,
            before_move=ignore_move
            if self._engine.store
            else partial(self.notes.write, conversion),
        )

    def _running(self) -> int:
        """Return how many files share the cores with one that begins now, itself included."""
        with self._lock:
            return min(self._shares.at_a_time, len(self._waiting) + len(self._handles))

    def _split(self, conversion: Conversion) -> Split | None:
        """Return how to encode the pieces of a film that begins now; None for one piece."""
        if conversion.recipe.media != "video":
            return None
        folder = pieces_folder(self._plan.destination) / conversion.id
        return self._shares.split(self._running(), self._engine.options.split, folder)

    def _target_of(self, conversion: Conversion, attempt: int) -> str:
        if self._engine.store is None:
            return writable_target(self._plan.destination, conversion.target)
        name = f"{conversion.id}-{attempt}-made{conversion.recipe.suffix}"
        return str(self.scratch / name)
