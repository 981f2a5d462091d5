"""A job's preparation before its first task on a node, and its release there at the end."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.emulator import tasks
from tests.emulator.model import key
from tests.emulator.states import TaskState
from tests.emulator.work import job_task_work

if TYPE_CHECKING:
    from tests.emulator.account import Account
    from tests.emulator.model import Job, Node, Outcome


def prepare_on(account: Account, job: Job, node: Node) -> None:
    """Begin the job's preparation on *node*, where the first of its tasks is to run."""
    definition = job.setting("jobPreparationTask")
    node.prepared[key(job.id)] = "running"
    run = next(account.numbers)
    work = job_task_work(account, node, job.id, definition, run, "jobpreparation")
    account.start(work, partial(prepared, account, job, node, node.boot))


def prepared(account: Account, job: Job, node: Node, boot: int, outcome: Outcome) -> None:
    """Start the tasks that waited for the preparation, or send them away from this node."""
    if node.boot != boot:
        return
    definition = job.setting("jobPreparationTask")
    good = outcome.exit_code == 0 and outcome.failure is None
    good = good or not definition.get("waitForSuccess", True)
    node.prepared[key(job.id)] = "completed" if good else "failed"
    for task in [t for t in node.runs.values() if t.job is job]:
        if task.state != TaskState.PREPARING:
            continue
        if good:
            tasks.start(account, task, node)
        else:
            tasks.requeue(account, task, by_user=False)


def released(account: Account, job: Job) -> bool:
    """Say whether the job's release has ended wherever it was prepared; begin it if it has not."""
    definition = job.setting("jobReleaseTask")
    pool = account.pools.get(key(job.pool_id or ""))
    done = True
    for node in list(pool.nodes.values()) if pool else ():
        if not node.prepared.get(key(job.id)):
            continue
        if definition and node.prepared[key(job.id)] != "releasing":
            node.prepared[key(job.id)] = "releasing"
            run = next(account.numbers)
            work = job_task_work(account, node, job.id, definition, run, "jobrelease")
            account.start(work, partial(release_ended, account, job, node))
        if definition:
            done = False
    return done


def release_ended(account: Account, job: Job, node: Node, _outcome: Outcome) -> None:
    node.prepared.pop(key(job.id), None)
    account.changed(job=job)
