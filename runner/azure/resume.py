"""Start a run, or resume an interrupted one without repeating what is already in storage and in Batch."""

from typing import NamedTuple

from azure.batch.models import BatchJob

from runner.azure.context import RunContext, WorkItem
from runner.azure.cost_limit import was_at_limit
from runner.azure.errors import word
from runner.azure.job_state import AT_COST_LIMIT, POOL_REPLACED, refuse_disabled
from runner.azure.jobs import Jobs
from runner.azure.names import TaskName, jobs_of
from runner.azure.open_job import open_job
from runner.azure.worker_package import pack_worker
from runner.azure.workers import Stopped
from runner.errors import SetupError
from runner.models import Event, Plan, State


class _KnownAttempt(NamedTuple):
    """The newest attempt at a conversion that Batch knows."""

    attempt: int
    job: str
    will_end: bool
    cut_off: bool


def resume_run(
    context: RunContext, plan: Plan, jobs: list[str]
) -> tuple[list[WorkItem], int | None]:
    """Store the plan and the worker and create the job, or find out how far the run has got.

    Return the items to submit, longest first, and how many tasks the newest job has; None if it accepts
    no more. Items with a blob are already in storage.
    *jobs* is the run's first job; its other jobs are appended. Items whose tasks are in Batch
    are added to `context.in_flight`.

    Raises:
        RunnerError: Azure cannot be reached, refuses access, or has no usable pool.
    """
    _look_at_pool(context.jobs)
    context.blobs.put(context.deployment.tools_container, *pack_worker())
    context.stored.put(plan, context.options)
    if context.stopped.is_set():
        raise Stopped  # before there is anything to terminate
    conversions = plan.longest_first()
    if open_job(context, plan.id):
        return [WorkItem(conversions, place) for place in range(len(conversions))], 0
    known, count = _known_attempts(context, jobs)
    stored = context.stored.sources()
    if not context.options.keep:
        done = [stored.pop(c.id)[0] for c in plan.done if c.id in stored]
        context.blobs.delete(context.deployment.input_container, done)
    todo = []
    for place, conversion in enumerate(conversions):
        # an earlier command of this run has sent it, and nobody has counted that yet
        blob, sent = stored.pop(conversion.id, ("", None))
        item = WorkItem(conversions, place, blob=blob, sent=sent)
        newest = known.pop(conversion.id, None)
        if newest is None or not newest.will_end:
            item.attempt = newest.attempt + 1 if newest else 1
            todo.append(item)
        else:
            _resume(context, item, newest)
    return todo, count


def _look_at_pool(jobs: Jobs) -> None:
    pool = jobs.pool.get()
    if word(pool.state) != "active":
        raise SetupError(f"pool {pool.id} is being deleted: run `pulumi up`")


def _known_attempts(
    context: RunContext, jobs: list[str]
) -> tuple[dict[str, _KnownAttempt], int | None]:
    """Return the newest attempts that Batch knows, by conversion, and the newest job's tasks, as `resume_run` does."""
    known: dict[str, _KnownAttempt] = {}
    job, alive, count = "", False, 0
    for facts in jobs_of(context.jobs, context.run):
        if alive:  # it was full when the command was killed that filled it
            context.jobs.finish(job)
        job = facts.id or ""
        if job not in jobs:
            jobs.append(job)
        alive = _is_alive(context, facts)
        count = 0
        for count, task in enumerate(context.jobs.tasks(job), 1):  # noqa: B007 - it stays
            if name := TaskName.parse(task.task):
                newest = known.get(name.conversion)
                if newest is None or newest.attempt <= name.attempt:
                    will_end = task.completed or alive
                    known[name.conversion] = _KnownAttempt(
                        name.attempt, job, will_end, task.cut_off
                    )
    return known, count if alive else None


def _is_alive(context: RunContext, job: BatchJob) -> bool:
    """Return whether waiting tasks of *job* will still run; if it has ended, they never do."""
    if was_at_limit(job):
        context.jobs.terminate(job.id or "", AT_COST_LIMIT)
        return False
    refuse_disabled(job)
    if word(job.state) != "active":
        return False
    pool = context.deployment.pool.id
    if job.pool_info is not None and (job.pool_info.pool_id or "").lower() == pool.lower():
        return True
    # `pulumi up` has made another pool since: tasks must not wait for the old one
    context.jobs.terminate(job.id or "", POOL_REPLACED)
    return False


def _resume(context: RunContext, item: WorkItem, newest: _KnownAttempt) -> None:
    item.attempt, item.job = newest.attempt, newest.job
    item.is_added = item.is_earlier = True
    item.is_undecided = newest.cut_off
    context.in_flight.add(item)
    context.report(Event(conversion=item.conversion, state=State.QUEUED, attempt=item.attempt))
