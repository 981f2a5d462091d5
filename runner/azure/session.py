"""What the commands do on Azure besides converting: attach, cancel, status, clean, checks."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from azure.batch import BatchClient
from azure.core.credentials import TokenCredential
from azure.storage.blob import BlobServiceClient

from runner.azure.blobs import Blobs
from runner.azure.credentials import batch_client, blob_client, sign_in
from runner.azure.deployment import Deployment
from runner.azure.diagnosis import alarms, why_nothing_runs
from runner.azure.engine import AzureEngine
from runner.azure.jobs import Counts, Jobs
from runner.azure.manifest import Manifest, stored_manifest
from runner.azure.taking_up import jobs_of
from runner.errors import UnfitError, UsageError
from runner.models import Plan
from runner.options import RunOptions

_RUN = re.compile(r"(\d{8})-\d{4}-[a-z]+-[a-z]+")


@dataclass(frozen=True)
class Standing:
    """How the tasks of a run stand."""

    jobs: tuple[str, ...]
    counts: Counts
    why: str
    """Why nothing runs; empty where something does, or nothing waits."""


@dataclass(frozen=True)
class Session:
    """A sign-in to one deployment."""

    deployment: Deployment

    @cached_property
    def _credential(self) -> TokenCredential:
        return sign_in()

    @cached_property
    def batch(self) -> BatchClient:
        """Microsoft's client of the Batch account."""
        return batch_client(self.deployment, self._credential)

    @cached_property
    def storage(self) -> BlobServiceClient:
        """Microsoft's client of the storage account."""
        return blob_client(self.deployment, self._credential)

    @cached_property
    def jobs(self) -> Jobs:
        """The jobs of the deployment's pool."""
        return Jobs(self.batch, self.deployment.pool_id)

    @cached_property
    def blobs(self) -> Blobs:
        """The deployment's containers."""
        return Blobs(self.storage)

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
            UnfitError: There is none.
            UsageError: No run can be called so.
        """
        if not _RUN.fullmatch(run):
            raise UsageError(f"'{run}' is no run; a run is called as in 20261122-1412-mossy-otter")
        manifest = stored_manifest(self.blobs, self.deployment, run, destination)
        if manifest is None:
            raise UnfitError(f"run {run} is not in storage: it is finished, or was cancelled")
        return manifest

    def newest_run(self) -> str:
        """The newest run that Batch knows.

        Raises:
            UnfitError: There is none.
        """
        job = self.jobs.newest()
        if job is None:
            raise UnfitError(f"no run on {self.deployment.place}")
        return _run_of(job)

    def jobs_of(self, run: str) -> list[str]:
        """The jobs of *run*, the newest last."""
        return [job.id or "" for job in jobs_of(self.jobs, run)]

    def is_apart(self, run: str, plan: Plan) -> bool:
        """Whether *run* is about other files than *plan* altogether."""
        stored = stored_manifest(self.blobs, self.deployment, run, plan.destination)
        if stored is None:
            return False
        ours = {conversion.id for conversion in plan.conversions}
        return not any(conversion.id in ours for conversion in stored.plan.conversions)

    def cancel(self, run: str) -> int:
        """End all tasks of *run*, and take its sources out of storage; what is done stays there.

        Returns how many jobs were ended.
        """
        ended = sum(self.jobs.terminate(job, "cancelled by runner") for job in self.jobs_of(run))
        container = self.deployment.input_container
        self.blobs.delete(container, self.blobs.names(container, f"{run}/"))
        return ended

    def standing(self, run: str) -> Standing:
        """How the tasks of *run* stand, and why none runs if they only wait."""
        jobs = self.jobs_of(run)
        each = [self.jobs.counts(job) for job in jobs]
        counts = Counts(
            sum(count.active for count in each),
            sum(count.running for count in each),
            sum(count.completed for count in each),
        )
        waits = counts.active > 0 and counts.running == 0
        return Standing(tuple(jobs), counts, self.why_nothing_runs() if waits else "")

    def why_nothing_runs(self) -> str:
        """The most likely reason why tasks wait, and what to do."""
        pool, nodes = self.jobs.pool(), self.jobs.nodes()
        return why_nothing_runs(pool, nodes, self.deployment.autoscale_minutes)

    def clean(self, *, before: datetime, besides: str = "") -> tuple[int, int]:
        """Delete what runs that began before then left in storage and in Batch.

        Runs that go on, and the one *besides*, are left alone. Returns how many blobs and how many
        jobs that were.
        """
        kept = {besides, *(_run_of(job) for job, goes_on in self.jobs.ours() if goes_on)}
        return self._delete(lambda run: run not in kept and _is_before(run, before))

    def forget(self, run: str) -> tuple[int, int]:
        """Delete what *run* left in storage and in Batch."""
        return self._delete(lambda other: other == run)

    def _delete(self, wanted: Callable[[str], bool]) -> tuple[int, int]:
        blobs = 0
        for container in (self.deployment.input_container, self.deployment.output_container):
            names = (n for n in self.blobs.names(container, "") if wanted(_run_of(n)))
            blobs += self.blobs.delete(container, names)
        jobs = [job for job, _ in self.jobs.ours() if wanted(_run_of(job))]
        for job in jobs:
            self.jobs.delete(job)
        return blobs, len(jobs)

    def alarms(self) -> Iterator[str]:
        """What Batch reports as wrong with the pool and its nodes."""
        return alarms(self.jobs.pool(), self.jobs.nodes())


def _run_of(name: str) -> str:
    """The run that a blob or a job belongs to."""
    return name.partition("/")[0].partition("--")[0]


def _is_before(run: str, moment: datetime) -> bool:
    # to the day is exact enough: a run's name is in the time of the machine that began it
    found = _RUN.fullmatch(run)
    if not found:
        return False
    day = datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=UTC)
    return day + timedelta(hours=12) <= moment.astimezone(UTC)
