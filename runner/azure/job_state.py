"""What the state of a run's job means: whether it accepts tasks, and who ended it."""

from azure.batch.models import BatchJob

from runner.azure.cost_limit import was_at_limit
from runner.azure.errors import JobCancelledError, JobLostError, word
from runner.azure.jobs import CANCELLED, Jobs
from runner.errors import SetupError

POOL_REPLACED = "its pool was replaced"
"""The reason given to a job that was ended because its pool no longer belongs to the stack."""
AT_COST_LIMIT = "its run was at its cost limit"
"""Why a job was ended that may go on in another one."""
_BY_ITSELF = ("", "alltaskscomplete", POOL_REPLACED, AT_COST_LIMIT)


def ended_from_outside(jobs: Jobs, job: str) -> JobLostError | None:
    """Return the error for a *job* that accepts no more tasks, unless it ended by itself.

    Raises:
        SetupError: Somebody has disabled it.
    """
    facts = jobs.job(job)
    if facts is None:
        return JobLostError(job, "deleted")
    refuse_disabled(facts)
    ended = ended_early(facts)
    by_itself = end_of(facts).lower() in _BY_ITSELF and word(facts.state) != "deleting"
    return None if by_itself else ended


def refuse_disabled(job: BatchJob) -> None:
    """Raise `SetupError` if somebody has disabled *job*: its tasks would wait forever."""
    if word(job.state) in ("disabled", "disabling"):
        raise SetupError(f"job {job.id} was disabled: `az batch job enable --job-id {job.id}`")


def why_to_end(job: BatchJob, pool: str) -> str | None:
    """Return why a run that goes on ends *job* and needs another one; None if *job* takes its tasks.

    Empty if it has ended already. *pool* is the stack's: `pulumi up` may have made it since, and tasks must
    not wait for the one before.

    Raises:
        SetupError: Somebody has disabled it.
    """
    if was_at_limit(job):
        return AT_COST_LIMIT
    refuse_disabled(job)
    if word(job.state) != "active":
        return ""
    its_pool = job.pool_info and job.pool_info.pool_id
    return None if (its_pool or "").lower() == pool.lower() else POOL_REPLACED


def ended_early(job: BatchJob) -> JobLostError:
    """Return the error for a run whose *job* ended before its tasks."""
    if word(job.state) == "deleting":  # a large one takes a while to go
        return JobLostError(str(job.id), "deleted")
    why = end_of(job)
    kind = JobCancelledError if why == CANCELLED else JobLostError
    return kind(str(job.id), f"ended ({why or 'no reason given'})")


def end_of(job: BatchJob) -> str:
    """Return why *job* has ended, as the service or whoever ended it says."""
    return (job.execution_info.termination_reason if job.execution_info else None) or ""
