"""What happens to a pool: created, changed, resized, scaled by its formula's targets, deleted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.emulator import nodes
from tests.emulator.errors import BatchError, invalid_property
from tests.emulator.model import DEFAULT_RESIZE_TIMEOUT, Json, Node, Pool, key
from tests.emulator.states import AllocationState, NodeState, PoolState, move
from tests.emulator.times import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.emulator.account import Account

RESIZE_MESSAGES = {
    "AccountCoreQuotaReached": "The specified account has reached core quota",
    "AccountLowPriorityCoreQuotaReached": "The specified account has reached low priority core quota",
    "AllocationFailed": "Desired number of nodes could not be allocated",
    "AllocationTimedOut": "Desired number of nodes could not be allocated as the resize timeout was reached",
    "ResizeStopped": "Desired number of nodes could not be allocated as the resize was stopped",
}
MOVED_TO_FIELDS = (
    "id",
    "targetDedicatedNodes",
    "targetLowPriorityNodes",
    "resizeTimeout",
    "enableAutoScale",
    "autoScaleFormula",
    "autoScaleEvaluationInterval",
)
"""What a pool keeps in fields of its own rather than in its definition."""


def create(
    account: Account, definition: Json, *, identities: Iterable[str] = (), auto: bool = False
) -> Pool:
    """Make a pool from a checked definition; its nodes come later.

    Raises:
        BatchError: PoolExists, PoolQuotaReached, or its resizeTimeout is none.
    """
    if key(definition["id"]) in account.pools:
        raise BatchError("PoolExists")
    if len(account.pools) >= account.settings.limits.pools:
        raise BatchError("PoolQuotaReached")
    at = account.clock.stamp()
    pool = Pool(
        id=definition["id"],
        definition={k: v for k, v in definition.items() if k not in MOVED_TO_FIELDS},
        created=at,
        modified=at,
        since=at,
        identities=tuple(identities),
        auto=auto,
    )
    pool.allocation.since = at
    timeout_of(definition)  # which may be refused
    account.pools[key(pool.id)] = pool
    if not definition.get("enableAutoScale"):
        begin_resize(account, pool, definition)
    return pool


def refuse_deleting(pool: Pool) -> None:
    if pool.state == PoolState.DELETING:
        raise BatchError("PoolBeingDeleted")


def refuse_resizing(pool: Pool) -> None:
    refuse_deleting(pool)
    if pool.allocation.state != AllocationState.STEADY:
        raise BatchError("PoolBeingResized")


def touch(account: Account, pool: Pool) -> None:
    pool.modified = account.clock.stamp()


def resize(account: Account, pool: Pool, options: Json) -> None:
    """Set new targets.

    Raises:
        BatchError: The pool is being resized or deleted, or scales itself.
    """
    refuse_resizing(pool)
    if pool.formula is not None:
        raise BatchError("OperationNotValidOnPool", {"Reason": "autoscale is enabled on the pool"})
    if "targetDedicatedNodes" not in options and "targetLowPriorityNodes" not in options:
        raise BatchError("MissingRequiredProperty", {"PropertyName": "targetDedicatedNodes"})
    begin_resize(account, pool, options)
    touch(account, pool)


def begin_resize(account: Account, pool: Pool, options: Json) -> None:
    pool.resize_timeout = timeout_of(options)  # first, as it may be refused
    pool.target_dedicated = options.get("targetDedicatedNodes", pool.target_dedicated)
    pool.target_low_priority = options.get("targetLowPriorityNodes", pool.target_low_priority)
    pool.resize_errors = []
    move(pool.allocation, AllocationState.RESIZING, account.now())
    option = (options.get("nodeDeallocationOption") or "requeue").lower()
    pool.resize_timers = [
        account.later(
            account.settings.timings.allocation, partial(allocate, account, pool, option)
        ),
        account.later(
            pool.resize_timeout, partial(end_resize, account, pool, "AllocationTimedOut")
        ),
    ]


def timeout_of(options: Json) -> float:
    seconds = parse_duration(options["resizeTimeout"]) if "resizeTimeout" in options else None
    if seconds is not None and not 300 <= seconds <= 604_800:
        raise invalid_property("resizeTimeout", options["resizeTimeout"], "5 minutes to 168 hours")
    return DEFAULT_RESIZE_TIMEOUT if seconds is None else seconds


def allocate(account: Account, pool: Pool, option: str) -> None:
    """Add the nodes that are wanted, or begin to remove those that are not."""
    fault = account.faults.take("resize", pool.id)
    if fault is not None and fault.code == "AllocationTimedOut":
        return  # nothing comes until the timer of the resize ends it
    pool.resize_timers.pop(0)
    for dedicated in (True, False):
        adjust(account, pool, dedicated=dedicated, option=option, add=fault is None)
    if fault is not None:
        pool.resize_errors.append(resize_error(fault.code or "AllocationFailed"))
    account.changed(pool=pool)


def adjust(account: Account, pool: Pool, *, dedicated: bool, option: str, add: bool) -> None:
    present = [n for n in members(pool, dedicated=dedicated) if n.state != NodeState.LEAVING_POOL]
    target = pool.target_dedicated if dedicated else pool.target_low_priority
    room = account.settings.nodes_at_most
    for _ in range(target - len(present) if add else 0):
        if room is not None and len(pool.nodes) >= room:
            code = "AccountCoreQuotaReached" if dedicated else "AccountLowPriorityCoreQuotaReached"
            pool.resize_errors.append(resize_error(code))
            break
        nodes.create(account, pool, dedicated=dedicated)
    surplus = sorted(present, key=lambda node: len(node.runs))[: max(0, len(present) - target)]
    for node in surplus:
        nodes.drain(account, node, option, "remove")


def members(pool: Pool, *, dedicated: bool) -> list[Node]:
    return [node for node in pool.nodes.values() if node.dedicated is dedicated]


def resize_error(code: str) -> Json:
    return {"code": code, "message": RESIZE_MESSAGES.get(code, code), "values": []}


def reconcile(account: Account, pool: Pool) -> None:
    """Carry a resize or a deletion to its end once nothing is in its way."""
    for node in list(pool.nodes.values()):
        nodes.reconcile(account, node)
    if pool.state == PoolState.DELETING and not pool.nodes:
        account.pools.pop(key(pool.id), None)
        return
    leaving = any(
        n.draining == "remove" or n.state == NodeState.LEAVING_POOL for n in pool.nodes.values()
    )
    begun = len(pool.resize_timers) == 1  # only the time-out is left
    if pool.allocation.state == AllocationState.RESIZING and begun and not leaving:
        end_resize(account, pool, None)
    elif pool.allocation.state == AllocationState.STOPPING and not leaving:
        move(pool.allocation, AllocationState.STEADY, account.now())


def end_resize(account: Account, pool: Pool, error: str | None) -> None:
    """Bring the pool to rest; with an *error* whatever was still to come does not come."""
    for timer in pool.resize_timers:
        timer.cancel()
    pool.resize_timers = []
    if error is not None:
        pool.resize_errors.append(resize_error(error))
        for node in pool.nodes.values():
            if node.draining == "remove":
                node.draining = None
    move(pool.allocation, AllocationState.STEADY, account.now())


def stop_resize(account: Account, pool: Pool) -> None:
    refuse_deleting(pool)
    if pool.allocation.state != AllocationState.RESIZING:
        raise BatchError(
            "OperationInvalidForCurrentState", {"Reason": "the pool is not being resized"}
        )
    touch(account, pool)
    move(pool.allocation, AllocationState.STOPPING, account.now())
    for timer in pool.resize_timers:
        timer.cancel()
    pool.resize_timers = []
    for node in pool.nodes.values():
        if node.draining == "remove":
            node.draining = None
    pool.resize_errors.append(resize_error("ResizeStopped"))
    account.later(account.settings.timings.allocation, partial(account.changed, pool=pool))


def remove_nodes(account: Account, pool: Pool, options: Json) -> None:
    """Take the named nodes out and lower the targets accordingly.

    Raises:
        BatchError: The pool is not steady, or one of the nodes is not in it.
    """
    refuse_resizing(pool)
    chosen = [account.node(pool.id, node_id) for node_id in options["nodeList"]]
    if pool.formula is not None:
        raise BatchError("OperationNotValidOnPool", {"Reason": "autoscale is enabled on the pool"})
    pool.resize_timeout = timeout_of(options)  # first, as it may be refused
    touch(account, pool)
    pool.target_dedicated -= sum(node.dedicated for node in chosen)
    pool.target_low_priority -= sum(not node.dedicated for node in chosen)
    pool.resize_errors = []
    move(pool.allocation, AllocationState.RESIZING, account.now())
    pool.resize_timers = [
        account.later(pool.resize_timeout, partial(end_resize, account, pool, "AllocationTimedOut"))
    ]
    option = (options.get("nodeDeallocationOption") or "requeue").lower()
    for node in chosen:
        nodes.drain(account, node, option, "remove")
    account.changed(pool=pool)


def delete(account: Account, pool: Pool) -> None:
    refuse_deleting(pool)
    move(pool, PoolState.DELETING, account.now())
    if pool.autoscale_timer is not None:
        pool.autoscale_timer.cancel()
    for timer in pool.resize_timers:
        timer.cancel()
    pool.resize_timers = []
    for node in list(pool.nodes.values()):
        nodes.leave(account, node)
    # a pool without nodes is deleting for a moment, too
    account.later(account.settings.timings.leaving, partial(account.changed, pool=pool))


def update(account: Account, pool: Pool, changes: Json) -> None:
    """Replace the given properties; some only while the pool is empty."""
    refuse_deleting(pool)
    busy = [name for name in changes if name in ONLY_EMPTY]
    if busy and pool.nodes:
        raise BatchError(
            "OperationNotValidOnPool", {"Reason": f"{busy[0]} can change only in an empty pool"}
        )
    for name, value in changes.items():
        pool.definition[name] = value
    touch(account, pool)


ONLY_EMPTY = (
    "vmSize",
    "taskSlotsPerNode",
    "taskSchedulingPolicy",
    "enableInterNodeCommunication",
    "virtualMachineConfiguration",
    "networkConfiguration",
    "userAccounts",
    "mountConfiguration",
)
"""Properties that a pool with nodes does not let go of."""


def replace(account: Account, pool: Pool, given: Json) -> None:
    """Set start task, metadata and packages to what is given; what is not given is removed."""
    refuse_deleting(pool)
    for name in ("startTask", "metadata", "applicationPackageReferences"):
        pool.definition.pop(name, None)
        if given.get(name):
            pool.definition[name] = given[name]
    touch(account, pool)
