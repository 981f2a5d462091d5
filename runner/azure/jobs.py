"""Access to the Batch service: jobs, tasks and counts, with errors translated."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from azure.batch import BatchClient
from azure.batch import models as batch
from azure.core.exceptions import (
    AzureError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.core.rest import HttpRequest

from runner.azure.errors import JobLostError, azure_errors, code_of, translated, word
from runner.azure.pool_client import PoolClient
from runner.azure.retrying import call_with_retry
from runner.azure.tasks import FinishedTask, ListedTask, TaskCounts
from runner.errors import SetupError

# The service ends the job after this time, even if runner is gone.
_JOB_LIMIT = timedelta(days=7)
_END_TAKES = 30.0
_FIRST_LOOK, _LONGEST_LOOK = 0.05, 1.0
"""In seconds, at a job that was terminated: each wait is twice as long as the one before."""
CANCELLED = "cancelled by runner"
"""The reason given to a job that the user cancelled."""
_MARK = ("made-by", "runner")
AT_LIMIT = ("stopped-by", "max-cost")
"""In the metadata of a job that was disabled at its run's cost limit."""


class JobQuotaError(SetupError):
    """The account has as many active jobs as it may have."""


class Jobs:
    """The jobs of an account, and the pool on which new ones run."""

    def __init__(
        self, client: BatchClient, pool: str, stopped: threading.Event | None = None
    ) -> None:
        self._client = client
        self.pool = PoolClient(client, pool)
        self._stopped = stopped or threading.Event()
        """Set when the run is over or stopped."""
        self._finished: set[str] = set()
        """The jobs that were told to end with their last task: nothing takes that back."""

    def create(self, job: str) -> bool:
        """Create *job*; return false if it exists already.

        Raises:
            RunnerError: It cannot be created.
        """
        options = batch.BatchJobCreateOptions(
            id=job,
            pool_info=batch.BatchPoolInfo(pool_id=self.pool.id),
            # a job that ends with its last task would end at once while it is empty:
            # https://learn.microsoft.com/dotnet/api/azure.compute.batch.batchjobspecification.alltaskscompletemode
            all_tasks_complete_mode=batch.BatchAllTasksCompleteMode.NO_ACTION,
            constraints=batch.BatchJobConstraints(max_wall_clock_time=_JOB_LIMIT),
            uses_task_dependencies=True,  # the pieces of a film come before the task that joins them
            metadata=[batch.BatchMetadataItem(name=_MARK[0], value=_MARK[1])],
        )
        try:
            call_with_retry(lambda: self._client.create_job(options, retry_total=0), self._stopped)
        except ResourceExistsError as error:
            if code_of(error).lower() != "jobexists":
                raise self._job_error(error, job) from None
            return False
        except AzureError as error:
            raise self._job_error(error, job) from None
        return True

    def finish(self, job: str) -> None:
        """Let *job* end with its last task, after all tasks were added."""
        if job in self._finished:
            return
        mode = batch.BatchAllTasksCompleteMode.TERMINATE_JOB
        options = batch.BatchJobUpdateOptions(all_tasks_complete_mode=mode)
        try:
            call_with_retry(
                lambda: self._client.update_job(job, options, retry_total=0), self._stopped
            )
        except (ResourceExistsError, ResourceNotFoundError):
            pass  # already over
        except AzureError as error:
            raise self._job_error(error, job) from None
        self._finished.add(job)

    def terminate(self, job: str, reason: str) -> bool:
        """Terminate *job* and its running tasks; return false if it is over or gone."""
        # without begin_terminate_job, because its poller's thread would outlive the command
        request = HttpRequest(
            "POST",
            f"/jobs/{job}/terminate",
            params={"api-version": "2025-06-01"},
            json={"terminateReason": reason},
            headers={"content-type": "application/json; odata=minimalmetadata"},
        )
        try:
            call_with_retry(
                lambda: self._client.send_request(request).raise_for_status(), self._stopped
            )
        except (ResourceExistsError, ResourceNotFoundError):
            return False
        except AzureError as error:
            raise self._job_error(error, job) from None
        return True

    def disable_at_cost_limit(self, job: str) -> None:
        """Disable *job*, marked so that a later command knows why: what runs goes on to its end."""
        options = batch.BatchJobUpdateOptions(
            metadata=[batch.BatchMetadataItem(name=n, value=v) for n, v in (_MARK, AT_LIMIT)]
        )
        # not by begin_disable_job: its poller's thread would outlive the command
        request = HttpRequest(
            "POST",
            f"/jobs/{job}/disable",
            params={"api-version": "2025-06-01"},
            json={"disableTasks": batch.DisableBatchJobOption.WAIT.value},
            headers={"content-type": "application/json; odata=minimalmetadata"},
        )
        try:
            call_with_retry(
                lambda: self._client.update_job(job, options, retry_total=0), self._stopped
            )
            call_with_retry(
                lambda: self._client.send_request(request).raise_for_status(), self._stopped
            )
        except (ResourceExistsError, ResourceNotFoundError):
            return  # over, or on its way
        except AzureError as error:
            raise self._job_error(error, job) from None

    def wait_for_end(self, job: str) -> None:
        """Wait a short time until *job*, which was terminated, has ended its tasks."""
        deadline = time.monotonic() + _END_TAKES
        wait = _FIRST_LOOK
        while (facts := self.job(job)) is not None and word(facts.state) != "completed":
            if time.monotonic() >= deadline:
                return
            self._stopped.wait(wait)
            wait = min(_LONGEST_LOOK, 2 * wait)

    def delete(self, job: str) -> None:
        """Delete *job*, if it exists."""
        request = HttpRequest("DELETE", f"/jobs/{job}", params={"api-version": "2025-06-01"})
        try:
            self._client.send_request(request).raise_for_status()
        except (ResourceExistsError, ResourceNotFoundError):
            return
        except AzureError as error:
            raise self._job_error(error, job) from None

    def tasks(self, job: str) -> Iterator[ListedTask]:
        """Return all tasks of *job*."""
        with azure_errors(f"listing the tasks of job {job}", "batch"):
            for task in self._client.list_tasks(job, select=[*ListedTask.SELECTED]):
                yield ListedTask.of(task)

    def finished_since(self, job: str, since: datetime | None) -> Iterator[FinishedTask]:
        """Yield the tasks of *job* that finished at *since* or later; without it, all finished ones."""
        condition = "state eq 'completed'"
        if since is not None:
            stamp = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            condition += f" and stateTransitionTime ge DateTime'{stamp}'"
        with self._following(job):
            selected = [*FinishedTask.SELECTED]
            for task in self._client.list_tasks(job, filter=condition, select=selected):
                yield FinishedTask.of(task)

    def running(self, job: str, most: int) -> list[str]:
        """Return the ids of some running tasks of *job*, *most* at most."""
        with self._following(job):
            pages = self._client.list_tasks(
                job, filter="state eq 'running'", select=["id"], max_results=most
            ).by_page()
            return [task.id or "" for task in next(pages, ())]

    def counts(self, job: str) -> TaskCounts:
        """Return the number of tasks of *job* in each state."""
        with self._following(job):
            counts = self._client.get_job_task_counts(job).task_counts
        return TaskCounts(counts.active, counts.running, counts.completed)

    def job(self, job: str) -> batch.BatchJob | None:
        """Return *job* as the service reports it; None if it does not exist."""
        try:
            return self._client.get_job(job)
        except ResourceNotFoundError:
            return None
        except AzureError as error:
            raise self._job_error(error, job) from None

    def ours(self) -> Iterator[tuple[str, bool]]:
        """Return the ids of all jobs made by runner, newest first, and whether each is active."""
        with azure_errors("listing jobs", "batch"):
            jobs = [
                job
                for job in self._client.list_jobs(
                    select=["id", "state", "creationTime", "metadata"]
                )
                if any((item.name, item.value) == _MARK for item in job.metadata or ())
            ]
        oldest = datetime.min.replace(tzinfo=UTC)
        for job in sorted(jobs, key=lambda job: job.creation_time or oldest, reverse=True):
            yield job.id or "", word(job.state) == "active"

    def newest(self) -> str | None:
        """Return the newest job made by runner."""
        return next((job for job, _ in self.ours()), None)

    @contextmanager
    def _following(self, job: str) -> Iterator[None]:
        try:
            yield
        except AzureError as error:
            if code_of(error).lower() == "jobnotfound":
                raise JobLostError(job, "deleted") from None
            raise translated(error, f"following job {job}", "batch") from None

    def _job_error(self, error: AzureError, job: str) -> Exception:
        code = code_of(error).lower()
        if code == "activejobandschedulequotareached":
            return JobQuotaError(
                f"job {job}: the Batch account's quota of active jobs is used up; "
                "end some (`az batch job list`), or request more in the portal"
            )
        if code == "poolnotfound":
            return SetupError(f"job {job}: there is no pool {self.pool.id}: run `pulumi up`")
        return translated(error, f"job {job}", "batch")
