"""Convert on Azure Batch: stage, submit, follow and collect, overlapped, file by file."""

import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Any

from azure.batch import BatchClient
from azure.batch.models import BatchJob
from azure.storage.blob import BlobServiceClient

from runner.azure.blobs import Blobs
from runner.azure.collecting import collect
from runner.azure.crew import Crew
from runner.azure.deployment import Deployment
from runner.azure.flight import Flight, Item, Options
from runner.azure.following import Follower
from runner.azure.jobs import Finished, Jobs
from runner.azure.manifest import manifest_name, manifest_of
from runner.azure.staging import stage
from runner.azure.submitting import Submitter
from runner.azure.tasks import Places, TaskName
from runner.azure.tool import pack
from runner.azure.verdicts import GONE
from runner.engine import Stop
from runner.errors import InterruptedRunError, PassingError, RunnerError, UnfitError
from runner.media.failures import ConversionError
from runner.models import Event, Failure, Kind, Notice, Plan, State

_PASSING_IN_A_ROW = 12
"""So many transfers that fail one after the other are the network's fault, and not a file's."""
_PATIENCE = 0.7
"""Seconds that somebody who pressed Ctrl-C is kept waiting."""


@dataclass(frozen=True, kw_only=True)
class AzureEngine:
    """Runs conversions on the pool of a deployment."""

    deployment: Deployment
    batch: BatchClient
    storage: BlobServiceClient
    options: Options

    def run(self, plan: Plan, stop: Stop) -> Generator[Event | Notice, None, None]:
        """Yield all that happens; see `Engine.run`.

        A run of the same id that was cut off is taken up: what lies in storage and in Batch is
        neither uploaded nor submitted again.
        """
        run = _Run(self, plan, stop)
        try:
            yield from run.carry_out()
        finally:
            run.let_go()


