"""What the commands do on Azure besides converting: attach, cancel, status, clean, checks."""

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

from runner.azure.blobs import Blobs
from runner.azure.clients import batch_client, blob_client, sign_in
from runner.azure.diagnosis import why_nothing_runs
from runner.azure.engine import AzureEngine
from runner.azure.jobs import CANCELLED, Counts, Jobs
from runner.azure.manifest import DamagedPlanError, Manifest
from runner.azure.names import RUN_NAME, TaskName, jobs_of, result_in, run_of
from runner.azure.stack import Deployment
from runner.azure.start_task_log import last_lines
from runner.azure.stored import StoredRun
from runner.errors import SetupError, UsageError
from runner.models import Conversion, Plan
from runner.options import RunOptions

_LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class JobStatus:
    """How the tasks of a run stand."""

    jobs: tuple[str, ...]
    counts: Counts
    why: str
    """Why nothing runs; empty where something does, or nothing waits."""


@dataclass(frozen=True)
class Cancelled:
    """What the end of a run came to."""

    was_over: bool
    """Whether nothing of it went on any more."""
    waiting: int
    """Results in storage that nobody has collected, as far as it is known."""


IsHere = Callable[[Conversion], bool]
"""Whether the result of a conversion is where it belongs."""


@dataclass(frozen=True)
class Session:
    """A sign-in to one deployment."""

    deployment: Deployment
    origin: "Session | None" = None
    """The one whose sign-in and clients this one uses: it was made for another pool."""

    @cached_property
    def _credential(self) -> TokenCredential:
        return sign_in()

    @cached_property
    def batch(self) -> BatchClient:
        """Microsoft's client of the Batch account."""
        return self.origin.batch if self.origin else batch_client(self.deployment, self._credential)

    @cached_property
    def storage(self) -> BlobServiceClient:
        """Microsoft's client of the storage account."""
        if self.origin:
            return self.origin.storage
        return blob_client(self.deployment.blob_endpoint, self._credential)

    @cached_property
    def jobs(self) -> Jobs:
        """The account's jobs, and the pool that is used."""
        return Jobs(self.batch, self.deployment.pool.id)

    @cached_property
    def blobs(self) -> Blobs:
        """The deployment's containers."""
        return Blobs(self.storage)

    def on(self, deployment: Deployment) -> Self:
        """The same sign-in for *deployment*, which is this one with another pool."""
        return replace(self, deployment=deployment, origin=self.origin or self)

    def engine(self, ffmpeg: str, options: RunOptions, *, detach: bool = False) -> AzureEngine:
        """An engine on this deployment."""
        return AzureEngine(
            deployment=self.deployment,
            batch=self.batch,
            storage=self.storage,
            ffmpeg=ffmpeg,
            options=options,
            detach=detach,
        )

    def manifest(self, run: str, destination: Path) -> Manifest:
        """What lies beside the sources of *run*, for results in *destination*.

        Raises:
            SetupError: There is none.
            UsageError: No run can be called so.
        """
        if not RUN_NAME.fullmatch(run):
            raise UsageError(
                f"'{run}' is not the name of a run; names look like 20261122-1412-mossy-otter"
            )
        manifest = self._stored(run).read(destination)
        if manifest is None:
            raise SetupError(
                f"nothing of run {run} is left to collect on {self.deployment.account}"
            )
        return manifest

    def newest_run(self) -> str:
        """The newest run that Batch knows.

        Raises:
            SetupError: There is none.
        """
        job = self.jobs.newest()
        if job is None:
            raise SetupError(f"no run on {self.deployment.account}")
        return run_of(job)

    def jobs_of(self, run: str) -> list[str]:
        """The jobs of *run*, the newest last."""
        return [job.id or "" for job in jobs_of(self.jobs, run)]

    def shares_no_files_with(self, run: str, plan: Plan) -> bool:
        """Whether *run* is about other files than *plan* altogether."""
        stored = self._stored(run).read(plan.destination)
        if stored is None:
            return False
        ours = {conversion.id for conversion in plan.conversions}
        return not any(conversion.id in ours for conversion in stored.plan.conversions)

    def cancel(self, run: str, is_here: IsHere) -> Cancelled:
        """End all tasks of *run*; what they have made before and nobody has stays to be collected.

        Where all had ended by itself, nothing is changed but a plan of which nothing is to be had.

        Raises:
            SetupError: There is no such run.
        """
        stored = self._stored(run)
        jobs = self.jobs_of(run)
        try:
            manifest = stored.read(Path())
            found = bool(jobs) or manifest is not None
        except DamagedPlanError:  # what it has made cannot be told
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
        """The conversions of *run* whose results nobody has collected, as far as it is known."""
        if manifest is None:
            return set()
        made = self._made(run)
        return {c.id for c in manifest.plan.conversions if c.id in made and not is_here(c)}

    def _made(self, run: str) -> set[str]:
        """The conversions of *run* whose results are in storage."""
        names = self.blobs.names(self.deployment.output_container, f"{run}/")
        return {task.conversion for name in names if (task := result_in(name))}

    def _has_come_to_its_end(self, jobs: list[str], manifest: Manifest | None) -> bool:
        """Whether a task of each conversion in *manifest* came to its end."""
        tasks = chain.from_iterable(map(self.jobs.tasks, jobs))
        ended = {name.conversion for t in tasks if t.completed and (name := TaskName.parse(t.task))}
        return manifest is None or all(c.id in ended for c in manifest.plan.conversions)

    def _stored(self, run: str) -> StoredRun:
        return StoredRun(self.blobs, self.deployment.input_container, run)

    def job_status(self, run: str) -> JobStatus:
        """How the tasks of *run* stand, and why none runs if they only wait."""
        jobs = self.jobs_of(run)
        each = [self.jobs.counts(job) for job in jobs]
        counts = Counts(
            sum(count.active for count in each),
            sum(count.running for count in each),
            sum(count.completed for count in each),
        )
        waits = counts.active > 0 and counts.running == 0
        return JobStatus(tuple(jobs), counts, self.why_nothing_runs() if waits else "")

    def why_nothing_runs(self) -> str:
        """The most likely reason why tasks wait, and what to do."""
        return why_nothing_runs(self.jobs.look(), self.deployment)

    def old_runs(self, before: datetime | None = None) -> list[str]:
        """The runs that began *before* then, or ever, and left something in storage or in Batch.

        Those that go on are not among them.
        """
        jobs = list(self.jobs.ours())
        going_on = {run_of(job) for job, goes_on in jobs if goes_on}
        runs = {run_of(job) for job, _ in jobs}
        for container in (self.deployment.input_container, self.deployment.output_container):
            runs.update(map(run_of, self.blobs.names(container, "")))
        return sorted(run for run in runs - going_on if _is_before(run, before or _LATEST))

    def uncollected(self, run: str, is_here: IsHere) -> int:
        """How many results of *run* nobody has collected, as far as it is known."""
        try:
            manifest = self._stored(run).read(Path())
        except SetupError:
            return len(self._made(run))
        return len(self._waiting(run, manifest, is_here))

    def delete(self, runs: Collection[str]) -> tuple[int, int]:
        """Delete what *runs* left in storage and in Batch; returns how many blobs and jobs."""
        blobs = 0
        for container in (self.deployment.input_container, self.deployment.output_container):
            for run in runs:
                blobs += self.blobs.delete(container, self.blobs.names(container, f"{run}/"))
        jobs = [job for job, _ in self.jobs.ours() if run_of(job) in runs]
        for job in jobs:
            self.jobs.delete(job)
        return blobs, len(jobs)

    def start_task_log(self, node: str) -> tuple[str, ...]:
        """The last lines of what the start task of *node* said."""
        return last_lines(node, self.jobs, self.blobs, self.deployment)


def _is_before(run: str, moment: datetime) -> bool:
    # to the day is exact enough: a run's name is in the time of the machine that began it
    found = RUN_NAME.fullmatch(run)
    if not found:
        return False
    try:
        day = datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:  # no day, and so no run: whoever wrote that blob may keep it
        return False
    return day + timedelta(hours=12) <= moment.astimezone(UTC)
