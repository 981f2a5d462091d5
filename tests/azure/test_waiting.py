"""Who waits is told why: one line with the cause and one remedy."""

import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.batch import models as batch

from runner.azure.deployment import Deployment
from runner.azure.diagnosis import alarms, why_nothing_runs
from runner.azure.node_health import PATIENCE, PoolSnapshot, no_node_can_work
from runner.engine import Stop
from runner.errors import ExitCode, InterruptedRunError, SetupError
from runner.models import Notice, State
from tests.azure.conftest import MakeCloud, MakeEngine, drive, plan_of
from tests.azure.test_stack import OUTPUTS
from tests.cloud import IDENTITY, POOL, Cloud, fixed
from tests.conftest import names, until

DEPLOYMENT = Deployment.from_outputs(OUTPUTS, "a test")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
START_TASK = {"startTask": {"commandLine": "/bin/sh -c 'exit 0'", "waitForSuccess": True}}


def first_notice(cloud: Cloud, engine_on: MakeEngine, folder: Path, **options: Any) -> str:
    """The first thing that a run says of itself."""
    deadline = time.monotonic() + 20
    destination = folder.parent / "out"
    with closing(engine_on(cloud, **options).run(plan_of(folder, destination), Stop())) as news:
        for each in news:
            if isinstance(each, Notice) and each.message:  # a status has none
                return each.message
            assert time.monotonic() < deadline, "nothing was said"
    raise AssertionError("the run ended without a word")


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("AccountCoreQuotaReached", "the quota of dedicated cores is used up; request more"),
        ("AccountLowPriorityCoreQuotaReached", "the quota of Spot cores is used up; request more"),
        ("AllocationFailed", "Azure could not allocate machines; check that the Batch service has"),
        ("UnsupportedVMSize", "this vmSize is not offered here; `pulumi config set vmSize"),
        ("SomethingNew", "SomethingNew: SomethingNew; see the pool in the portal"),
    ],
)
def test_a_pool_that_cannot_grow_is_told_at_once(
    make_cloud: MakeCloud, engine_on: MakeEngine, one: Path, code: str, cause: str
) -> None:
    cloud = make_cloud(scaleSettings=fixed(0))
    cloud.fault("resize", POOL, code=code)
    cloud.resize(1)
    assert first_notice(cloud, engine_on, one).startswith(f"the pool cannot grow: {cause}")


def test_an_allocation_that_takes_too_long_is_told(
    make_cloud: MakeCloud, engine_on: MakeEngine, one: Path
) -> None:
    cloud = make_cloud(scaleSettings=fixed(0))
    cloud.fault("resize", POOL, code="AllocationTimedOut")
    cloud.resize(1)
    cloud.azure.clock.step(minutes=16)
    said = first_notice(cloud, engine_on, one)
    assert said == (
        "the pool cannot grow: Azure did not find enough machines in time; wait, or choose another "
        "vmSize or region"
    )


def test_a_start_task_that_failed_is_told_at_once(
    make_cloud: MakeCloud, engine_on: MakeEngine, one: Path
) -> None:
    cloud = make_cloud(scaleSettings=fixed(0), **START_TASK)
    cloud.fault("start_task", POOL, exit_code=100, times=None)
    cloud.azure.put_pool(POOL, scaleSettings=fixed(1), taskSlotsPerNode=2, **START_TASK)
    said = first_notice(cloud, engine_on, one)
    assert ": the start task failed (exit code 100" in said
    node = cloud.azure.nodes(POOL)[0]["id"]
    assert said.startswith(f"node {node}: "), "whole, to be pasted"
    host = cloud.azure.endpoint.removeprefix("https://")
    assert (
        f"`az batch node file download --account-name emulated --account-endpoint {host} "
        f"--pool-id {POOL} --node-id {node} --file-path startup/stderr.txt" in said
    )


def test_an_unusable_node_is_told_at_once(cloud: Cloud, engine_on: MakeEngine, one: Path) -> None:
    cloud.azure.make_unusable(POOL, cloud.azure.nodes(POOL)[0]["id"], "DiskFull")
    said = first_notice(cloud, engine_on, one)
    assert ": the node is unusable (DiskFull: " in said
    assert "or reboot it in the portal; it is billed" in said
    assert f"--node-list {cloud.azure.nodes(POOL)[0]['id']}`" in said


def test_a_lost_node_is_told_at_once(cloud: Cloud, engine_on: MakeEngine, one: Path) -> None:
    cloud.azure.lose(POOL, cloud.azure.nodes(POOL)[0]["id"])
    assert "Batch has lost contact with the node" in first_notice(cloud, engine_on, one)


def test_a_pool_at_zero_is_told_after_a_while_with_the_next_look_of_autoscale(
    make_cloud: MakeCloud, engine_on: MakeEngine, one: Path
) -> None:
    scale = {"autoScale": {"formula": "$TargetDedicatedNodes=0;", "evaluationInterval": "PT5M"}}
    cloud = make_cloud(scaleSettings=scale, speed=1.0)
    said = first_notice(cloud, engine_on, one, idle_notice=0.3)
    assert said == (
        "nothing is running: the pool is at zero; its formula is evaluated next in about 5 min, "
        "then nodes take minutes to start"
    )


