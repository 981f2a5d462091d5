"""What happens to a node: it boots, runs its start task, works, rests, is rebooted, lost, removed."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING

from tests.emulator import tasks
from tests.emulator.errors import BatchError
from tests.emulator.model import Json, Node, Outcome, Pool, StartTaskRun, key
from tests.emulator.states import ALLOWED, NodeState, move
from tests.emulator.work import node_folder, start_task_work

if TYPE_CHECKING:
    from tests.emulator.account import Account

WORKING = frozenset({NodeState.IDLE, NodeState.RUNNING})
"""States in which a node takes tasks."""
NOT_UP = {
    NodeState.CREATING: "NodeBeingCreated",
    NodeState.STARTING: "NodeBeingStarted",
    NodeState.REBOOTING: "NodeBeingRebooted",
    NodeState.REIMAGING: "NodeBeingReimaged",
    NodeState.UNUSABLE: "NodeStateUnusable",
    NodeState.UNKNOWN: "NodeNotReady",
    NodeState.PREEMPTED: "NodeNotReady",
    NodeState.LEAVING_POOL: "NodeNotReady",
    NodeState.DEALLOCATING: "NodeNotReady",
    NodeState.DEALLOCATED: "NodeNotReady",
}
"""States in which a node answers no call, with the error that says so."""


def create(account: Account, pool: Pool, *, dedicated: bool) -> Node:
    suffix = "d" if dedicated else "p"
    node = Node(
        id=f"tvmps_{secrets.token_hex(32)}_{suffix}",
        pool=pool,
        dedicated=dedicated,
        allocated=account.now(),
        since=account.now(),
        number=max((other.number for other in pool.nodes.values()), default=-1) + 1,
    )
    pool.nodes[key(node.id)] = node
    boot(account, node, account.settings.timings.creating)
    return node


def boot(account: Account, node: Node, seconds: float) -> None:
    """Have *node* start in so many seconds, unless it gets to boot otherwise before."""
    node.boot += 1
    number = node.boot

    def starting() -> None:
        if node.boot == number:
            change(account, node, NodeState.STARTING)
            node.booted = node.since
            account.later(account.settings.timings.starting, up)

    def up() -> None:
        if node.boot == number:
            came_up(account, node)

    account.later(seconds, starting)


def change(account: Account, node: Node, to: NodeState) -> None:
    move(node, to, account.now())
    account.changed(pool=node.pool)


def came_up(account: Account, node: Node) -> None:
    node.errors.clear()
    error = account.faults.take("unusable", node.pool.id)
    if error is not None:
        break_down(account, node, error.code or "Unknown")
        return
    definition = node.pool.definition.get("startTask")
    if not definition:
        rest(account, node)
        return
    if definition.get("waitForSuccess", True):
        change(account, node, NodeState.WAITING_FOR_START_TASK)
    else:
        rest(account, node)
    node.start_task = StartTaskRun(state="running", start=account.now())
    run_start_task(account, node, definition)


def break_down(account: Account, node: Node, code: str) -> None:
    """Make an unusable node of one that runs nothing; *code* is what its errors say."""
    change(account, node, NodeState.UNUSABLE)
    node.errors.append({"code": code, "message": "The node is in an unusable state"})


def run_start_task(account: Account, node: Node, definition: Json) -> None:
    run = next(account.numbers)
    node.start_run = run
    fault = account.faults.take("start_task", node.pool.id)
    if fault is not None:
        outcome = Outcome(exit_code=fault.exit_code)
        account.later(0, partial(start_task_ended, account, node, run, outcome))
        return
    work = start_task_work(account, node, definition, run)
    account.start(work, partial(start_task_ended, account, node, run))


def start_task_ended(account: Account, node: Node, run: int, outcome: Outcome) -> None:
    if node.start_run != run or node.start_task is None:
        return
    definition = node.pool.definition.get("startTask") or {}
    waiting = node.state == NodeState.WAITING_FOR_START_TASK
    info = node.start_task
    retries = definition.get("maxTaskRetryCount", 0)
    failed = outcome.failure is not None or outcome.exit_code != 0
    if failed and outcome.failure is None and (retries < 0 or info.retries < retries):
        info.retries += 1
        run_start_task(account, node, definition)
        return
    node.start_run = None
    failure = outcome.failure or (tasks.BAD_EXIT if failed else None)
    info.state, info.end = "completed", account.now()
    info.outcome = Outcome(exit_code=outcome.exit_code, failure=failure)
    if waiting and failed:
        change(account, node, NodeState.START_TASK_FAILED)
    elif waiting:
        rest(account, node)


def rest(account: Account, node: Node) -> None:
    """Bring a node that is up into the state that its work calls for."""
    if not node.scheduling and not node.runs:
        target = NodeState.OFFLINE
    else:
        target = NodeState.RUNNING if node.runs else NodeState.IDLE
    if node.state == target:
        return
    if target == NodeState.OFFLINE and node.state not in WORKING:
        change(account, node, NodeState.IDLE)
    change(account, node, target)


def reconcile(account: Account, node: Node) -> None:
    """Let *node* follow the work that it has got or lost, and do what waited for its end."""
    if node.state in WORKING:
        rest(account, node)
    if node.draining and not node.runs:
        act, node.draining = node.draining, None
        DRAINED[act](account, node)


def give_up_tasks(account: Account, node: Node, option: str) -> None:
    """Requeue or terminate what runs on *node*, or leave it to end by itself."""
    for task in list(node.runs.values()):
        if option == "requeue":
            tasks.requeue(account, task, by_user=True)
        elif option == "terminate":
            tasks.end(account, task)


def drain(account: Account, node: Node, option: str, then: str) -> None:
    """Free *node* of its tasks as *option* says; *then* do that, at once where nothing runs."""
    node.draining = then
    give_up_tasks(account, node, option)
    reconcile(account, node)


def leave(account: Account, node: Node) -> None:
    """Take a node that runs nothing out of its pool."""
    if node.state == NodeState.LEAVING_POOL:
        return
    lose_tasks(account, node)
    node.boot += 1
    change(account, node, NodeState.LEAVING_POOL)
    account.later(account.settings.timings.leaving, partial(gone, account, node))


def gone(account: Account, node: Node) -> None:
    node.pool.nodes.pop(key(node.id), None)
    account.executor.wipe(node_folder(node))
    account.changed(pool=node.pool)


def lose_tasks(account: Account, node: Node) -> None:
    """Requeue everything because the node failed it, not because a user wished it."""
    if node.start_run is not None:
        account.executor.kill(node.start_run)
        node.start_run = None
    for task in list(node.runs.values()):
        tasks.requeue(account, task, by_user=False)
    node.prepared.clear()


def refuse_not_up(node: Node) -> None:
    if node.state in NOT_UP:
        raise BatchError(NOT_UP[NodeState(node.state)])


def reboot(account: Account, node: Node, option: str) -> None:
    refuse_not_up_for_reboot(node)
    drain(account, node, option, "reboot")


def refuse_not_up_for_reboot(node: Node) -> None:
    """Refuse a node that is on its way; a broken one may be rebooted."""
    if node.state not in (NodeState.UNUSABLE, NodeState.UNKNOWN):
        refuse_not_up(node)


def rebooting(account: Account, node: Node) -> None:
    lose_tasks(account, node)
    change(account, node, NodeState.REBOOTING)
    boot(account, node, account.settings.timings.rebooting)


def deallocate(account: Account, node: Node, option: str) -> None:
    refuse_not_up(node)
    if NodeState.DEALLOCATING not in ALLOWED[NodeState][node.state]:
        raise BatchError("OperationInvalidForCurrentState")
    drain(account, node, option, "deallocate")


def deallocating(account: Account, node: Node) -> None:
    lose_tasks(account, node)
    node.boot += 1
    change(account, node, NodeState.DEALLOCATING)
    account.later(account.settings.timings.leaving, partial(deallocated, account, node))


def deallocated(account: Account, node: Node) -> None:
    if node.state == NodeState.DEALLOCATING:
        change(account, node, NodeState.DEALLOCATED)


def start(account: Account, node: Node) -> None:
    if node.state != NodeState.DEALLOCATED:
        raise BatchError("OperationInvalidForCurrentState")
    boot(account, node, 0)


def disable_scheduling(account: Account, node: Node, option: str) -> None:
    refuse_not_up(node)
    if not node.scheduling:
        raise BatchError("NodeAlreadyInTargetSchedulingState")
    node.scheduling = False
    give_up_tasks(account, node, option)
    reconcile(account, node)


def enable_scheduling(account: Account, node: Node) -> None:
    refuse_not_up(node)
    if node.scheduling:
        raise BatchError("NodeAlreadyInTargetSchedulingState")
    node.scheduling = True
    if node.state == NodeState.OFFLINE:
        rest(account, node)
    account.changed(pool=node.pool)


DRAINED = {"remove": leave, "reboot": rebooting, "deallocate": deallocating}
"""What may wait for the end of a node's last task."""


def takes_tasks(node: Node) -> bool:
    return node.state in WORKING and node.scheduling and not node.draining
