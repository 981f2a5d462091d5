"""Start a run, or resume an interrupted one without repeating what is already in storage and in Batch."""

from array import array
from collections.abc import Sequence
from functools import partial

from azure.batch.models import BatchJob

from runner.azure.context import RunContext
from runner.azure.conversion_index import ConversionIndex, id_of
from runner.azure.errors import word
from runner.azure.job_state import why_to_end
from runner.azure.jobs import Jobs
from runner.azure.names import TaskName, jobs_of
from runner.azure.open_job import open_job
from runner.azure.tasks import ListedTask
from runner.azure.work_items import InFlightTasks, WorkItem
from runner.azure.worker_package import pack_worker
from runner.azure.workers import Stopped, meanwhile
from runner.conversions import Conversions
from runner.errors import SetupError
from runner.models import Event, Plan, State


def resume_run(
    context: RunContext, plan: Plan, jobs: list[str]
) -> tuple[Sequence[int], int | None]:
    """Store the plan and the worker and create the job, or find out how far the run has got.

    Return the indices of the conversions to submit, first those whose sources are in storage, and how many tasks
    the newest job has; None if it accepts no more. What is known of each is noted in `context.in_flight`, and
    items whose tasks are in Batch are added to it.
    *jobs* is the run's first job; its other jobs are appended.

    Raises:
        RunnerError: Azure cannot be reached, refuses access, or has no usable pool.
    """
    # to sign in may take a second for each of the services
    uploading = meanwhile(partial(_put_worker, context))
    _look_at_pool(context.jobs)
    uploading.result()
    context.stored.put(plan, context.options, context.in_flight.index_of)
    if context.stopped.is_set():
        raise Stopped  # before there is anything to terminate
    indices = range(len(context.in_flight.conversions))
    if open_job(context, plan.id):
        return indices, 0
    count = _note_attempts(context, jobs)
    _note_sources(context, plan)
    stored, others = array("I"), array("I")
    for index in indices:
        item = context.in_flight.known(index)
        if item.is_added:
            _resume(context, item)
        else:
            (stored if item.blob else others).append(index)
    return stored + others, count


def _put_worker(context: RunContext) -> None:
    context.blobs.put_once(context.deployment.tools_container, *pack_worker())


def _look_at_pool(jobs: Jobs) -> None:
    pool = jobs.pool.get()
    if word(pool.state) != "active":
        raise SetupError(f"pool {pool.id} is being deleted: run `pulumi up`")


def _note_attempts(context: RunContext, jobs: list[str]) -> int | None:
    """Note the newest attempts that Batch knows; return the newest job's tasks, as `resume_run` does."""
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
            note_attempt(context.in_flight, job, task, will_end=task.completed or alive)
    return count if alive else None


def note_attempt(table: InFlightTasks, job: str, task: ListedTask, *, will_end: bool) -> None:
    """Note *task* of *job* in *table*, unless a later attempt is known; *will_end* says that it has ended, or will."""
    name = TaskName.parse(task.task)
    index = table.index_of(name.conversion) if name else None
    if name is None or index is None:
        return
    item = table.known(index)
    if item.attempt <= name.attempt:
        item.attempt, item.job = name.attempt, job
        item.is_added, item.is_undecided = will_end, will_end and task.cut_off
        table.note(item)


def _note_sources(context: RunContext, plan: Plan) -> None:
    """Note which sources are in storage, and delete those of what is done."""
    done = ConversionIndex(Conversions.of(plan.done), id_of)
    gone = []
    for conversion, blob, size in context.stored.sources():
        index = context.in_flight.index_of(conversion)
        if index is not None:
            item = context.in_flight.known(index)
            # an earlier command of this run has sent it, and nobody has counted that yet
            item.blob, item.sent = blob, size
            context.in_flight.note(item)
        elif done.find(conversion) is not None:
            gone.append(blob)
    if not context.options.keep:
        context.blobs.delete(context.deployment.input_container, gone)


def _is_alive(context: RunContext, job: BatchJob) -> bool:
    """Return whether waiting tasks of *job* will still run; if it has ended, they never do."""
    why = why_to_end(job, context.deployment.pool.id)
    if why:
        context.jobs.terminate(job.id or "", why)
    return why is None


def _resume(context: RunContext, item: WorkItem) -> None:
    item.is_earlier = True
    context.in_flight.add(item)
    context.report(Event(conversion=item.conversion, state=State.QUEUED, attempt=item.attempt))