class _Run:
    """One run of a plan: its crews, and what is left to do."""

    def __init__(self, engine: AzureEngine, plan: Plan, stop: Stop) -> None:
        self._plan = plan
        self._stop = stop
        self._inbox: SimpleQueue[Event | Notice | BaseException | None] = SimpleQueue()
        over = threading.Event()
        blobs = Blobs(engine.storage, engine.deployment, over.is_set)
        self._flight = Flight(
            run=plan.id,
            destination=plan.destination,
            deployment=engine.deployment,
            options=engine.options,
            jobs=Jobs(engine.batch, engine.deployment.pool_id, over),
            blobs=blobs,
            places=Places(plan.id, engine.deployment, blobs.signer()),
            report=self._inbox.put,
            over=over,
        )
        transfers = engine.options.transfers
        self._jobs = [plan.id]
        self._submitter = Submitter(self._flight, self._jobs)
        self._stagers = Crew("stage", transfers, self._stage, self._inbox.put)
        self._collectors = Crew("collect", transfers, self._collect, self._inbox.put)
        self._follower = Follower(self._flight, self._jobs, self._ended)
        self._loops = Crew[Callable[[], None]]("loop", 2, lambda loop: loop(), self._inbox.put)
        self._crews: list[Crew[Any]] = [self._stagers, self._collectors, self._loops]
        self._faults = 0

    def carry_out(self) -> Generator[Event | Notice, None, None]:
        """Prepare, set the crews to work, and yield what they report."""
        self._stop.listen(lambda: self._inbox.put(None))
        self._look_at_pool()
        self._flight.scratch.mkdir(parents=True, exist_ok=True)
        todo = self._take_up()
        for crew in self._crews:
            crew.start()
        self._submitter.expect(len(todo))
        for item in todo:
            self._stagers.put(item)
        self._loops.put(self._submitter.run)
        self._loops.put(self._follower.run)
        yield from self._listen()
        self._clear_up()

    def let_go(self) -> None:
        """End what can be ended at once; paid work is neither cancelled nor forgotten."""
        self._flight.over.set()
        for crew in self._crews:
            crew.dismiss()

    def _listen(self) -> Generator[Event | Notice, None, None]:
        left = len(self._plan.conversions)
        while left and not (self._flight.options.detach and self._submitter.is_done):
            news = self._inbox.get()
            if isinstance(news, BaseException):
                raise news
            if news is not None:
                left -= isinstance(news, Event) and news.state.is_final
                yield news
            if self._stop.gently:
                raise self._interrupted()

    def _look_at_pool(self) -> None:
        pool = self._flight.jobs.pool()
        if str(getattr(pool.state, "value", pool.state)) != "active":
            raise UnfitError(f"pool {pool.id} is being deleted: run `pulumi up`")

    def _take_up(self) -> list[Item]:
        """Create the job, or see how far one of the same name has come; returns what is to be staged."""
        flight = self._flight
        name, data = pack()
        flight.blobs.put(flight.deployment.tools_container, name, data)
        is_new = flight.jobs.create(self._plan.id)
        with manifest_of(self._plan) as file:
            container = flight.deployment.input_container
            flight.blobs.put(container, manifest_name(self._plan.id), file, overwrite=True)
        known = {} if is_new else self._known_attempts()
        todo: list[Item] = []
        for conversion in self._plan.longest_first():
            item = Item(conversion)
            newest = known.get(conversion.id)
            if newest is None:
                todo.append(item)
                continue
            item.attempt, item.job, alive = newest
            if alive:
                flight.aloft.add(item)
                flight.report(
                    Event(conversion=conversion, state=State.QUEUED, attempt=item.attempt)
                )
            else:
                item.attempt += 1
                todo.append(item)
        return todo

    def _known_attempts(self) -> dict[str, tuple[int, str, bool]]:
        """The newest attempt at each conversion that Batch knows: its job, and whether it will end."""
        known: dict[str, tuple[int, str, bool]] = {}
        job = self._plan.id
        while (facts := self._flight.jobs.job(job)) is not None:
            if job not in self._jobs:
                self._jobs.append(job)
            alive = self._is_alive(facts)
            for task, completed in self._flight.jobs.tasks(job):
                if name := TaskName.parse(task):
                    newest = known.get(name.conversion)
                    if newest is None or newest[0] <= name.attempt:
                        known[name.conversion] = (name.attempt, job, completed or alive)
            job = f"{self._plan.id}--{len(self._jobs) + 1}"
        return known

    def _is_alive(self, job: BatchJob) -> bool:
        """Whether tasks of *job* that wait will run: those of a job that has ended never do."""
        if str(getattr(job.state, "value", job.state)) != "active":
            return False
        pool = self._flight.deployment.pool_id
        if job.pool_info is not None and (job.pool_info.pool_id or "").lower() == pool.lower():
            return True
        # `pulumi up` has made another pool since: what waits must not wait for the old one
        self._flight.jobs.terminate(job.id or "", "its pool was replaced")
        return False

    def _stage(self, item: Item) -> None:
        if self._flight.over.is_set():
            return
        self._flight.report(
            Event(conversion=item.conversion, state=State.UPLOADING, attempt=item.attempt)
        )
        try:
            stage(self._flight, item)
        except ConversionError as error:
            self._submitter.drop()
            self._settle(item, error.failure)
        except PassingError as error:
            self._submitter.drop()
            self._count_fault(error)
            self._settle(item, Failure(Kind.TRANSIENT, str(error)))
        else:
            self._faults = 0
            self._submitter.put(item)

    def _ended(self, item: Item, end: Finished) -> None:
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
                return
            self._settle(item, Failure(Kind.TRANSIENT, str(error)))
            return
        self._faults = 0
        if event.failure is not None:
            if end.code.lower() == GONE:
                item.blob = ""
            self._settle(item, event.failure, event)
        else:
            self._discard_source(item)
            self._flight.report(event)

    def _settle(self, item: Item, failure: Failure, event: Event | None = None) -> None:
        """Try the conversion of *item* once more under a new attempt, or report its *failure*."""
        again = failure.kind is Kind.TRANSIENT and item.attempt <= self._flight.options.retries
        event = event or Event(
            conversion=item.conversion, state=State.FAILED, attempt=item.attempt, failure=failure
        )
        if not again:
            self._discard_source(item)
            self._flight.report(event)
            return
        self._submitter.expect()
        self._flight.report(replace(event, state=State.RETRYING))
        following = Item(item.conversion, attempt=item.attempt + 1, blob=item.blob)
        if following.blob:
            self._submitter.put(following)
        else:
            self._stagers.put(following)

    def _count_fault(self, error: RunnerError) -> None:
        self._faults += 1
        if self._faults >= _PASSING_IN_A_ROW:
            raise error

    def _discard_source(self, item: Item) -> None:
        flight = self._flight
        if item.blob and not flight.options.keep:
            flight.blobs.delete(flight.deployment.input_container, [item.blob])

    def _clear_up(self) -> None:
        """After the last file: end the jobs, and leave no source in storage."""
        flight = self._flight
        if flight.options.detach and len(flight.aloft):
            return
        for job in self._jobs:
            flight.jobs.finish(job)
        if not flight.options.keep:
            container = flight.deployment.input_container
            flight.blobs.delete(container, flight.blobs.names(container, f"{flight.run}/"))

    def _interrupted(self) -> InterruptedRunError:
        self._let_job_end()
        count = len(self._flight.aloft)
        run = self._plan.id
        if not count:
            return InterruptedRunError(
                "stopped; nothing goes on in Azure, and the same command goes on"
            )
        return InterruptedRunError(
            f"stopped here; {count} tasks go on in Azure: `runner attach {run}` collects them, "
            f"`runner cancel {run}` ends them"
        )

    def _let_job_end(self) -> None:
        """Have the job end itself with what it has, unless that takes longer than a user waits."""
        job = self._jobs[-1]
        call = threading.Thread(target=self._flight.jobs.finish, args=(job,), daemon=True)
        call.start()
        call.join(_PATIENCE)
