"""Add tasks to a job: many per call, with retries, and never the same task twice."""

import threading
import time
from collections.abc import Sequence
from typing import cast

from azure.batch import BatchClient
from azure.batch import models as batch
from azure.core.exceptions import AzureError

from runner.azure.errors import JobLostError, code_of, is_transient, redacted, translated, word
from runner.azure.retrying import TRIES, wait_before
from runner.azure.task_spec import Task
from runner.errors import TransientError

MOST_TASKS_A_CALL = 100
"""The service's limit:
https://learn.microsoft.com/dotnet/api/microsoft.azure.batch.protocol.taskoperationsextensions.addcollection"""
_JOB_ENDED = (
    "jobcompleted",
    "jobbeingterminated",
    "jobterminating",
    "jobbeingdeleted",
    "jobnotactive",
    "jobdisabled",
)
_TOO_LARGE = ("requestbodytoolarge", "requestentitytoolarge")

Tasks = Sequence[Task]


class JobEndedError(Exception):
    """The job accepts no more tasks."""


class TaskAdder:
    """Adds tasks to jobs, until *stopped* says that the run is over; safe for several threads.

    Where the service asks one of them to wait, all do.
    """

    def __init__(self, client: BatchClient, stopped: threading.Event) -> None:
        self._client = client
        self._stopped = stopped
        self._not_before = 0.0
        """When the next call may be made, by the monotonic clock."""

    def add(self, job: str, tasks: Tasks) -> dict[str, str]:
        """Add *tasks*, at most `MOST_TASKS_A_CALL`; tasks that exist already count as added.

        Return the reason for each task that the service finally refuses, by its id.

        Raises:
            JobEndedError: The job accepts no more tasks.
            RunnerError: The service cannot be reached, or refuses access.
        """
        refused: dict[str, str] = {}
        waiting = {str(task["id"]): task for task in tasks}
        for tries in range(1, TRIES + 1):
            if tries == 1 and self._is_over():
                break
            fault = None
            try:
                outcome = self._call(job, list(waiting.values()))
            except AzureError as error:
                fault = error
                if code_of(error).lower() in _TOO_LARGE:
                    return refused | self._add_in_halves(job, list(waiting.values()), error)
                _check_retryable(error, job, last=tries == TRIES)
            else:
                refused |= _take_out(waiting, outcome)
            if not waiting:
                return refused
            if tries < TRIES and self._stopped.wait(self._put_off(tries, fault)):
                break
        raise TransientError(
            f"job {job}: {len(waiting)} tasks could not be added; run the same command again to continue"
        )

    def _is_over(self) -> bool:
        """Wait until a new call may be made; return whether the run is over then."""
        wait = self._not_before - time.monotonic()
        return wait > 0 and self._stopped.wait(wait)

    def _put_off(self, tries: int, fault: AzureError | None) -> float:
        """Return how long to wait before the next try; others begin nothing new until then."""
        wait = wait_before(tries, fault)
        self._not_before = max(self._not_before, time.monotonic() + wait)
        return wait

    def _call(self, job: str, tasks: Tasks) -> Sequence[batch.BatchTaskCreateResult]:
        # the client passes on what it is given as JSON
        group = cast("batch.BatchTaskGroup", {"value": tasks})
        # retried here, so not also by the client
        return self._client.create_task_collection(job, group, retry_total=0).result_values or ()

    def _add_in_halves(self, job: str, tasks: Tasks, error: AzureError) -> dict[str, str]:
        if len(tasks) == 1:
            return {str(tasks[0]["id"]): _first_words(error)}
        middle = len(tasks) // 2
        return self.add(job, tasks[:middle]) | self.add(job, tasks[middle:])


def _take_out(
    waiting: dict[str, Task], outcome: Sequence[batch.BatchTaskCreateResult]
) -> dict[str, str]:
    """Remove the tasks settled by *outcome* from *waiting*; return those that were refused, and why."""
    refused: dict[str, str] = {}
    for result in outcome:
        if not _is_added(result):
            if word(result.status) != "clienterror":
                continue  # a fault of the service: try again
            refused[result.task_id] = _reason(result)
        waiting.pop(result.task_id, None)
    return refused


def _check_retryable(error: AzureError, job: str, *, last: bool) -> None:
    """Return if the call should be retried, else raise."""
    code = code_of(error).lower()
    if code in _JOB_ENDED:
        raise JobEndedError(job) from None
    if code == "jobnotfound" and last:
        raise JobLostError(job, "deleted") from None
    # a new job may not be visible everywhere yet
    if last or not (is_transient(error) or code == "jobnotfound"):
        raise translated(error, f"adding tasks to job {job}", "batch") from None


def _is_added(result: batch.BatchTaskCreateResult) -> bool:
    if word(result.status) == "success":
        return True
    # its id is derived from what it does, so whoever added it added the same task
    return result.error is not None and (result.error.code or "").lower() == "taskexists"


def _reason(result: batch.BatchTaskCreateResult) -> str:
    error = result.error
    if error is None:
        return "no reason given"
    text = getattr(error.message, "value", error.message) or "no reason given"
    details = "; ".join(f"{d.key}: {d.value}" for d in error.error_values or ())
    return redacted(f"{error.code}: {str(text).splitlines()[0]} {details}".strip())


def _first_words(error: AzureError) -> str:
    return redacted(f"{code_of(error)}: {str(error.message).splitlines()[0]}")
