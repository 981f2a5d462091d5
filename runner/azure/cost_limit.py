"""End a run at its cost limit: begin nothing more, let running tasks end, and keep what is left.

A job is disabled with "wait": what runs goes on, what waits does not begin. Once all have ended it is
terminated, so that the pool sees no work in it, and a later command opens another job.
"""

from azure.batch.models import BatchJob

from runner.azure.errors import word
from runner.azure.jobs import AT_LIMIT, Jobs

_DISABLED = ("disabled", "disabling")


def has_wound_down(jobs: Jobs, job: str) -> bool:
    """Bring *job* nearer to its end; whether nothing of it runs any more.

    Raises:
        RunnerError: Batch cannot be reached, or does not let us.
    """
    facts = jobs.job(job)
    state = word(facts.state) if facts else "completed"
    if state == "active":
        jobs.disable_at_cost_limit(job)
        return False
    return state in ("disabled", "completed")


def was_at_limit(job: BatchJob) -> bool:
    """Return whether *job* is stopped because its run reached its cost limit."""
    return _is_marked(job) and word(job.state) in _DISABLED


def ended_at_limit(job: BatchJob) -> str:
    """Return why nothing of *job* runs, if its run reached its cost limit; else nothing."""
    is_over = word(job.state) in (*_DISABLED, "terminating", "completed")
    if not _is_marked(job) or not is_over:
        return ""
    return "the run reached its cost limit; the same command with a higher --max-cost continues it"


def _is_marked(job: BatchJob) -> bool:
    return any((item.name, item.value) == AT_LIMIT for item in job.metadata or ())