def test_a_pool_of_fixed_size_zero_is_told_with_the_remedy(
    make_cloud: MakeCloud, engine_on: MakeEngine, one: Path
) -> None:
    said = first_notice(make_cloud(scaleSettings=fixed(0)), engine_on, one, idle_notice=0.3)
    assert said.startswith("nothing is running: the pool has a fixed size of 0: give it nodes")


def test_preempted_nodes_are_told(make_cloud: MakeCloud, engine_on: MakeEngine, one: Path) -> None:
    cloud = make_cloud(scaleSettings=fixed(0, spot=1))
    cloud.azure.preempt(POOL, cloud.azure.nodes(POOL)[0]["id"])
    said = first_notice(cloud, engine_on, one, idle_notice=0.3)
    assert "Azure evicted the Spot nodes; they come back when there is capacity" in said


def test_a_broken_formula_is_told(make_cloud: MakeCloud, engine_on: MakeEngine, one: Path) -> None:
    cloud = make_cloud(scaleSettings=fixed(0))
    pool = cloud.batch.get_pool(POOL)
    pool.auto_scale_run = batch.AutoScaleRun(
        timestamp=NOW, error=batch.AutoScaleRunError(code="Bad", message="no such variable")
    )
    look = PoolSnapshot(pool, [], NOW)
    assert [alarm.text for alarm in alarms(look, cloud.deployment)] == [
        "the pool's autoscale formula failed: Bad no such variable; run `pulumi up`"
    ]


def test_the_same_is_not_said_twice(cloud: Cloud, engine_on: MakeEngine, one: Path) -> None:
    cloud.azure.make_unusable(POOL, cloud.azure.nodes(POOL)[0]["id"])
    stop = Stop()

    def stop_after_some_looks() -> None:
        until(lambda: cloud.calls("list_nodes") > 5)
        stop.request()

    thread = threading.Thread(target=stop_after_some_looks)
    thread.start()
    news = engine_on(cloud).run(plan_of(one, one.parent / "out"), stop)
    said: list[str] = []
    with pytest.raises(InterruptedRunError):
        said.extend(each.message for each in news if isinstance(each, Notice) and each.message)
    thread.join()
    assert len(said) == 1


# --- what the diagnosis makes of the service's words ---------------------------------------------


def pool(**details: Any) -> batch.BatchPool:
    facts = {"id": "p", "state": "active", "targetDedicatedNodes": 0, "targetLowPriorityNodes": 0}
    return batch.BatchPool({**facts, **details})


def node(state: str, **details: Any) -> batch.BatchNode:
    return batch.BatchNode({"id": "tvmps_1", "state": state, **details})


@pytest.mark.parametrize(
    ("found", "nodes", "said"),
    [
        (pool(state="deleting"), [], "pool p is being deleted; run `pulumi up`"),
        (
            pool(targetDedicatedNodes=3),
            [node("creating"), node("starting"), node("idle")],
            "2 nodes are starting (creating, starting), which takes minutes",
        ),
        (pool(), [node("starting")], "1 node is starting (starting), which takes minutes"),
        (pool(targetDedicatedNodes=2), [node("running")], "the pool is growing to 2 nodes"),
        (pool(targetLowPriorityNodes=1), [node("running")], "all nodes are busy with other jobs"),
        (pool(enableAutoScale=True), [], "the pool is at zero; its formula is evaluated every 5"),
        (pool(), [], "the pool has a fixed size of 0"),
        (pool(), [node("Offline")], "node tvmps_1: task scheduling is disabled on the node"),
        (
            pool(resizeErrors=[{"code": "AllocationTimedout", "message": "x"}]),
            [],
            "the pool cannot grow: Azure did not find enough machines in time",
        ),
    ],
)
def test_the_cause_is_found(
    found: batch.BatchPool, nodes: list[batch.BatchNode], said: str
) -> None:
    assert why_nothing_runs(PoolSnapshot(found, nodes, NOW), DEPLOYMENT).startswith(said)


@pytest.mark.parametrize(("minutes_ago", "said"), [(1, "about 4 min"), (9, "about 0 min")])
def test_the_next_look_of_autoscale_is_counted_from_the_last(minutes_ago: int, said: str) -> None:
    last = {"timestamp": (NOW - timedelta(minutes=minutes_ago)).isoformat()}
    found = pool(enableAutoScale=True, autoScaleRun=last)
    assert said in why_nothing_runs(PoolSnapshot(found, [], NOW), DEPLOYMENT)


# --- by the age of the nodes' states -------------------------------------------------------------


def since(state: str, minutes: float, **details: Any) -> batch.BatchNode:
    """A node that has been in *state* for so long."""
    then = (NOW - timedelta(minutes=minutes)).isoformat()
    return node(state, stateTransitionTime=then, **details)


