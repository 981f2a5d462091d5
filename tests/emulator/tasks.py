"""What happens to a task: added, started, retried, requeued, ended, deleted."""

from __future__ import annotations

from bisect import bisect_left
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from tests.emulator import dependencies
from tests.emulator.errors import BatchError
from tests.emulator.model import Failure, Job, Node, Outcome, Task, key
from tests.emulator.states import JobState, TaskState, move
from tests.emulator.times import parse_duration
from tests.emulator.work import task_work

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.emulator.account import Account

ENDED_BY_USER = Failure(
    category="UserError", code="TaskEnded", message="Task was ended by user request"
)
OUT_OF_TIME = Failure(
    category="UserError",
    code="TaskEnded",
    message="The task exceeded its maximum wall clock time and was ended",
)
BAD_EXIT = Failure(
    category="UserError",
    code="FailureExitCode",
    message="The task exited with an exit code representing a failure",
    details=(
        ("Message", "The task process exited with an unexpected exit code"),
        ("AdditionalErrorCode", "FailureExitCode"),
    ),
)
CLOSED_JOBS = {
    JobState.COMPLETED: "JobCompleted",
    JobState.TERMINATING: "JobBeingTerminated",
    JobState.DELETING: "JobBeingDeleted",
}
"""The states of a job that takes no tasks, with the error that says so."""


def refuse_closed(job: Job) -> None:
    if job.state in CLOSED_JOBS:
        raise BatchError(CLOSED_JOBS[JobState(job.state)])


def add(account: Account, job: Job, definition: Mapping[str, Any]) -> Task:
    """Put a checked definition into *job*.

    Raises:
        BatchError: The job is closed, the id is taken, or dependencies are not enabled.
    """
    refuse_closed(job)
    if key(definition["id"]) in job.tasks:
        raise BatchError("TaskExists")
    parents = definition.get("dependsOn")
    if parents and not job.setting("usesTaskDependencies", False):
        raise BatchError("TaskDependenciesNotSpecifiedOnJob")
    number = job.order[-1].number + 1 if job.order else 1
    task = Task(job=job, number=number, definition=definition, at=account.clock.stamp())
    job.tasks[key(task.id)] = task
    job.order.append(task)
    count(task, 1)
    dependencies.wait_for(task, parents or {})
    account.changed(job=job)
    return task


def count(task: Task, sign: int) -> None:
    """Keep the job's counts in step with *task*; called around every change of state."""
    counts = task.job.counts
    names = [str(task.state)]
    if task.state == TaskState.COMPLETED:
        names.append("failed" if task.failure else "succeeded")
    for name in names:
        counts[name] += sign
        counts[f"{name} slots"] += sign * task.slots


def change(account: Account, task: Task, to: TaskState) -> None:
    """Move *task* on, except into and out of completion, which also carry a result."""
    count(task, -1)
    move(task, to, account.clock.stamp())
    count(task, 1)
    account.changed(job=task.job)


def prepare(account: Account, task: Task, node: Node) -> None:
    """Give *task* its place on *node*, where the job's preparation has to end first."""
    occupy(account, task, node)
    change(account, task, TaskState.PREPARING)


def start(account: Account, task: Task, node: Node) -> None:
    """Run *task* on *node*, where it may have been prepared."""
    if task.node is not node or task.run is None:
        occupy(account, task, node)
    change(account, task, TaskState.RUNNING)
    run = task.run
    assert run is not None
    task.start = task.since
    definition = task.read()
    limit = parse_duration(
        (definition.get("constraints") or {}).get("maxWallClockTime", "P99999999D")
    )
    if limit != float("inf"):
        account.later(limit, partial(expire, account, run))
    account.start(task_work(account, task, node, definition), partial(finished, account, run))


def occupy(account: Account, task: Task, node: Node) -> None:
    run = next(account.numbers)
    task.run, task.node = run, node
    account.runs[run] = task
    node.runs[run] = task
    account.changed(pool=node.pool)


def release(account: Account, task: Task) -> None:
    """Take *task* off its node; whatever its process still says is not heard any more."""
    if task.run is None or task.node is None:
        return
    account.runs.pop(task.run, None)
    task.node.runs.pop(task.run, None)
    account.changed(pool=task.node.pool)
    task.run = None


