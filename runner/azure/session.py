"""What commands do on Azure apart from converting: attach, cancel, status, clean and checks."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Self

from azure.batch import BatchClient
from azure.core.credentials import TokenCredential
from azure.storage.blob import BlobServiceClient

from runner.azure.accounts import Accounts
from runner.azure.blobs import Blobs
from runner.azure.clients import batch_client, blob_client, sign_in
from runner.azure.conversion_index import ConversionIndex, id_of
from runner.azure.cost_limit import ended_at_limit
from runner.azure.deployment import Deployment
from runner.azure.diagnosis import why_nothing_runs
from runner.azure.engine import AzureEngine
from runner.azure.errors import word
from runner.azure.jobs import CANCELLED, Jobs
from runner.azure.manifest import DamagedPlanError, Manifest
from runner.azure.names import RUN_NAME, TaskName, jobs_of, result_in, run_of
from runner.azure.start_task_log import last_lines
from runner.azure.stored import StoredRun
from runner.azure.tasks import TaskCounts
from runner.conversions import Conversions
from runner.errors import SetupError, UsageError
from runner.models import Conversion, Plan
from runner.options import RunOptions

_LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class JobStatus:
    """The state of a run's tasks."""

    jobs: tuple[str, ...]
    counts: TaskCounts
    why: str
    """Why nothing runs; empty if something does, or if nothing is waiting."""


@dataclass(frozen=True)
class Cancelled:
    """The outcome of cancelling a run."""

    was_over: bool
    """Whether all of it had already ended."""
    waiting: int
    """Results in storage that were not collected, as far as known."""


IsHere = Callable[[Conversion], bool]
"""Says whether the result of a conversion is in its destination."""


