"""Say why nothing is running: the cause, and one remedy. Pure: it is given what the service says."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from azure.batch import models as batch

from runner.azure.errors import redacted, word

_QUOTA = "ask for more in the portal (Quotas), or choose another vmSize"
_RESIZE = {
    "accountcorequotareached": ("the quota of dedicated cores is used up", _QUOTA),
    "accountlowprioritycorequotareached": ("the quota of Spot cores is used up", _QUOTA),
    "accountspotcorequotareached": ("the quota of Spot cores is used up", _QUOTA),
    "allocationtimedout": (
        "Azure did not find enough machines in time",
        "wait, or choose another vmSize or region",
    ),
    "allocationfailed": (
        "Azure could not allocate machines",
        "check the Batch service's role on the subscription, the image and the subnet; see the README's troubleshooting",
    ),
    "unsupportedvmsize": (
        "this vmSize is not offered here",
        "`pulumi config set vmSize …`, then `pulumi up`",
    ),
    "incompatiblevmsize": (
        "this vmSize does not fit the image",
        "`pulumi config set vmSize …`, then `pulumi up`",
    ),
    "overconstrainedallocationrequesterror": (
        "no machine fits all demands",
        "choose another vmSize or region",
    ),
}
_BAD_NODES = {
    "starttaskfailed": "the start task failed",
    "unusable": "the node is unusable",
    "unknown": "Batch has lost contact with the node",
    "offline": "the node takes no tasks: its scheduling is disabled",
}
_COMING = ("creating", "starting", "waitingforstarttask", "rebooting", "reimaging")


def alarms(pool: batch.BatchPool, nodes: Sequence[batch.BatchNode]) -> Iterator[str]:
    """What the service itself reports as wrong, each with a remedy: for saying at once."""
    for error in pool.resize_errors or ():
        code = (error.code or "").lower()
        cause, remedy = _RESIZE.get(
            code, (redacted(f"{error.code}: {error.message}"), "see the pool in the portal")
        )
        yield f"the pool cannot grow: {cause}; {remedy}"
    run = pool.auto_scale_run
    if run is not None and run.error is not None:
        reason = redacted(f"{run.error.code} {run.error.message or ''}")
        yield f"the pool's formula fails: {reason}; run `pulumi up`"
    for node in nodes:
        state = word(node.state)
        if state in _BAD_NODES:
            yield f"node {short(node.id or '')}: {_BAD_NODES[state]}{_detail(node)}; {_remedy(state)}"


def why_nothing_runs(
    pool: batch.BatchPool,
    nodes: Sequence[batch.BatchNode],
    autoscale_minutes: int,
    now: datetime | None = None,
) -> str:
    """The most likely reason why tasks wait, and what to do, in one line."""
    if found := next(alarms(pool, nodes), None):
        return found
    if word(pool.state) != "active":
        return f"pool {pool.id} is being deleted; run `pulumi up`, then the same command again"
    return _of_nodes(pool, nodes) or _of_target(pool, autoscale_minutes, now or datetime.now(UTC))


def _of_nodes(pool: batch.BatchPool, nodes: Sequence[batch.BatchNode]) -> str:
    states = [word(node.state) for node in nodes]
    if coming := [state for state in states if state in _COMING]:
        stages = ", ".join(sorted(set(coming)))
        return f"{len(coming)} nodes are on their way ({stages}): that takes minutes"
    if "preempted" in states:
        return "Azure has taken the Spot nodes back; they return when there is room, or set maxDedicatedNodes"
    if _target(pool) > len(nodes):
        return f"the pool is growing to {_target(pool)} nodes: that takes minutes"
    return ""


def _of_target(pool: batch.BatchPool, autoscale_minutes: int, now: datetime) -> str:
    if _target(pool) > 0:
        return "all nodes are busy with other jobs"
    if pool.enable_auto_scale:
        return f"the pool is at zero; {_next_look(pool, autoscale_minutes, now)}"
    return "the pool has a fixed size of 0: give it nodes in the stack's settings, then `pulumi up`"


def _target(pool: batch.BatchPool) -> int:
    return (pool.target_dedicated_nodes or 0) + (pool.target_low_priority_nodes or 0)


def short(node: str) -> str:
    """A node's id without the 60 digits that are alike."""
    return node if len(node) < 24 else f"{node[:10]}…{node[-8:]}"


def _next_look(pool: batch.BatchPool, minutes: int, now: datetime) -> str:
    last = pool.auto_scale_run.timestamp if pool.auto_scale_run else None
    if last is None:
        return f"its formula is evaluated every {minutes} min, then nodes take minutes to start"
    wait = max(0.0, minutes - (now - last).total_seconds() / 60)
    return (
        f"its formula is evaluated next in about {wait:.0f} min, then nodes take minutes to start"
    )


def _detail(node: batch.BatchNode) -> str:
    info = node.start_task_info
    if word(node.state) == "starttaskfailed" and info is not None:
        reason = info.failure_info.message if info.failure_info else ""
        return f" (exit code {info.exit_code}{'; ' + redacted(reason) if reason else ''})"
    error = next(iter(node.errors or ()), None)
    return f" ({error.code}: {redacted(error.message or '')})" if error else ""


def _remedy(state: str) -> str:
    if state == "starttaskfailed":
        return "its log: `az batch node file download … startup/stderr.txt`; then `pulumi up` and remove the node"
    return "remove or reboot it in the portal; it is paid for as long as it is there"
