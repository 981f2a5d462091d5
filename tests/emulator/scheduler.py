"""Decide which task goes to which node, and carry every marked change to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.emulator import job_tasks, jobs, nodes, pools, tasks
from tests.emulator.model import Job, Node, Pool, Task, key
from tests.emulator.states import JobState, TaskState

if TYPE_CHECKING:
    from tests.emulator.account import Account

LOOK_AHEAD = 100
"""How many tasks that fit nowhere may be passed over in one job."""


def settle(account: Account) -> None:
    """Look after everything that is marked as changed, until nothing is."""
    while account.changed_jobs or account.changed_pools:
        changed_jobs, account.changed_jobs = account.changed_jobs, {}
        for job in changed_jobs.values():
            jobs.reconcile(account, job)
        changed_pools, account.changed_pools = account.changed_pools, {}
        for pool in changed_pools.values():
            pools.reconcile(account, pool)
            assign(account, pool)
            pools.reconcile(account, pool)


def assign(account: Account, pool: Pool) -> None:
    """Give the ready tasks of *pool*'s jobs to its free nodes: by priority, then in turn."""
    free = [node for node in pool.nodes.values() if nodes.takes_tasks(node) and node.free_slots > 0]
    if not free:
        return
    for level in by_priority(account, pool):
        waiting = level
        while waiting and free:
            waiting = [job for job in waiting if assign_one(account, job, free)]
            free = [node for node in free if node.free_slots > 0]


def by_priority(account: Account, pool: Pool) -> list[list[Job]]:
    """Return the jobs that have something to start, grouped by priority, highest first."""
    levels: dict[int, list[Job]] = {}
    for job in account.jobs.values():
        if job.state == JobState.ACTIVE and job.ready and key(job.pool_id or "") == key(pool.id):
            levels.setdefault(job.setting("priority"), []).append(job)
    return [levels[priority] for priority in sorted(levels, reverse=True)]


def assign_one(account: Account, job: Job, free: list[Node]) -> bool:
    """Start the first of the job's ready tasks that fits; say whether there was one."""
    passed: list[Task] = []
    found = None
    while job.ready and found is None and len(passed) < LOOK_AHEAD:
        task = job.ready.popleft()
        if not is_ready(task):
            continue
        found = choose(task, free)
        if found is None:
            passed.append(task)
        else:
            begin(account, task, found)
    job.ready.extendleft(reversed(passed))
    return found is not None


def is_ready(task: Task) -> bool:
    """Say whether an entry of the queue is still true."""
    known = task.job.tasks.get(key(task.id)) is task
    return known and task.state == TaskState.ACTIVE and task.parents is None


def choose(task: Task, free: list[Node]) -> Node | None:
    """Return the node for *task*: the emptiest to spread, the fullest to pack."""
    fitting = [
        node
        for node in free
        if node.free_slots >= task.slots and node.prepared.get(key(task.job.id)) != "failed"
    ]
    if not fitting:
        return None
    policy = fitting[0].pool.definition.get("taskSchedulingPolicy") or {}
    pack = str(policy.get("nodeFillType", "spread")).lower() == "pack"
    return (min if pack else max)(fitting, key=lambda node: node.free_slots)


def begin(account: Account, task: Task, node: Node) -> None:
    job = task.job
    prepared = node.prepared.get(key(job.id))
    if not job.setting("jobPreparationTask") or prepared == "completed":
        tasks.start(account, task, node)
        return
    tasks.prepare(account, task, node)
    if prepared is None:
        job_tasks.prepare_on(account, job, node)
