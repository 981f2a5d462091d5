"""What is said of a pool's nodes by their states, and by how long they are in them."""

from datetime import UTC, datetime, timedelta

import pytest
from azure.batch.models import BatchNode, BatchPool

from runner.azure.deployment import Deployment
from runner.azure.node_health import (
    PoolSnapshot,
    failed_start,
    no_node_can_work,
    node_alarms,
    remedy_for,
)
from tests.azure.test_stack import OUTPUTS

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
STACK = Deployment.from_outputs(OUTPUTS, "a test")


def node(state: str, minutes: float = 0, name: str = "one", **facts: object) -> BatchNode:
    since = (NOW - timedelta(minutes=minutes)).isoformat()
    return BatchNode({"id": name, "state": state, "stateTransitionTime": since, **facts})


def look(*nodes: BatchNode, allocation: str = "steady") -> PoolSnapshot:
    pool = BatchPool({"id": "pool", "state": "active", "allocationState": allocation})
    return PoolSnapshot(pool, nodes, NOW)


def said(*nodes: BatchNode) -> list[str]:
    return [alarm.text for alarm in node_alarms(look(*nodes), STACK)]


@pytest.mark.parametrize(
    ("state", "minutes", "words"),
    [
        ("starttaskfailed", 0, "node one: the start task failed; `runner doctor` shows the end"),
        ("unusable", 0, "node one: the node is unusable; remove it (`az batch node delete"),
        ("unknown", 0, "node one: Batch has lost contact with the node; remove it"),
        ("waitingforstarttask", 12, "node one: its start task has not ended after 12 min"),
        ("waitingforstarttask", 11.9, ""),
        ("starting", 20, "node one: starting for 20 min, which normally takes a few"),
        ("creating", 19.9, ""),
        ("idle", 99, ""),
        ("running", 99, ""),
    ],
)
def test_a_node_is_called_ill_by_its_state_or_its_age(
    state: str, minutes: float, words: str
) -> None:
    alarms = said(node(state, minutes))
    assert [alarm[: len(words)] for alarm in alarms] == ([words] if words else [])


def test_of_nodes_with_one_fault_one_is_named() -> None:
    (alarm,) = said(node("unusable"), node("idle", name="two"), node("unusable", name="three"))
    assert alarm.startswith("2 nodes, one of them one: the node is unusable; remove it")
    assert "--node-list one`" in alarm


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({"exitCode": 3}, "the start task failed (exit code 3);"),
        (
            {"exitCode": 3, "failureInfo": {"code": "FailureExitCode", "message": "it failed"}},
            "the start task failed (exit code 3);",
        ),
        (
            {"exitCode": 0, "failureInfo": {"code": "BlobNotFound", "message": "no blob"}},
            "the start task failed (exit code 0; no blob);",
        ),
    ],
)
def test_why_a_start_task_failed_is_said_where_it_says_more_than_a_code(
    info: dict[str, object], words: str
) -> None:
    (alarm,) = said(node("starttaskfailed", startTaskInfo=info))
    assert words in alarm
    assert "file download" in alarm
    assert "--file-path startup/stderr.txt" in alarm


@pytest.mark.parametrize(
    ("states", "lost"),
    [
        ([("unusable", 10)], "the only node of pool pool cannot work: the node is unusable"),
        ([("unusable", 9.9)], None),
        ([("waitingforstarttask", 45)], "the only node of pool pool cannot work: its start task"),
        ([("waitingforstarttask", 44.9)], None),
        ([("unusable", 10), ("starttaskfailed", 30)], "none of the 2 nodes of pool pool can work"),
        ([("unusable", 10), ("idle", 30)], None),
        ([], None),
    ],
)
def test_waiting_ends_when_no_node_can_be_expected_to_work(
    states: list[tuple[str, float]], lost: str | None
) -> None:
    nodes = [node(state, minutes) for state, minutes in states]
    why = no_node_can_work(look(*nodes))
    assert (why and why[: len(lost or "")]) == lost
    assert no_node_can_work(look(*nodes, allocation="resizing")) is None


@pytest.mark.parametrize(
    ("state", "minutes", "found"),
    [
        ("starttaskfailed", 0, "one"),
        ("waitingforstarttask", 12, "one"),
        ("waitingforstarttask", 11.9, None),
        ("idle", 99, None),
    ],
)
def test_a_start_that_failed_is_found(state: str, minutes: float, found: str | None) -> None:
    assert failed_start(look(node("idle", name="two"), node(state, minutes))) == found


@pytest.mark.parametrize(
    ("scales", "words"),
    [(True, "the pool scales to zero within minutes"), (False, "until then they are billed")],
)
def test_what_to_do_depends_on_whether_the_pool_scales(scales: bool, words: str) -> None:
    pool = BatchPool({"id": "pool", "allocationState": "steady", "enableAutoScale": scales})
    assert words in remedy_for(PoolSnapshot(pool, (), NOW), STACK)
