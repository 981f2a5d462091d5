"""Convert on Azure Batch: stage, submit, follow and collect, overlapped, file by file."""

import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from azure.batch import BatchClient
from azure.storage.blob import BlobServiceClient

from runner.azure.adding import Adder
from runner.azure.blobs import Blobs
from runner.azure.clearing import Settled, about, left_behind
from runner.azure.collecting import collect
from runner.azure.crew import Crew
from runner.azure.deployment import Deployment
from runner.azure.errors import JobCancelledError, JobLostError, PoolLostError
from runner.azure.flight import Flight, Item, Pace
from runner.azure.following import Follower
from runner.azure.jobs import Finished, Jobs
from runner.azure.node_ffmpeg import put_ffmpeg
from runner.azure.signing import Lifetimes, Signer, lifetimes
from runner.azure.staging import stage
from runner.azure.stored import StoredRun
from runner.azure.submitting import Submitter
from runner.azure.taking_up import take_up
from runner.azure.tasks import Places, longest_task
from runner.clashes import renamed_here
from runner.engine import Stop, next_of, starting_threads
from runner.errors import InterruptedRunError, PassingError, RunCancelledError, RunnerError
from runner.followup import FollowUp
from runner.media.failures import ConversionError
from runner.models import Event, Failure, Kind, Notice, Plan, State
from runner.options import RunOptions
from runner.scratch import clear_leftovers, discard_scratch, make_scratch
from runner.wording import count_text

_PASSING_IN_A_ROW = 12
"""So many transfers that fail one after the other are the network's fault, and not a file's."""
_TRANSFERS_END = 5.0
"""Seconds within which a transfer notices that nobody waits for it."""
_PATIENCE = 0.7
"""Seconds that somebody who pressed Ctrl-C is kept waiting."""


@dataclass(frozen=True, kw_only=True)
class AzureEngine:
    """Runs conversions on the pool of a deployment."""

    deployment: Deployment
    batch: BatchClient
    storage: BlobServiceClient
    ffmpeg: str
    """Copies the audio out of films before the upload."""
    options: RunOptions = field(default_factory=RunOptions)
    detach: bool = False
    """Whether the run ends for the runner once all is submitted."""
    pace: Pace = field(default_factory=Pace)
    follow_up: FollowUp = field(default_factory=FollowUp)
    """Makes the commands that go on with a run."""

    def run(self, plan: Plan, stop: Stop) -> Generator[Event | Notice, None, None]:
        """Yield all that happens; see `Engine.run`.

        A run of the same id that was cut off is taken up: what lies in storage and in Batch is
        neither uploaded nor submitted again.
        """
        yield from renamed_here(plan)
        yield from clear_leftovers(plan.destination)
        scratch = make_scratch(plan.destination)
        run = _Run(self, plan, stop, scratch)
        try:
            yield from run.carry_out()
        finally:
            run.let_go()
            discard_scratch(scratch)


