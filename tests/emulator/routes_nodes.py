"""The operations on nodes, and what is counted over all of them."""

from __future__ import annotations

import re
from collections import Counter

from tests.emulator import bodies_pools, nodes, views
from tests.emulator.errors import BatchError, invalid_query
from tests.emulator.model import Json, Node, Pool, key
from tests.emulator.operations import Answer, Call, Routes, entity, listing
from tests.emulator.operations import done as action_done
from tests.emulator.states import NodeState

routes = Routes()

FIELDS = {
    "id": lambda node: node.id,
    "state": lambda node: str(node.state),
    "schedulingState": lambda node: "enabled" if node.scheduling else "disabled",
    "stateTransitionTime": lambda node: node.since,
    "lastBootTime": lambda node: node.booted,
    "allocationTime": lambda node: node.allocated,
    "ipAddress": lambda node: f"10.0.0.{node.number + 4}",
    "vmSize": lambda node: str(node.pool.definition.get("vmSize", "")).lower(),
    "isDedicated": lambda node: node.dedicated,
    "totalTasksRun": lambda node: node.tasks_run,
    "startTaskInfo/state": lambda node: node.start_task and node.start_task.state,
    "startTaskInfo/exitCode": lambda node: (
        node.start_task and node.start_task.outcome and node.start_task.outcome.exit_code
    ),
    "startTaskInfo/retryCount": lambda node: node.start_task and node.start_task.retries,
}
STATE_NAMES = {NodeState.WAITING_FOR_START_TASK: "waitingForStartTask"}
STATE_NAMES |= {NodeState.START_TASK_FAILED: "startTaskFailed"}
STATE_NAMES |= {NodeState.LEAVING_POOL: "leavingPool", NodeState.UPGRADING_OS: "upgradingOS"}
"""How states are called as properties of counts, where not as themselves."""


@routes.add("GET", "/pools/{pool}/nodes")
def list_nodes(call: Call, pool: str) -> Answer:
    found = sorted(call.account.pool(pool).nodes.values(), key=order)
    return listing(
        call, found, lambda n: view(call, n), fragment="nodes", fields=FIELDS, order=order
    )


def order(node: Node) -> str:
    return node.id


def view(call: Call, node: Node) -> Json:
    return views.node_view(call.url, node)


@routes.add("GET", "/pools/{pool}/nodes/{node}")
def get_node(call: Call, pool: str, node: str) -> Answer:
    return entity(call, view(call, call.account.node(pool, node)), "nodes")


@routes.add("POST", "/pools/{pool}/nodes/{node}/reboot", 202, bodies_pools.REBOOT)
def reboot_node(call: Call, pool: str, node: str) -> Answer:
    option = call.body.get("nodeRebootOption", "requeue").lower()
    nodes.reboot(call.account, call.account.node(pool, node), option)
    return action_done(call)


@routes.add("POST", "/pools/{pool}/nodes/{node}/reimage", 202, bodies_pools.REIMAGE)
def reimage_node(call: Call, pool: str, node: str) -> Answer:
    """Refuse, as the service was recorded to do on every pool that can still be had."""
    call.account.node(pool, node)
    reason = "Operation reimage can be invoked only on pools created with cloudServiceConfiguration"
    raise BatchError("OperationNotValidOnNode", {"Reason": reason})


@routes.add("POST", "/pools/{pool}/nodes/{node}/deallocate", 202, bodies_pools.DEALLOCATE)
def deallocate_node(call: Call, pool: str, node: str) -> Answer:
    option = call.body.get("nodeDeallocateOption", "requeue").lower()
    nodes.deallocate(call.account, call.account.node(pool, node), option)
    return action_done(call)


@routes.add("POST", "/pools/{pool}/nodes/{node}/start", 202)
def start_node(call: Call, pool: str, node: str) -> Answer:
    nodes.start(call.account, call.account.node(pool, node))
    return action_done(call)


@routes.add(
    "POST", "/pools/{pool}/nodes/{node}/disablescheduling", 200, bodies_pools.DISABLE_SCHEDULING
)
def disable_node_scheduling(call: Call, pool: str, node: str) -> Answer:
    option = call.body.get("nodeDisableSchedulingOption", "requeue").lower()
    nodes.disable_scheduling(call.account, call.account.node(pool, node), option)
    return action_done(call)


@routes.add("POST", "/pools/{pool}/nodes/{node}/enablescheduling")
def enable_node_scheduling(call: Call, pool: str, node: str) -> Answer:
    nodes.enable_scheduling(call.account, call.account.node(pool, node))
    return action_done(call)


@routes.add("GET", "/pools/{pool}/nodes/{node}/remoteloginsettings")
def get_node_remote_login_settings(call: Call, pool: str, node: str) -> Answer:
    endpoint = views.endpoint(call.account.node(pool, node))
    return Answer(
        body={
            "remoteLoginIPAddress": endpoint["publicIPAddress"],
            "remoteLoginPort": endpoint["frontendPort"],
        }
    )


@routes.add("GET", "/nodecounts")
def list_pool_node_counts(call: Call) -> Answer:
    wanted = counted_pool(call)
    pools = [p for name, p in sorted(call.account.pools.items()) if wanted in (None, name)]
    return listing(
        call, pools, counts, fragment="poolnodecounts", fields={"poolId": lambda p: p.id},
        order=lambda p: key(p.id),
    )  # fmt: skip


def counted_pool(call: Call) -> str | None:
    """Return the key of the one pool that is asked for; counts know no other filter."""
    text = call.query.get("$filter")
    if not text:
        return None
    match = re.fullmatch(r"\s*poolId\s+eq\s+'([^']*)'\s*", text)
    if match is None:
        raise invalid_query("$filter", text, "only poolId eq can be filtered on")
    return key(match[1])


def counts(pool: Pool) -> Json:
    return {
        "poolId": pool.id,
        "dedicated": count(pool, dedicated=True),
        "lowPriority": count(pool, dedicated=False),
    }


def count(pool: Pool, *, dedicated: bool) -> Json:
    states = Counter(node.state for node in pool.nodes.values() if node.dedicated is dedicated)
    named = {STATE_NAMES.get(state, str(state)): states[state] for state in NodeState}
    return {**named, "total": sum(states.values())}