def finished(account: Account, run: int, outcome: Outcome) -> None:
    """Draw the conclusion from how a run has ended; an abandoned run has none."""
    task = account.runs.get(run)
    if task is None:
        return
    node, ending = task.node, task.ending
    release(account, task)
    if node is not None:
        node.tasks_run += 1
        node.recent.append(task)
    if ending is not None and (ending is not OUT_OF_TIME or not may_retry(task)):
        complete(account, task, outcome.exit_code, ending)
    elif outcome.failure is None and outcome.exit_code == 0:
        if node is not None:
            node.tasks_succeeded += 1
        complete(account, task, 0, None)
    elif outcome.failure is None and may_retry(task):
        retry(account, task)
    else:
        complete(account, task, outcome.exit_code, outcome.failure or BAD_EXIT)


def may_retry(task: Task) -> bool:
    return task.max_retries < 0 or task.retries < task.max_retries


def retry(account: Account, task: Task) -> None:
    task.retries += 1
    task.ending = None
    change(account, task, TaskState.ACTIVE)
    task.retried = task.since
    task.job.ready.append(task)


def requeue(account: Account, task: Task, *, by_user: bool) -> None:
    """Take a running task back to active; only what a user causes is counted."""
    run = task.run
    release(account, task)
    if run is not None:
        account.executor.kill(run)
    if task.ending is not None:  # it was being ended anyway
        complete(account, task, None, task.ending)
        return
    task.requeues += by_user
    change(account, task, TaskState.ACTIVE)
    task.job.ready.appendleft(task)


def end(account: Account, task: Task, why: Failure = ENDED_BY_USER) -> None:
    """Bring *task* to its end: at once, or as soon as its process is dead."""
    if task.state == TaskState.ACTIVE:
        complete(account, task, None, why)
    elif task.run is not None and task.ending is None:
        task.ending = why
        waits = task.state == TaskState.PREPARING
        if waits:  # nothing of its own runs yet
            finished(account, task.run, Outcome(exit_code=None))
        else:
            account.executor.kill(task.run)


def terminate(account: Account, task: Task) -> None:
    """End *task* because the user asks for it.

    Raises:
        BatchError: It has ended already.
    """
    if task.state == TaskState.COMPLETED:
        raise BatchError("TaskCompleted")
    end(account, task)


def expire(account: Account, run: int) -> None:
    task = account.runs.get(run)
    if task is not None:
        end(account, task, OUT_OF_TIME)


def complete(account: Account, task: Task, exit_code: int | None, failure: Failure | None) -> None:
    """Record the result, and let or not let the dependants start."""
    count(task, -1)
    move(task, TaskState.COMPLETED, account.clock.stamp())
    task.exit_code, task.failure, task.ending = exit_code, failure, None
    task.end = task.since
    count(task, 1)
    job = task.job
    if key(task.id) in job.blocked and dependencies.satisfied(job, key(task.id)):
        dependencies.free_dependants(job, key(task.id))
    if failure and job.setting("onTaskFailure", "noaction").lower() != "noaction":
        act_on_failure(account, task)
    account.changed(job=job)


def act_on_failure(account: Account, task: Task) -> None:
    """Do what the task's exit conditions want done to its job; the default is to terminate it."""
    action = dependencies.exit_option(task, "jobAction") or "terminate"
    if action != "none":
        task.job.pending_action = action
        account.changed(job=task.job)


def reactivate(account: Account, task: Task) -> None:
    """Run a failed task once more, as if it had never run.

    Raises:
        BatchError: It has not ended, or has succeeded, or its job is closed.
    """
    if task.state != TaskState.COMPLETED:
        raise BatchError("TaskNotCompleted")
    if task.exit_code == 0:
        raise BatchError("TaskSucceeded")
    refuse_closed(task.job)
    count(task, -1)
    move(task, TaskState.ACTIVE, account.clock.stamp())
    task.retries, task.retried = 0, None
    task.start = task.end = task.exit_code = task.failure = task.node = None
    count(task, 1)
    task.job.ready.append(task)
    account.changed(job=task.job)


def delete(account: Account, task: Task) -> None:
    """Forget *task* and its files; its process is killed."""
    run = task.run
    release(account, task)
    if run is not None:
        account.executor.kill(run)
    count(task, -1)
    job = task.job
    del job.tasks[key(task.id)]
    del job.order[bisect_left(job.order, task.number, key=attrgetter("number"))]
    account.changed(job=job)


def replace(account: Account, task: Task, constraints: Mapping[str, Any]) -> None:
    """Set the constraints anew; those not given go back to their defaults.

    Raises:
        BatchError: The task has ended.
    """
    if task.state == TaskState.COMPLETED:
        raise BatchError("TaskCompleted")
    definition = {**task.read(), "constraints": dict(constraints)}
    task.define(definition)
    task.modified = account.clock.stamp()