class _Run:
    """One run of a plan: its crews, and what is left to do."""

    def __init__(self, engine: AzureEngine, plan: Plan, stop: Stop, scratch: Path) -> None:
        self._plan = plan
        self._stop = stop
        self._detach = engine.detach
        self._follow_up = engine.follow_up
        self._inbox: SimpleQueue[Event | Notice | BaseException | None] = SimpleQueue()
        self._flight = self._prepare_flight(engine, scratch)
        transfers = engine.options.transfers
        self._jobs = [plan.id]
        self._submitter = Submitter(self._flight, self._jobs, self._wake)
        self._stagers = Crew("stage", transfers, self._stage, self._inbox.put)
        self._collectors = Crew("collect", transfers, self._collect, self._inbox.put)
        self._follower = Follower(self._flight, self._jobs, self._ended)
        self._loops = Crew[Callable[[], None]]("loop", 3, lambda loop: loop(), self._inbox.put)
        self._crews: list[Crew[Any]] = [self._stagers, self._collectors, self._loops]
        self._left = len(plan.conversions)
        self._settled = Settled(plan.done)
        self._collecting: set[str] = set()
        """The conversions whose tasks have ended, and of which nothing more is known."""
        self._has_begun = False
        self._is_putting = False
        self._faults = 0

    def _prepare_flight(self, engine: AzureEngine, scratch: Path) -> Flight:
        over = threading.Event()
        deployment = engine.deployment
        blobs = Blobs(engine.storage, over.is_set)
        signer = Signer(
            engine.storage, deployment, engine.pace.lifetimes or self._lifetimes(engine)
        )
        return Flight(
            run=self._plan.id,
            destination=self._plan.destination,
            scratch=scratch,
            deployment=deployment,
            options=engine.options,
            pace=engine.pace,
            ffmpeg=engine.ffmpeg,
            jobs=Jobs(engine.batch, deployment.pool_id, over),
            adder=Adder(engine.batch, over),
            blobs=blobs,
            stored=StoredRun(blobs, deployment.input_container, self._plan.id),
            places=Places(self._plan.id, deployment, signer.readable, signer.writable),
            report=self._inbox.put,
            over=over,
        )

    def _lifetimes(self, engine: AzureEngine) -> Lifetimes:
        slots = engine.deployment.pool_max_nodes * engine.deployment.pool_task_slots
        return lifetimes(self._plan, slots, longest_task(engine.options.timeout))

    def carry_out(self) -> Generator[Event | Notice, None, None]:
        """Set the crews to work, and yield what they report."""
        self._stop.listen(self._wake)
        if self._left:
            with starting_threads():
                for crew in self._crews:
                    crew.start()
            # in a thread, as all that waits for Azure: this one answers to who wants to stop
            self._loops.put(self._begin)
            try:
                yield from self._listen()
            except (JobLostError, PoolLostError) as error:
                yield from self._leave_in_order()
                raise self._lost(error) from error
        yield from self._clear_up()

    def let_go(self) -> None:
        """End what can be ended at once; paid work is neither cancelled nor forgotten."""
        self._flight.over.set()
        for crew in self._crews:
            crew.dismiss()

    def _wake(self) -> None:
        self._inbox.put(None)

    def _begin(self) -> None:
        todo, takes_tasks = take_up(self._flight, self._plan, self._jobs)
        if not takes_tasks:
            self._submitter.open_another_job()
        self._submitter.expect(len(todo))
        if self._flight.deployment.node_ffmpeg:
            self._submitter.expect()
            self._is_putting = True
            self._loops.put(self._put_ffmpeg)
        self._has_begun = True
        for item in todo:
            (self._submitter if item.blob else self._stagers).put(item)
        self._loops.put(self._submitter.run)
        self._loops.put(self._follower.run)

    def _put_ffmpeg(self) -> None:
        """Beside the sources: nodes come later; and a runner that goes away is done only after it."""
        flight = self._flight

        def say(words: str) -> None:
            flight.report(Notice(words))

        put_ffmpeg(flight.deployment, flight.blobs, flight.scratch, say, flight.over.is_set)
        self._is_putting = False
        self._submitter.drop()
        self._wake()

    @property
    def _goes_on(self) -> bool:
        if self._left:
            return not (self._detach and self._submitter.is_done)
        # what the nodes to come will use is put there to the end, unless somebody is in a hurry
        return self._is_putting and not self._stop.gently

    def _listen(self) -> Generator[Event | Notice, None, None]:
        while self._goes_on:
            news = next_of(self._inbox)
            if isinstance(news, BaseException):
                raise news
            if news is not None:
                self._note(news)
                yield news
            if self._stop.gently and self._left:
                yield from self._last_words()
                raise self._interrupted()

    def _last_words(self) -> Generator[Event | Notice, None, None]:
        """What was reported before the stop: results that are there are to be known."""
        self._flight.over.set()
        while not self._inbox.empty():
            news = self._inbox.get()
            if news is not None and not isinstance(news, BaseException):
                self._note(news)
                yield news

    def _note(self, news: Event | Notice) -> None:
        if isinstance(news, Notice):
            return
        if news.failure is not None or news.state.is_final:
            self._collecting.discard(news.conversion.id)
        if news.state.is_final:
            self._left -= 1
            self._settled.note(news)

    def _leave_in_order(self) -> Generator[Event | Notice, None, None]:
        """After a job was ended: take in what is on its way, and leave in storage what is needed."""
        self._flight.over.set()
        for crew in (self._stagers, self._collectors):
            crew.dismiss()
        for crew in (self._stagers, self._collectors):
            crew.wait(_TRANSFERS_END)
        yield from self._last_words()
        with suppress(RunnerError):  # what is left over, the next command finds
            self._settled.clear(self._flight.stored, keep=self._flight.options.keep)

    def _lost(self, error: RunnerError) -> RunnerError:
        left = count_text(self._left, "file")
        if isinstance(error, PoolLostError):
            return PoolLostError(f"{error}; {left} left")
        if isinstance(error, JobCancelledError):
            return RunCancelledError(f"run {self._plan.id} was cancelled with {left} left")
        return PassingError(f"{error} with {left} left; the same command submits the rest again")

    def _stage(self, item: Item) -> None:
        if self._flight.over.is_set():
            return
        self._flight.report(
            Event(conversion=item.conversion, state=State.UPLOADING, attempt=item.attempt)
        )
        try:
            stage(self._flight, item)
        except ConversionError as error:
            self._not_staged(item, error.failure)
        except PassingError as error:
            self._count_fault(error)
            self._not_staged(item, Failure(Kind.TRANSIENT, str(error)))
        else:
            self._faults = 0
            self._submitter.put(item)

    def _not_staged(self, item: Item, failure: Failure) -> None:
        event = _failed(item, failure)
        if self._may_try_again(item, failure):
            self._flight.report(replace(event, state=State.RETRYING))
            self._stagers.put(item.again())
        else:
            self._flight.report(event)
            self._submitter.drop()

    def _ended(self, item: Item, end: Finished) -> None:
        self._collecting.add(item.conversion.id)
        self._collectors.put((item, end))

    def _collect(self, work: tuple[Item, Finished]) -> None:
        item, end = work
        self._flight.report(
            Event(conversion=item.conversion, state=State.DOWNLOADING, attempt=item.attempt)
        )
        try:
            event = collect(self._flight, item, end)
        except PassingError as error:
            self._count_fault(error)
            item.tries += 1
            if item.tries <= self._flight.options.retries:
                self._collectors.put(work)
            else:
                event = _failed(item, Failure(Kind.TRANSIENT, str(error)))
                self._flight.report(replace(event, uncollected=True))
            return
        self._faults = 0
        self._settle(item, event)

    def _settle(self, item: Item, event: Event) -> None:
        """Try the conversion of *item* once more under a new attempt, or leave it at this *event*."""
        if event.failure is None or not self._may_try_again(item, event.failure):
            self._flight.report(event)
            if not event.uncollected:
                self._discard_source(item)
            return
        self._submitter.expect()
        self._flight.report(replace(event, state=State.RETRYING))
        (self._submitter if item.blob else self._stagers).put(item.again())

    def _may_try_again(self, item: Item, failure: Failure) -> bool:
        if failure.kind is Kind.ENVIRONMENT:
            return item.is_earlier  # it may have been mended since
        return failure.kind is Kind.TRANSIENT and item.retried < self._flight.options.retries

    def _count_fault(self, error: RunnerError) -> None:
        self._faults += 1
        if self._faults >= _PASSING_IN_A_ROW:
            raise error

    def _discard_source(self, item: Item) -> None:
        flight = self._flight
        if item.blob and not flight.options.keep:
            with suppress(PassingError):  # it is tried once more at the end
                flight.blobs.delete(flight.deployment.input_container, [item.blob])

    def _clear_up(self) -> Generator[Notice, None, None]:
        """After the last file: end the jobs, and leave no source in storage."""
        if self._left:
            return  # detached
        flight = self._flight
        try:
            for job in self._jobs:
                flight.jobs.finish(job)
            left = self._settled.clear(flight.stored, keep=flight.options.keep)
        except RunnerError as error:
            # all results are here: that is no failure of the run
            clean = self._follow_up.clean(self._plan.id)
            yield Notice(f"not all was cleared up in Azure: {error}; `{clean}` does")
        else:
            if left:
                yield about(left, self._plan, self._follow_up)

    def _interrupted(self) -> InterruptedRunError:
        self._flight.over.set()
        self._let_job_end()
        if not self._has_begun:
            return InterruptedRunError("stopped before it had begun; the same command goes on")
        going_on, ended = len(self._flight.aloft), len(self._collecting)
        return InterruptedRunError(left_behind(going_on, ended, self._plan.id, self._follow_up))

    def _let_job_end(self) -> None:
        """Have the job end itself with what it has, unless that takes longer than a user waits."""
        job = self._jobs[-1]
        call = threading.Thread(target=self._try_to_finish, args=(job,), daemon=True)
        call.start()
        call.join(_PATIENCE)

    def _try_to_finish(self, job: str) -> None:
        with suppress(RunnerError):
            self._flight.jobs.finish(job)


def _failed(item: Item, failure: Failure) -> Event:
    return Event(
        conversion=item.conversion, state=State.FAILED, attempt=item.attempt, failure=failure
    )