@pytest.mark.parametrize(
    ("state", "fine", "late", "said"),
    [
        ("waitingforstarttask", 11, 13, "its start task has not ended after 13 min"),
        ("starting", 19, 25, "starting for 25 min, which normally takes a few minutes"),
        ("creating", 19, 25, "creating for 25 min"),
        ("rebooting", 19, 25, "rebooting for 25 min"),
        ("idle", 600, None, ""),
        ("running", 600, None, ""),
        ("preempted", 600, None, ""),
    ],
)
def test_a_state_that_lasts_too_long_is_an_alarm(
    state: str, fine: float, late: float | None, said: str
) -> None:
    assert not list(alarms(PoolSnapshot(pool(), [since(state, fine)], NOW), DEPLOYMENT))
    if late is not None:
        (alarm,) = alarms(PoolSnapshot(pool(), [since(state, late)], NOW), DEPLOYMENT)
        assert alarm.text.startswith(f"node tvmps_1: {said}")


def test_nodes_of_which_the_same_is_wrong_are_one_alarm() -> None:
    nodes = [since("waitingforstarttask", minutes) for minutes in (13, 14, 15)]
    nodes.append(since("unusable", 1))
    first, second = alarms(PoolSnapshot(pool(), nodes, NOW), DEPLOYMENT)
    assert first.text.startswith("3 nodes, one of them tvmps_1: its start task has not ended")
    assert second.text.startswith("node tvmps_1: the node is unusable")
    later = PoolSnapshot(pool(), nodes[:2], NOW + timedelta(minutes=3))
    assert next(alarms(later, DEPLOYMENT)).key == first.key, "so that it is not said anew"


STEADY = {"allocationState": "steady"}


@pytest.mark.parametrize(
    ("found", "nodes", "lost"),
    [
        (pool(**STEADY), [], False),
        (pool(**STEADY), [since("starttaskfailed", 11)], True),
        (pool(**STEADY), [since("starttaskfailed", 9)], False),
        (pool(**STEADY), [since("unusable", 11), since("starttaskfailed", 30)], True),
        (pool(**STEADY), [since("starttaskfailed", 30), since("unusable", 1)], False),
        (pool(**STEADY), [since("starttaskfailed", 30), since("idle", 30)], False),
        (pool(**STEADY), [since("starttaskfailed", 30), since("preempted", 30)], False),
        (pool(**STEADY), [since("starttaskfailed", 30), since("creating", 1)], False),
        (pool(**STEADY), [since("waitingforstarttask", 40)], False),
        (pool(**STEADY), [since("waitingforstarttask", 46)], True),
        (pool(**STEADY), [since("StartTaskFailed", 11)], True),
        (pool(allocationState="resizing"), [since("starttaskfailed", 30)], False),
    ],
)
def test_a_pool_is_given_up_only_when_none_of_its_nodes_can_work(
    found: batch.BatchPool, nodes: list[batch.BatchNode], lost: bool
) -> None:
    assert timedelta(minutes=10) == PATIENCE
    assert (no_node_can_work(PoolSnapshot(found, nodes, NOW)) is not None) is lost


def test_a_run_whose_pool_cannot_work_ends_and_the_same_command_goes_on(
    make_cloud: MakeCloud, engine_on: MakeEngine, folder: Path, destination: Path
) -> None:
    cloud = make_cloud(scaleSettings=fixed(0), **START_TASK)
    cloud.fault("start_task", POOL, exit_code=100, times=None)
    plan = plan_of(folder, destination)
    engine = engine_on(cloud)
    cloud.azure.put_pool(POOL, scaleSettings=fixed(2), taskSlotsPerNode=2, **START_TASK)
    until(lambda: [n["state"] for n in cloud.azure.nodes(POOL)] == ["starttaskfailed"] * 2)
    for each in cloud.azure.nodes(POOL):  # as start tasks leave it there
        name = f".start-task/{each['id']}/stderr.txt"
        log = cloud.blobs.get_blob_client(cloud.container("output"), name)
        log.upload_blob(b"one\nno ffmpeg after 8 attempts\n\n")
    cloud.azure.clock.step(minutes=11)
    with pytest.raises(SetupError) as caught:
        drive(engine, plan)
    said = str(caught.value)
    assert said.startswith(f"none of the 2 nodes of pool {POOL} can work: the start task failed (")
    assert "(its log ends: no ffmpeg after 8 attempts); its tasks were terminated" in said
    assert "its tasks were terminated; fix the cause (`runner doctor`) and replace the" in said
    assert said.endswith("; 3 files left")
    assert "\n" not in said
    assert caught.value.exit_code is ExitCode.ENVIRONMENT
    until(lambda: set(cloud.jobs().values()) == {"completed"})
    assert cloud.stored("input"), "the sources stay, for the same command"
    uploads = len(cloud.stored("input"))
    cloud.azure.faults.clear()
    cloud.azure.put_pool(POOL, identity=[IDENTITY], scaleSettings=fixed(0), taskSlotsPerNode=2)
    until(lambda: cloud.batch.get_pool(POOL).allocation_state == "steady")
    until(lambda: not cloud.azure.nodes(POOL))
    cloud.resize(1)
    told = drive(engine, plan)
    assert {event.state for event in told.results.values()} == {State.CONVERTED}
    assert names(destination) == {"a.mp3", "b.mp3", "c.mp3"}
    assert uploads == 4, "three sources and the plan"
