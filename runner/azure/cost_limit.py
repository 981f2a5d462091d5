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
        jobs.begin_nothing_more(job)
        return False
    return state in ("disabled", "completed")


def was_at_limit(job: BatchJob) -> bool:
    """Return whether *job* is stopped because its run reached its cost limit."""
    marked = any((item.name, item.value) == AT_LIMIT for item in job.metadata or ())
    return marked and word(job.state) in _DISABLED
