"""Who waits is told why: one line with the cause and one remedy."""

import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.batch import models as batch

from runner.azure.diagnosis import alarms, short, why_nothing_runs
from runner.engine import Stop
from runner.errors import InterruptedRunError
from runner.models import Notice
from tests.azure.conftest import MakeCloud, MakeEngine, plan_of
from tests.cloud import POOL, Cloud, fixed
from tests.conftest import until

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
START_TASK = {"startTask": {"commandLine": "/bin/sh -c 'exit 0'", "waitForSuccess": True}}


def first_notice(cloud: Cloud, engine_on: MakeEngine, folder: Path, **options: Any) -> str:
    """The first thing that a run says of itself."""
    deadline = time.monotonic() + 20
    destination = folder.parent / "out"
    with closing(engine_on(cloud, **options).run(plan_of(folder, destination), Stop())) as news:
        for each in news:
            if isinstance(each, Notice):
                return each.message
            assert time.monotonic() < deadline, "nothing was said"
    raise AssertionError("the run ended without a word")


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("AccountCoreQuotaReached", "the quota of dedicated cores is used up; ask for more"),
        ("AccountLowPriorityCoreQuotaReached", "the quota of Spot cores is used up; ask for more"),
        ("AllocationFailed", "Azure could not allocate machines; check the Batch service's role"),
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
    assert "its log: `az batch node file download" in said


def test_an_unusable_node_is_told_at_once(cloud: Cloud, engine_on: MakeEngine, one: Path) -> None:
    cloud.azure.make_unusable(POOL, cloud.azure.nodes(POOL)[0]["id"], "DiskFull")
    said = first_notice(cloud, engine_on, one)
    assert ": the node is unusable (DiskFull: " in said
    assert "remove or reboot it in the portal; it is paid for" in said


def test_a_lost_node_is_told_at_once(cloud: Cloud, engine_on: MakeEngine, one: Path) -> None:
    cloud.azure.lose(POOL, cloud.azure.nodes(POOL)[0]["id"])
    assert "Batch has lost contact with the node" in first_notice(cloud, engine_on, one)


def test_a_pool_at_zero_is_told_after_a_while_with_the_next_look_of_autoscale(
    make_cloud: MakeCloud, engine_on: MakeEngine, one: Path
) -> None:
    scale = {"autoScale": {"formula": "$TargetDedicatedNodes=0;", "evaluationInterval": "PT5M"}}
    cloud = make_cloud(scaleSettings=scale, speed=1.0)
    said = first_notice(cloud, engine_on, one, quiet=0.3)
    assert said == (
        "nothing is running: the pool is at zero; its formula is evaluated next in about 5 min, "
        "then nodes take minutes to start"
    )


def test_a_pool_of_fixed_size_zero_is_told_with_the_remedy(
    make_cloud: MakeCloud, engine_on: MakeEngine, one: Path
) -> None:
    said = first_notice(make_cloud(scaleSettings=fixed(0)), engine_on, one, quiet=0.3)
    assert said.startswith("nothing is running: the pool has a fixed size of 0: give it nodes")


def test_preempted_nodes_are_told(make_cloud: MakeCloud, engine_on: MakeEngine, one: Path) -> None:
    cloud = make_cloud(scaleSettings=fixed(0, spot=1))
    cloud.azure.preempt(POOL, cloud.azure.nodes(POOL)[0]["id"])
    said = first_notice(cloud, engine_on, one, quiet=0.3)
    assert "Azure has taken the Spot nodes back; they return when there is room" in said


def test_a_broken_formula_is_told(make_cloud: MakeCloud, engine_on: MakeEngine, one: Path) -> None:
    cloud = make_cloud(scaleSettings=fixed(0))
    pool = cloud.batch.get_pool(POOL)
    pool.auto_scale_run = batch.AutoScaleRun(
        timestamp=NOW, error=batch.AutoScaleRunError(code="Bad", message="no such variable")
    )
    assert list(alarms(pool, [])) == [
        "the pool's formula fails: Bad no such variable; run `pulumi up`"
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
        said.extend(each.message for each in news if isinstance(each, Notice))
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
            "2 nodes are on their way (creating, starting): that takes minutes",
        ),
        (pool(targetDedicatedNodes=2), [node("running")], "the pool is growing to 2 nodes"),
        (pool(targetLowPriorityNodes=1), [node("running")], "all nodes are busy with other jobs"),
        (pool(enableAutoScale=True), [], "the pool is at zero; its formula is evaluated every 5"),
        (pool(), [], "the pool has a fixed size of 0"),
        (pool(), [node("Offline")], "node tvmps_1: the node takes no tasks"),
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
    assert why_nothing_runs(found, nodes, 5, NOW).startswith(said)


@pytest.mark.parametrize(("minutes_ago", "said"), [(1, "about 4 min"), (9, "about 0 min")])
def test_the_next_look_of_autoscale_is_counted_from_the_last(minutes_ago: int, said: str) -> None:
    last = {"timestamp": (NOW - timedelta(minutes=minutes_ago)).isoformat()}
    found = pool(enableAutoScale=True, autoScaleRun=last)
    assert said in why_nothing_runs(found, [], 5, NOW)


def test_long_ids_of_nodes_are_shortened() -> None:
    name = "tvmps_" + "0123456789abcdef" * 4 + "_d"
    assert short(name) == "tvmps_0123…9abcdef_d"[:11] + name[-8:]
