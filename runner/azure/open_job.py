"""Create a job of a run, and wait for room where the account has too many active ones."""

from runner.azure.context import RunContext
from runner.azure.jobs import JobQuotaError
from runner.azure.workers import Stopped
from runner.models import Notice

_LONGEST_WAIT = 60.0
"""Seconds."""


def open_job(context: RunContext, job: str) -> bool:
    """Create *job*; return false if it exists already.

    Jobs end, so that there will be room: whoever started the run is told, and need not start it again.

    Raises:
        RunnerError: It cannot be created.
        Stopped: The run was stopped before there was room.
    """
    wait = 0.0
    while not context.stopped.wait(wait):
        try:
            return context.jobs.create(job)
        except JobQuotaError as error:
            if context.jobs.job(job) is not None:
                return False
            if not wait:
                context.report(Notice(f"{error} (waiting until one ends)"))
            wait = min(_LONGEST_WAIT, 2 * wait or context.pace.job_retry)
    raise Stopped
