"""Find unhealthy nodes of a pool, by their states and how long they have been in them. Pure."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from azure.batch import models as batch

from runner.azure.deployment import Deployment
from runner.azure.errors import redacted, word

PATIENCE = timedelta(minutes=10)
"""A run whose pool only has failed nodes ends after this time; somebody may be fixing them."""
_START_TASK_LATE = timedelta(minutes=12)
"""A start task usually takes one to five minutes, and is stopped after fifteen."""
_START_TASK_LOST = timedelta(minutes=45)
"""After this time it hangs: start tasks of older stacks have no time limit."""
_BOOT_LATE = timedelta(minutes=20)
_CAUSES = {
    "starttaskfailed": "the start task failed",
    "unusable": "the node is unusable",
    "unknown": "Batch has lost contact with the node",
    "offline": "task scheduling is disabled on the node",
}
_BOOTING = ("creating", "starting", "rebooting", "reimaging")
_WAITING = "waitingforstarttask"
_LOST = ("starttaskfailed", "unusable")


@dataclass(frozen=True)
class PoolSnapshot:
    """A pool and its nodes at one moment."""

    pool: batch.BatchPool
    nodes: Sequence[batch.BatchNode]
    now: datetime
    """By the service's clock, like the times of the nodes."""

    def age(self, node: batch.BatchNode) -> timedelta:
        """Return how long *node* has been in its state."""
        return self.now - node.state_transition_time if node.state_transition_time else timedelta()


@dataclass(frozen=True)
class Alarm:
    """A problem, and what to do about it."""

    key: str
    """Stays the same while the problem lasts, for any number of nodes and minutes."""
    text: str
    in_doctor: str = ""
    """The text for `runner doctor`, if it differs."""


def node_alarms(snapshot: PoolSnapshot, deployment: Deployment) -> Iterator[Alarm]:
    """Return one alarm for all nodes with the same problem, naming one of them."""
    groups: dict[str, list[batch.BatchNode]] = {}
    for node in snapshot.nodes:
        if key := _problem(snapshot, node):
            groups.setdefault(key, []).append(node)
    for key, nodes in groups.items():
        first = nodes[0].id or ""
        who = f"node {first}" if len(nodes) == 1 else f"{len(nodes)} nodes, one of them {first}"
        cause = _cause(snapshot, nodes[0])
        state = word(nodes[0].state)
        if state in ("starttaskfailed", _WAITING):
            log = f"all of its log: `{_start_task_log(first, deployment)}`"
            ask = "`runner doctor` shows the end of its log"
            yield Alarm(key, f"{who}: {cause}; {ask}; {log}", f"{who}: {cause}; {log}")
        else:
            yield Alarm(key, f"{who}: {cause}; {_removal(first, deployment)}")


def failed_start(snapshot: PoolSnapshot) -> str | None:
    """Return a node whose start task failed, or does not end."""
    for node in snapshot.nodes:
        state = word(node.state)
        if state == "starttaskfailed" or (
            state == _WAITING and snapshot.age(node) >= _START_TASK_LATE
        ):
            return node.id
    return None


def no_node_can_work(snapshot: PoolSnapshot) -> str | None:
    """Return why waiting for this pool makes no sense; None while it does."""
    if not snapshot.nodes or word(snapshot.pool.allocation_state) != "steady":
        return None
    if not all(_is_lost(snapshot, node) for node in snapshot.nodes):
        return None
    count, cause = len(snapshot.nodes), _cause(snapshot, snapshot.nodes[0])
    if count == 1:
        return f"the only node of pool {snapshot.pool.id} cannot work: {cause}"
    return f"none of the {count} nodes of pool {snapshot.pool.id} can work: {cause}"


def remedy_for(snapshot: PoolSnapshot, deployment: Deployment) -> str:
    """Return what to do when no node of a pool can work."""
    if snapshot.pool.enable_auto_scale:
        return (
            "fix the cause (`runner doctor`); the pool scales to zero within minutes; "
            "then run the same command again to continue on new nodes"
        )
    return (
        "fix the cause (`runner doctor`) and replace the nodes "
        f"(`{deployment.set_for_pool('poolGeneration', 'N')}`, one more than before, `pulumi up`); "
        "until then they are billed; then run the same command again to continue"
    )


def _is_lost(snapshot: PoolSnapshot, node: batch.BatchNode) -> bool:
    state, age = word(node.state), snapshot.age(node)
    return (state in _LOST and age >= PATIENCE) or (state == _WAITING and age >= _START_TASK_LOST)


def _problem(snapshot: PoolSnapshot, node: batch.BatchNode) -> str:
    """Return a word for the problem of *node*; empty for none."""
    state, age = word(node.state), snapshot.age(node)
    if state in _CAUSES:
        return f"{state}{_detail(node)}"
    if state == _WAITING and age >= _START_TASK_LATE:
        return state
    return "boot" if state in _BOOTING and age >= _BOOT_LATE else ""


def _cause(snapshot: PoolSnapshot, node: batch.BatchNode) -> str:
    state, minutes = word(node.state), int(snapshot.age(node) / timedelta(minutes=1))
    if state in _CAUSES:
        return f"{_CAUSES[state]}{_detail(node)}"
    if state == _WAITING:
        return f"its start task has not ended after {minutes} min; can the node reach the package mirror?"
    return f"{state} for {minutes} min, which normally takes a few minutes"


def _detail(node: batch.BatchNode) -> str:
    info = node.start_task_info
    if word(node.state) == "starttaskfailed" and info is not None:
        failure = info.failure_info
        # for an exit code, the message only says that there is one
        plain = failure is None or word(failure.code) == "failureexitcode"
        reason = "" if plain or failure is None else failure.message or ""
        return f" (exit code {info.exit_code}{'; ' + redacted(reason) if reason else ''})"
    error = next(iter(node.errors or ()), None)
    return f" ({error.code}: {redacted(error.message or '')})" if error else ""


def _start_task_log(node: str, deployment: Deployment) -> str:
    """Return the command that downloads it."""
    command = _az(deployment, "file download", "--node-id", node)
    return f"{command} --file-path startup/stderr.txt --destination start-task.txt"


def _removal(node: str, deployment: Deployment) -> str:
    command = _az(deployment, "delete", "--node-list", node)
    return f"remove it (`{command}`) or reboot it in the portal; it is billed until then"


def _az(deployment: Deployment, what: str, *arguments: str) -> str:
    """Return a command of the Azure CLI about a node, for pasting."""
    host = urlsplit(deployment.batch_endpoint).netloc
    where = ("--account-name", deployment.batch_account, "--account-endpoint", host)
    return (
        f"az batch node {what} {shlex.join((*where, '--pool-id', deployment.pool.id, *arguments))}"
    )
