"""Find out why nothing is running, and what to do about it. Pure: its input is what the service reports."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from azure.batch import models as batch

from runner.azure.deployment import Deployment
from runner.azure.errors import redacted, word
from runner.azure.node_health import Alarm, PoolSnapshot, node_alarms
from runner.formatting import count_text

_QUOTA = "request more in the portal (Quotas), or choose another vmSize"
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
        "check that the Batch service has its role on the subscription, the image and the subnet; see the README's troubleshooting",
    ),
    "unsupportedvmsize": (
        "this vmSize is not offered here",
        "`{set_vm_size}`, then `pulumi up`",
    ),
    "incompatiblevmsize": (
        "this vmSize does not work with the image",
        "`{set_vm_size}`, then `pulumi up`",
    ),
    "overconstrainedallocationrequesterror": (
        "no machine meets all requirements",
        "choose another vmSize or region",
    ),
}
_COMING = ("creating", "starting", "waitingforstarttask", "rebooting", "reimaging")


def alarms(snapshot: PoolSnapshot, deployment: Deployment) -> Iterator[Alarm]:
    """Return the problems that the service reports, or that have lasted too long, each with what to do."""
    pool = snapshot.pool
    for error in pool.resize_errors or ():
        code = (error.code or "").lower()
        cause, remedy = _RESIZE.get(
            code, (redacted(f"{error.code}: {error.message}"), "see the pool in the portal")
        )
        remedy = remedy.format(set_vm_size=deployment.set_for_pool("vmSize", "…"))
        yield Alarm(f"resize {code}", f"the pool cannot grow: {cause}; {remedy}")
    run = pool.auto_scale_run
    if run is not None and run.error is not None:
        words = redacted(f"{run.error.code} {run.error.message or ''}")
        yield Alarm("formula", f"the pool's autoscale formula failed: {words}; run `pulumi up`")
    yield from node_alarms(snapshot, deployment)


def why_nothing_runs(snapshot: PoolSnapshot, deployment: Deployment) -> str:
    """Return the most likely reason why tasks wait, and what to do, in one line."""
    if found := next(alarms(snapshot, deployment), None):
        return found.text
    pool = snapshot.pool
    if word(pool.state) != "active":
        return f"pool {pool.id} is being deleted; run `pulumi up`, then run the same command again"
    return _of_nodes(pool, snapshot.nodes) or _of_target(
        pool, deployment.pool.autoscale_minutes, snapshot.now
    )


def _of_nodes(pool: batch.BatchPool, nodes: Sequence[batch.BatchNode]) -> str:
    states = [word(node.state) for node in nodes]
    if coming := [state for state in states if state in _COMING]:
        stages = ", ".join(sorted(set(coming)))
        are = "is starting" if len(coming) == 1 else "are starting"
        return f"{count_text(len(coming), 'node')} {are} ({stages}), which takes minutes"
    if "preempted" in states:
        return "Azure evicted the Spot nodes; they come back when there is capacity, or set maxDedicatedNodes"
    if _target(pool) > len(nodes):
        return f"the pool is growing to {count_text(_target(pool), 'node')}, which takes minutes"
    return ""


def _of_target(pool: batch.BatchPool, autoscale_minutes: int, now: datetime) -> str:
    if _target(pool) > 0:
        return "all nodes are busy with other jobs"
    if pool.enable_auto_scale:
        return f"the pool is at zero; {_next_evaluation(pool, autoscale_minutes, now)}"
    return "the pool has a fixed size of 0: give it nodes in the stack's settings, then `pulumi up`"


def _target(pool: batch.BatchPool) -> int:
    return (pool.target_dedicated_nodes or 0) + (pool.target_low_priority_nodes or 0)


def _next_evaluation(pool: batch.BatchPool, minutes: int, now: datetime) -> str:
    last = pool.auto_scale_run.timestamp if pool.auto_scale_run else None
    if last is None:
        return f"its formula is evaluated every {minutes} min, then nodes take minutes to start"
    wait = max(0.0, minutes - (now - last).total_seconds() / 60)
    return (
        f"its formula is evaluated next in about {wait:.0f} min, then nodes take minutes to start"
    )
