"""What happens to a job: created, changed, disabled, enabled, terminated, deleted, completed."""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.emulator import job_tasks, pools, scaling, tasks
from tests.emulator.errors import BatchError, invalid_property
from tests.emulator.model import Job, Json, Task, key
from tests.emulator.states import JobState, PoolState, move
from tests.emulator.times import parse_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.emulator.account import Account

DEFAULTS: Mapping[str, Any] = {
    "priority": 0,
    "maxParallelTasks": -1,
    "allowTaskPreemption": False,
    "onAllTasksComplete": "noaction",
    "onTaskFailure": "noaction",
}
UNFINISHED = frozenset(
    {
        JobState.ACTIVE,
        JobState.DISABLING,
        JobState.DISABLED,
        JobState.ENABLING,
        JobState.TERMINATING,
    }
)
"""What counts against the quota of active jobs."""


def create(account: Account, definition: Json) -> Job:
    """Make a job from a checked definition.

    Raises:
        BatchError: JobExists, the quota is reached, or its pool cannot be used.
    """
    if key(definition["id"]) in account.jobs:
        raise BatchError("JobExists")
    unfinished = sum(job.state in UNFINISHED for job in account.jobs.values())
    if unfinished >= account.settings.limits.active_jobs:
        raise BatchError("ActiveJobAndScheduleQuotaReached")
    at = account.clock.stamp()
    job = Job(
        id=definition["id"],
        definition={**DEFAULTS, **definition},
        created=at,
        modified=at,
        since=at,
        started=at,
    )
    job.pool_id = pool_for(account, job)
    account.jobs[key(job.id)] = job
    limit_wall_clock(account, job)
    account.changed(job=job)
    return job


def pool_for(account: Account, job: Job) -> str:
    """Return the id of the job's pool; an automatic one is made now."""
    info = job.definition["poolInfo"]
    wanted = info.get("autoPoolSpecification")
    if wanted is None:
        # a pool that does not exist is accepted: the job waits for it
        return str(info["poolId"])
    if not wanted.get("pool"):
        raise BatchError("MissingRequiredProperty", {"PropertyName": "pool"})
    pool_id = f"{wanted.get('autoPoolIdPrefix', '')}_{uuid.uuid4()}".lstrip("_").upper()
    definition = {"id": pool_id, **wanted["pool"]}
    scaling.create_pool(account, definition, auto=not wanted.get("keepAlive"))
    return pool_id


def limit_wall_clock(account: Account, job: Job) -> None:
    """End the job when its time is over, counted from its creation."""
    if job.wall_clock is not None:
        job.wall_clock.cancel()
    limit = parse_duration(job.setting("constraints", {}).get("maxWallClockTime", "P99999999D"))
    if limit != float("inf"):
        left = limit - (account.now() - job.created) / 10_000_000
        job.wall_clock = account.later(max(0, left), partial(out_of_time, account, job))


def out_of_time(account: Account, job: Job) -> None:
    if job.state in UNFINISHED - {JobState.TERMINATING}:
        terminate(account, job, "MaxWallClockTimeExpiry")


def refuse_gone(job: Job) -> None:
    if job.state == JobState.DELETING:
        raise BatchError("JobBeingDeleted")


def update(account: Account, job: Job, changes: Json) -> None:
    """Change the given properties; the pool only while the job is disabled.

    Raises:
        BatchError: The job is over, or its pool cannot be changed now.
    """
    tasks.refuse_closed(job)
    pool_id = (changes.get("poolInfo") or {}).get("poolId")
    if pool_id and key(pool_id) != key(job.pool_id or "") and job.state != JobState.DISABLED:
        raise BatchError("OperationInvalidForCurrentState", {"Reason": "the job is not disabled"})
    job.definition.update(changes)
    if pool_id:
        job.pool_id = pool_id
    job.modified = account.clock.stamp()
    limit_wall_clock(account, job)
    account.changed(job=job)


CHANGEABLE = (
    "priority",
    "maxParallelTasks",
    "allowTaskPreemption",
    "constraints",
    "poolInfo",
    "onAllTasksComplete",
    "metadata",
)


def replace(account: Account, job: Job, given: Json) -> None:
    """Set every changeable property; those not given go back to their defaults."""
    changes = {name: given[name] for name in CHANGEABLE if name in given}
    for name in CHANGEABLE:
        changes.setdefault(name, DEFAULTS.get(name, {} if name == "constraints" else None))
    update(account, job, {k: v for k, v in changes.items() if v is not None or k == "metadata"})


def running(job: Job) -> list[Task]:
    if not job.counts["running"] and not job.counts["preparing"]:
        return []
    return [task for task in job.order if task.run is not None]


