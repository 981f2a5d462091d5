"""The engine for Azure Batch: prepares a run and starts its pipeline."""

import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from azure.batch import BatchClient
from azure.storage.blob import BlobServiceClient

from runner.addresses import BlobAddress
from runner.azure.accounts import Accounts
from runner.azure.add_tasks import TaskAdder
from runner.azure.blobs import Blobs
from runner.azure.context import RunContext
from runner.azure.deployment import Deployment
from runner.azure.jobs import Jobs
from runner.azure.names import BlobNames
from runner.azure.node_reads import NodeReads
from runner.azure.node_writes import NodeWrites
from runner.azure.pace import PACE, Pace
from runner.azure.pipeline import News, Pipeline
from runner.azure.results import CloudResults
from runner.azure.signing import Lifetimes, Signer, lifetimes
from runner.azure.stored import StoredRun
from runner.azure.task_spec import longest_task
from runner.azure.work_items import InFlightTasks
from runner.clashes import renamed_here
from runner.engine import Stop
from runner.followup import FollowUp
from runner.models import Event, NodeUse, Notice, Plan
from runner.options import RunOptions
from runner.scratch import clear_leftovers, discard_scratch, make_scratch

_MOST_NEWS = 5_000
_MOMENT = 0.005


@dataclass(frozen=True, kw_only=True)
class AzureEngine:
    """Runs conversions on the pool of a deployment."""

    deployment: Deployment
    batch: BatchClient
    storage: BlobServiceClient
    accounts: Accounts
    """Where sources are that are in storage already."""
    ffmpeg: str
    """The ffmpeg that extracts the audio of films before the upload."""
    options: RunOptions = field(default_factory=RunOptions)
    detach: bool = False
    """Whether runner exits once everything is submitted."""
    pace: Pace = field(default_factory=PACE.get)
    follow_up: FollowUp = field(default_factory=FollowUp)
    """Makes the follow-up commands of a run."""

    def run(self, plan: Plan, stop: Stop) -> Generator[Event | Notice | NodeUse, None, None]:
        """Yield all that happens; see `Engine.run`.

        An interrupted run of the same id is resumed: what is already in storage and in Batch is
        neither uploaded nor submitted again.
        """
        yield from renamed_here(plan)
        self.check_rights(plan)
        yield from clear_leftovers(plan.destination)
        scratch = make_scratch(plan.destination)
        inbox = SimpleQueue[News]()
        context = self.context_of(plan, scratch, _paced(inbox))
        pipeline = Pipeline(
            context, plan, stop, inbox, detach=self.detach, follow_up=self.follow_up
        )
        try:
            for event in pipeline.events():
                yield event
                if isinstance(event, Event):
                    context.notes.remove(event)
        finally:
            pipeline.close()
            discard_scratch(scratch)

    def check_rights(self, plan: Plan) -> None:
        """See that nodes can read the sources of *plan* in storage, and write the results there.

        Raises:
            SetupError: They cannot; the message has the command that gives them the right.
        """
        self._reads(plan).check(plan.conversions)
        if plan.address is not None and plan.conversions:
            self._writes(plan, plan.address).check()

    def context_of(
        self, plan: Plan, scratch: Path, report: Callable[[Event | Notice | NodeUse], None]
    ) -> RunContext:
        """Return what the steps of a run of *plan* share."""
        stopped = threading.Event()
        deployment = self.deployment
        blobs = Blobs(self.storage, stopped.is_set)
        signer = Signer(self.storage, deployment, self._lifetimes(plan))
        reads = self._reads(plan)
        return RunContext(
            run=plan.id,
            destination=plan.destination,
            scratch=scratch,
            deployment=deployment,
            options=self.options,
            pace=self.pace,
            ffmpeg=self.ffmpeg,
            jobs=Jobs(self.batch, deployment.pool.id, stopped),
            adder=TaskAdder(self.batch, stopped),
            blobs=blobs,
            stored=StoredRun(blobs, deployment.input_container, plan.id),
            blob_names=BlobNames(plan.id, deployment, signer.readable, signer.writable, reads.url),
            reads=reads,
            report=report,
            stopped=stopped,
            in_flight=InFlightTasks(plan.id, plan.longest_first()),
            files=len(plan.conversions),
            replaces=plan.replaces,
            **self._cloud_results(plan),
        )

    def _cloud_results(self, plan: Plan) -> dict[str, Any]:
        """Return what `RunContext` needs for results that stay in the cloud."""
        if plan.address is None:
            return {}
        results = CloudResults(plan.address, self.accounts)
        signature = self._writes(plan, plan.address).signature
        return {"results": results, "result_signature": signature}

    def _reads(self, plan: Plan) -> NodeReads:
        lifetimes = self._lifetimes(plan)
        if plan.address is not None:
            # nodes look at the source once more when they store its result
            lifetimes = replace(lifetimes, read=lifetimes.write)
        return NodeReads(self.accounts, self.deployment, lifetimes)

    def _writes(self, plan: Plan, address: BlobAddress) -> NodeWrites:
        results = CloudResults(address, self.accounts)
        return NodeWrites(results, self.deployment, self._lifetimes(plan))

    def _lifetimes(self, plan: Plan) -> Lifetimes:
        if self.pace.lifetimes:
            return self.pace.lifetimes
        pool = self.deployment.pool
        slots = pool.max_nodes * pool.task_slots
        return lifetimes(plan, slots, longest_task(self.options.timeout))


def _paced(inbox: SimpleQueue[News]) -> Callable[[News], None]:
    """Put news into *inbox*, more slowly while many wait: a million tasks are resumed faster than they are shown."""

    def put(news: News) -> None:
        if inbox.qsize() > _MOST_NEWS:
            time.sleep(_MOMENT)
        inbox.put(news)

    return put