@dataclass(frozen=True)
class Session:
    """Access to one deployment, signed in on first use."""

    deployment: Deployment
    origin: "Session | None" = None
    """The session for another pool whose sign-in and clients this one shares."""

    @cached_property
    def _credential(self) -> TokenCredential:
        return sign_in()

    @cached_property
    def batch(self) -> BatchClient:
        """Microsoft's client for the Batch account."""
        return self.origin.batch if self.origin else batch_client(self.deployment, self._credential)

    @cached_property
    def storage(self) -> BlobServiceClient:
        """Microsoft's client for the storage account."""
        if self.origin:
            return self.origin.storage
        return blob_client(self.deployment.blob_endpoint, self._credential)

    @cached_property
    def accounts(self) -> Accounts:
        """The accounts that addresses name, with the deployment's own."""
        if self.origin:
            return self.origin.accounts
        return Accounts(self.deployment, storage=self.storage)

    @cached_property
    def jobs(self) -> Jobs:
        """The jobs of the account, and the pool in use."""
        return Jobs(self.batch, self.deployment.pool.id)

    @cached_property
    def blobs(self) -> Blobs:
        """The deployment's containers."""
        return Blobs(self.storage)

    def on(self, deployment: Deployment) -> Self:
        """Return a session for *deployment*, which is the same with another pool, sharing the sign-in."""
        return replace(self, deployment=deployment, origin=self.origin or self)

    def engine(self, ffmpeg: str, options: RunOptions, *, detach: bool = False) -> AzureEngine:
        """Return an engine for this deployment."""
        return AzureEngine(
            deployment=self.deployment,
            batch=self.batch,
            storage=self.storage,
            accounts=self.accounts,
            ffmpeg=ffmpeg,
            options=options,
            detach=detach,
        )

    def check_rights(self, plan: Plan) -> None:
        """See that nodes can read the sources of *plan* in storage, and write the results there.

        Raises:
            SetupError: They cannot.
        """
        self.engine("", RunOptions()).check_rights(plan)

    def manifest(self, run: str, destination: Path) -> Manifest:
        """Return the plan stored next to the sources of *run*, for results in *destination*.

        Raises:
            SetupError: There is none.
            UsageError: It cannot be the name of a run.
        """
        if not RUN_NAME.fullmatch(run):
            raise UsageError(
                f"'{run}' is not the name of a run; names look like 20261122-1412-mossy-otter"
            )
        manifest = self._stored(run).read(destination)
        if manifest is None:
            raise SetupError(f"run {run} has nothing left to collect on {self.deployment.account}")
        return manifest

    def newest_run(self) -> str:
        """Return the newest run that Batch knows.

        Raises:
            SetupError: There is none.
        """
        job = self.jobs.newest()
        if job is None:
            raise SetupError(f"no run on {self.deployment.account}")
        return run_of(job)

    def jobs_of(self, run: str) -> list[str]:
        """Return the jobs of *run*, newest last."""
        return [job.id or "" for job in jobs_of(self.jobs, run)]

    def let_end(self, run: str) -> None:
        """Let each job of *run* end with its last task; whoever continues the run opens another one."""
        for job in jobs_of(self.jobs, run):
            if word(job.state) != "completed":  # most are: there is nothing to ask for
                self.jobs.finish(job.id or "")

    def shares_no_files_with(self, run: str, plan: Plan) -> bool:
        """Return whether *run* has no file in common with *plan*."""
        stored = self._stored(run).open()
        if stored is None:
            return False
        ours = ConversionIndex(Conversions.of(plan.conversions), id_of)
        return all(ours.find(conversion.id) is None for conversion in stored.conversions)

    def cancel(self, run: str, is_here: IsHere) -> Cancelled:
        """End all tasks of *run*; results that are finished but not collected stay available.

        If all had already ended, nothing changes, except that a plan without any results is deleted.

        Raises:
            SetupError: There is no such run.
        """
        stored = self._stored(run)
        jobs = self.jobs_of(run)
        try:
            manifest = stored.read(Path())
            found = bool(jobs) or manifest is not None
        except DamagedPlanError:  # there is no way to know its results
            stored.delete()
            manifest, found = None, True
        if not found:
            raise SetupError(f"there is no run {run} on {self.deployment.account}")
        ended = [job for job in jobs if self.jobs.terminate(job, CANCELLED)]
        for job in ended:
            self.jobs.wait_for_end(job)
        waiting = self._waiting(run, manifest, is_here)
        if waiting and not ended and self._has_come_to_its_end(jobs, manifest):
            return Cancelled(was_over=True, waiting=len(waiting))
        left = stored.retain(lambda conversion: conversion.id in waiting)
        stored.delete_sources()
        return Cancelled(was_over=not ended, waiting=len(left))

    def _waiting(self, run: str, manifest: Manifest | None, is_here: IsHere) -> set[str]:
        """Return the conversions of *run* whose results were not collected, as far as known."""
        if manifest is None:
            return set()
        made = self._made(run)
        return {c.id for c in manifest.plan.conversions if c.id in made and not is_here(c)}

    def _made(self, run: str) -> set[str]:
        """Return the conversions of *run* whose results are in storage."""
        names = self.blobs.names(self.deployment.output_container, f"{run}/")
        return {task.conversion for name in names if (task := result_in(name))}

    def _has_come_to_its_end(self, jobs: list[str], manifest: Manifest | None) -> bool:
        """Return whether each conversion in *manifest* has a finished task."""
        tasks = chain.from_iterable(map(self.jobs.tasks, jobs))
        ended = {name.conversion for t in tasks if t.completed and (name := TaskName.parse(t.task))}
        return manifest is None or all(c.id in ended for c in manifest.plan.conversions)

    def _stored(self, run: str) -> StoredRun:
        return StoredRun(self.blobs, self.deployment.input_container, run)

    def job_status(self, run: str) -> JobStatus:
        """Return the state of the tasks of *run*, and why none is running if they are only waiting."""
        facts = list(jobs_of(self.jobs, run))
        jobs = [job.id or "" for job in facts]
        each = [self.jobs.counts(job) for job in jobs]
        counts = TaskCounts(
            sum(count.active for count in each),
            sum(count.running for count in each),
            sum(count.completed for count in each),
        )
        waits = counts.active > 0 and counts.running == 0
        why = (ended_at_limit(facts[-1]) or self.why_nothing_runs()) if waits else ""
        return JobStatus(tuple(jobs), counts, why)

    def why_nothing_runs(self) -> str:
        """Return the most likely reason why tasks wait, and what to do."""
        return why_nothing_runs(self.jobs.pool.snapshot(), self.deployment)

    def old_runs(self, before: datetime | None = None) -> list[str]:
        """Return the runs that started before *before*, or all, and left something in storage or in Batch.

        Active runs are not included.
        """
        jobs = list(self.jobs.ours())
        going_on = {run_of(job) for job, goes_on in jobs if goes_on}
        runs = {run_of(job) for job, _ in jobs}
        for container in (self.deployment.input_container, self.deployment.output_container):
            runs.update(map(run_of, self.blobs.names(container, "")))
        return sorted(run for run in runs - going_on if _is_before(run, before or _LATEST))

    def uncollected(self, run: str, is_here: IsHere) -> int:
        """Return how many results of *run* were not collected, as far as known."""
        try:
            manifest = self._stored(run).read(Path())
        except SetupError:
            return len(self._made(run))
        return len(self._waiting(run, manifest, is_here))

    def delete(self, runs: Collection[str]) -> tuple[int, int]:
        """Delete what *runs* left in storage and in Batch; return the numbers of blobs and jobs."""
        blobs = 0
        for container in (self.deployment.input_container, self.deployment.output_container):
            for run in runs:
                blobs += self.blobs.delete(container, self.blobs.names(container, f"{run}/"))
        jobs = [job for job, _ in self.jobs.ours() if run_of(job) in runs]
        for job in jobs:
            self.jobs.delete(job)
        return blobs, len(jobs)

    def start_task_log(self, node: str) -> tuple[str, ...]:
        """Return the last lines of the start task's log on *node*."""
        return last_lines(node, self.jobs, self.blobs, self.deployment)


def _is_before(run: str, moment: datetime) -> bool:
    # a day is exact enough: a run's name is in the local time of the machine that started it
    found = RUN_NAME.fullmatch(run)
    if not found:
        return False
    try:
        day = datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:  # without a day it is not a run: the blob belongs to somebody else
        return False
    return day + timedelta(hours=12) <= moment.astimezone(UTC)