def disable(account: Account, job: Job, option: str) -> None:
    tasks.refuse_closed(job)
    if job.state == JobState.ENABLING:
        raise BatchError("OperationInvalidForCurrentState")
    if job.state != JobState.DISABLING:
        move(job, JobState.DISABLING, account.clock.stamp())
    job.modified = account.clock.stamp()
    for task in running(job):
        if option == "requeue":
            tasks.requeue(account, task, by_user=True)
        elif option == "terminate":
            tasks.end(account, task)
    account.later(account.settings.timings.job, partial(disabled, account, job))


def disabled(account: Account, job: Job) -> None:
    if job.state == JobState.DISABLING and not running(job):
        move(job, JobState.DISABLED, account.clock.stamp())


def enable(account: Account, job: Job) -> None:
    tasks.refuse_closed(job)
    if job.state not in (JobState.DISABLED, JobState.DISABLING):
        raise BatchError("OperationInvalidForCurrentState", {"Reason": "the job is not disabled"})
    if job.state == JobState.DISABLING:
        move(job, JobState.DISABLED, account.clock.stamp())
    move(job, JobState.ENABLING, account.clock.stamp())
    job.modified = account.clock.stamp()
    account.later(account.settings.timings.job, partial(enabled, account, job))


def enabled(account: Account, job: Job) -> None:
    if job.state == JobState.ENABLING:
        move(job, JobState.ACTIVE, account.clock.stamp())
        account.changed(job=job)


def terminate(account: Account, job: Job, reason: str) -> None:
    """Kill what runs, and complete the job when it has ended; active tasks stay active."""
    tasks.refuse_closed(job)
    job.terminate_reason = reason
    move(job, JobState.TERMINATING, account.clock.stamp())
    job.modified = account.clock.stamp()
    for task in running(job):
        tasks.end(account, task)
    account.later(account.settings.timings.job, partial(terminated, account, job))


def terminated(account: Account, job: Job) -> None:
    """Complete a terminating job once nothing of it runs, its release tasks included."""
    if job.state != JobState.TERMINATING or running(job) or not job_tasks.released(account, job):
        return
    move(job, JobState.COMPLETED, account.clock.stamp())
    job.ended = job.since
    drop_auto_pool(account, job)


def delete(account: Account, job: Job) -> None:
    refuse_gone(job)
    move(job, JobState.DELETING, account.clock.stamp())
    for task in running(job):
        tasks.end(account, task)
    account.later(account.settings.timings.job, partial(deleted, account, job))


def deleted(account: Account, job: Job) -> None:
    if job.state != JobState.DELETING or running(job) or not job_tasks.released(account, job):
        return
    if account.jobs.get(key(job.id)) is job:
        del account.jobs[key(job.id)]
        drop_auto_pool(account, job)


def drop_auto_pool(account: Account, job: Job) -> None:
    pool = account.pools.get(key(job.pool_id or ""))
    if pool is not None and pool.auto and pool.state == PoolState.ACTIVE:
        pools.delete(account, pool)


def reconcile(account: Account, job: Job) -> None:
    """Carry on what the job's tasks have made possible."""
    match job.state:
        case JobState.DISABLING:
            disabled(account, job)
        case JobState.TERMINATING:
            terminated(account, job)
        case JobState.DELETING:
            deleted(account, job)
        case JobState.ACTIVE:
            act_on_tasks(account, job)


def act_on_tasks(account: Account, job: Job) -> None:
    """Do what onAllTasksComplete or a failed task's exit conditions ask for."""
    action, job.pending_action = job.pending_action, None
    if action == "terminate":
        terminate(account, job, "TaskFailed")
    elif action == "disable":
        disable(account, job, "requeue")
    elif ends_by_itself(job) and job.counts["completed"] == len(job.tasks):
        terminate(account, job, "AllTasksComplete")


def ends_by_itself(job: Job) -> bool:
    return str(job.setting("onAllTasksComplete")).lower() == "terminatejob"


def check_exit_actions(job: Job, definition: Json) -> None:
    """Refuse a job action in exit conditions where the job would not perform it."""
    if job.setting("onTaskFailure").lower() != "noaction" or not definition.get("exitConditions"):
        return
    conditions = definition["exitConditions"]
    entries = [*(conditions.get("exitCodes") or ()), *(conditions.get("exitCodeRanges") or ())]
    options = [entry.get("exitOptions") for entry in entries]
    options += [conditions.get(n) for n in ("default", "preProcessingError", "fileUploadError")]
    if any(option and option.get("jobAction") for option in options):
        reason = "jobAction needs the job's onTaskFailure to be performexitoptionsjobaction"
        raise invalid_property("exitConditions", "jobAction", reason)


def task_counts(job: Job) -> Json:
    """Return both counts; what is preparing counts as running."""
    counts = job.counts

    def of(suffix: str) -> Json:
        return {
            "active": counts[f"active{suffix}"],
            "running": counts[f"running{suffix}"] + counts[f"preparing{suffix}"],
            "completed": counts[f"completed{suffix}"],
            "succeeded": counts[f"succeeded{suffix}"],
            "failed": counts[f"failed{suffix}"],
        }

    return {"taskCounts": of(""), "taskSlotCounts": of(" slots")}
