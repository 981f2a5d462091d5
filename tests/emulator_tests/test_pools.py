"""Pools and nodes, through the client and from outside."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from tests.emulator import BatchError, Emulator, Fault, Settings, Timings, VirtualTasks
from tests.emulator_tests.conftest import (
    IDENTITY,
    add_pool,
    code_of,
    ended,
    eventually,
    key_client,
    shell,
)

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = models.VirtualMachineConfiguration(
    image_reference=models.BatchVmImageReference(
        publisher="canonical", offer="ubuntu-24_04-lts", sku="server"
    ),
    node_agent_sku_id="batch.node.ubuntu 24.04",
)


def new_pool(**options: Any) -> models.BatchPoolCreateOptions:
    return models.BatchPoolCreateOptions(
        id="pool", vm_size="STANDARD_D2S_V5", virtual_machine_configuration=MACHINE, **options
    )


def states(client: BatchClient) -> Counter[str]:
    return Counter(
        str(getattr(node.state, "value", node.state)) for node in client.list_nodes("pool")
    )


def is_steady(client: BatchClient) -> bool:
    return client.get_pool("pool").allocation_state == "steady"


def begin_task(client: BatchClient, command: str = "sleep 60", **constraints: Any) -> None:
    """Start the task "task" in the job "job", and wait until it runs."""
    info = models.BatchPoolInfo(pool_id="pool")
    client.create_job(models.BatchJobCreateOptions(id="job", pool_info=info))
    client.create_task("job", models.BatchTaskCreateOptions(id="task", command_line=command))
    eventually(lambda: client.get_task("job", "task").state == "running")


def test_a_new_pool_is_resizing_even_towards_nothing(client: BatchClient) -> None:
    client.create_pool(new_pool())
    assert client.get_pool("pool").allocation_state == "resizing"
    eventually(lambda: is_steady(client))
    assert states(client) == {}


def test_a_pool_lives_through_its_whole_life(client: BatchClient) -> None:
    client.create_pool(new_pool(target_dedicated_nodes=2))
    eventually(lambda: states(client) == {"idle": 2})
    client.begin_resize_pool(
        "pool",
        models.BatchPoolResizeOptions(target_dedicated_nodes=1, target_low_priority_nodes=2),
        polling_interval=0,
    ).result()
    eventually(lambda: states(client) == {"idle": 3})
    pool = client.get_pool("pool")
    assert (pool.current_dedicated_nodes, pool.current_low_priority_nodes) == (1, 2)
    assert client.pool_exists("pool")
    assert [p.id for p in client.list_pools(filter="state eq 'active'")] == ["pool"]
    client.begin_delete_pool("pool", polling_interval=0).result()
    with pytest.raises(ResourceNotFoundError):
        client.get_pool("pool")


def test_a_pool_is_changed_by_patch_and_by_replacement(client: BatchClient, pool: str) -> None:
    task = models.BatchStartTask(command_line="/bin/true")
    client.update_pool(pool, models.BatchPoolUpdateOptions(start_task=task))
    changed = client.get_pool(pool).start_task
    assert changed is not None
    assert (changed.command_line, changed.wait_for_success) == ("/bin/true", True)
    client.replace_pool_properties(
        pool,
        models.BatchPoolReplaceOptions(
            application_package_references=[],
            metadata=[models.BatchMetadataItem(name="owner", value="media")],
        ),
    )
    replaced = client.get_pool(pool)
    assert replaced.start_task is None
    assert replaced.metadata
    with pytest.raises(HttpResponseError) as caught:
        client.update_pool(pool, models.BatchPoolUpdateOptions(task_slots_per_node=4))
    assert code_of(caught) == "OperationNotValidOnPool"


def test_one_resize_at_a_time(plain: Emulator, client: BatchClient) -> None:
    plain.clock.speed = 0
    client.create_pool(new_pool(target_dedicated_nodes=1))
    options = models.BatchPoolResizeOptions(target_dedicated_nodes=3)
    with pytest.raises(HttpResponseError) as caught:
        client.begin_resize_pool("pool", options)
    assert (caught.value.status_code, code_of(caught)) == (409, "PoolBeingResized")


def test_a_stopped_resize_leaves_an_error(plain: Emulator, client: BatchClient) -> None:
    plain.clock.speed = 0
    client.create_pool(new_pool(target_dedicated_nodes=1))
    poller = client.begin_stop_pool_resize("pool", polling_interval=0)
    assert client.get_pool("pool").allocation_state == "stopping"
    plain.clock.step(1)
    poller.wait()
    pool = client.get_pool("pool")
    assert [error.code for error in pool.resize_errors or ()] == ["ResizeStopped"]
    assert (pool.current_dedicated_nodes, pool.target_dedicated_nodes) == (0, 1)


@pytest.mark.parametrize("code", ["AccountLowPriorityCoreQuotaReached", "AllocationFailed"])
def test_a_resize_can_be_made_to_fail(plain: Emulator, client: BatchClient, code: str) -> None:
    plain.faults.add(Fault("resize", code=code))
    client.create_pool(new_pool(target_low_priority_nodes=2))
    eventually(lambda: is_steady(client))
    assert [error.code for error in client.get_pool("pool").resize_errors or ()] == [code]
    client.begin_resize_pool("pool", models.BatchPoolResizeOptions(target_low_priority_nodes=2))
    eventually(lambda: states(client) == {"idle": 2})
    assert not client.get_pool("pool").resize_errors


def test_a_resize_can_time_out(plain: Emulator, client: BatchClient) -> None:
    plain.faults.add(Fault("resize", code="AllocationTimedOut"))
    client.create_pool(new_pool(target_dedicated_nodes=1, resize_timeout=timedelta(minutes=5)))
    plain.clock.step(minutes=4)
    assert not is_steady(client)
    plain.clock.step(minutes=1)
    assert [e.code for e in client.get_pool("pool").resize_errors or ()] == ["AllocationTimedOut"]


def test_a_pool_is_no_larger_than_this_machine_bears() -> None:
    settings = Settings(nodes_at_most=2)
    with Emulator(https=False, settings=settings) as azure, key_client(azure) as client:
        client.create_pool(new_pool(target_dedicated_nodes=5))
        eventually(lambda: states(client) == {"idle": 2})
        errors = client.get_pool("pool").resize_errors or ()
        assert [error.code for error in errors] == ["AccountCoreQuotaReached"]


@pytest.mark.parametrize(
    ("option", "state", "requeues"), [("requeue", "active", 1), ("terminate", "completed", 0)]
)
def test_removed_nodes_give_up_their_tasks(
    client: BatchClient, pool: str, option: str, state: str, requeues: int
) -> None:
    begin_task(client)
    (node,) = client.list_nodes(pool)
    options = models.BatchNodeRemoveOptions(
        node_ids=[str(node.id)], node_deallocation_option=option
    )
    client.begin_remove_nodes(pool, options, polling_interval=0).result()
    task: Any = client.get_task("job", "task")
    assert (task.state, task.execution_info.requeue_count) == (state, requeues)
    assert task.execution_info.retry_count == 0
    assert client.get_pool(pool).target_dedicated_nodes == 0


def test_a_node_can_leave_when_its_tasks_have_ended(
    client: BatchClient, pool: str, tmp_path: Path
) -> None:
    begin_task(client, shell(f"while test ! -e {tmp_path}/go; do sleep 0.01; done"))
    options = models.BatchPoolResizeOptions(
        target_dedicated_nodes=0, node_deallocation_option="taskcompletion"
    )
    poller = client.begin_resize_pool(pool, options, polling_interval=0)
    assert client.get_task("job", "task").state == "running"
    (tmp_path / "go").touch()
    poller.wait()
    task: Any = client.get_task("job", "task")
    assert (task.state, task.execution_info.result) == ("completed", "success")
    assert states(client) == {}


def test_the_job_of_a_deleted_pool_waits_for_another(client: BatchClient, pool: str) -> None:
    begin_task(client)
    client.begin_delete_pool(pool, polling_interval=0).result()
    assert client.get_task("job", "task").state == "active"
    client.create_pool(new_pool(target_dedicated_nodes=1))
    eventually(lambda: client.get_task("job", "task").state == "running")


def test_a_start_task_prepares_the_node_before_any_task(
    plain: Emulator, client: BatchClient, tmp_path: Path
) -> None:
    (tmp_path / "apt-get").write_text("#!/bin/sh\necho $AZ_BATCH_NODE_STARTUP_DIR > ../said\n")
    (tmp_path / "apt-get").chmod(0o755)
    with Emulator(https=False, node_path=[tmp_path]) as azure, key_client(azure) as other:
        task = {
            "commandLine": "apt-get install ffmpeg",
            "userIdentity": {"autoUser": {"elevationLevel": "Admin", "scope": "Pool"}},
        }
        add_pool(azure, other, startTask=task)
        (node,) = other.list_nodes("pool")
        info: Any = node.start_task_info
        assert (info.state, info.exit_code, info.result) == ("completed", 0, "success")
        said = b"".join(other.download_node_file("pool", str(node.id), "startup/said"))
        assert said.decode().endswith("/startup\n")
        shown: Any = other.get_pool("pool").start_task
        assert shown.user_identity.auto_user.elevation_level == "admin"


@pytest.mark.parametrize(("wait", "state"), [(True, "starttaskfailed"), (False, "idle")])
def test_a_failing_start_task_bars_the_node_only_if_it_is_waited_for(
    plain: Emulator, client: BatchClient, wait: bool, state: str
) -> None:
    command = shell("echo x >> tries; exit 9")
    task = {"commandLine": command, "waitForSuccess": wait, "maxTaskRetryCount": 1}
    plain.put_pool(
        "pool", scaleSettings={"fixedScale": {"targetDedicatedNodes": 1}}, startTask=task
    )
    eventually(lambda: states(client) == {state: 1})
    eventually(lambda: node_info(client).state == "completed")
    info = node_info(client)
    assert (info.exit_code, info.retry_count, info.result) == (9, 1, "failure")
    (count,) = client.list_pool_node_counts(filter="poolId eq 'pool'")
    dedicated: Any = count.dedicated
    assert (dedicated.start_task_failed, dedicated.total) == (int(wait), 1)


def node_info(client: BatchClient) -> Any:
    (node,) = client.list_nodes("pool")
    return node.start_task_info


def test_a_start_task_can_be_made_to_fail(plain: Emulator, client: BatchClient) -> None:
    plain.faults.add(Fault("start_task", exit_code=100))
    plain.put_pool(
        "pool",
        scaleSettings={"fixedScale": {"targetDedicatedNodes": 1}},
        startTask={"commandLine": "/bin/true"},
    )
    eventually(lambda: states(client) == {"starttaskfailed": 1})
    (node,) = client.list_nodes("pool")
    # the client's option classes cannot be had, and it sends nothing without one
    options: Any = {"nodeRebootOption": "requeue"}
    client.begin_reboot_node("pool", str(node.id), options=options, polling_interval=0).wait()
    eventually(lambda: states(client) == {"idle": 1})


def test_a_preempted_spot_node_comes_back_under_its_name(
    plain: Emulator, client: BatchClient
) -> None:
    scale = {"fixedScale": {"targetLowPriorityNodes": 1}}
    plain.put_pool("pool", scaleSettings=scale)
    eventually(lambda: states(client) == {"idle": 1})
    begin_task(client)
    (node,) = client.list_nodes("pool")
    assert str(node.id).endswith("_p")
    plain.preempt("pool", str(node.id))
    task: Any = client.get_task("job", "task")
    assert (task.state, task.execution_info.retry_count) == ("active", 0)
    assert task.execution_info.requeue_count == 0  # nobody's wish
    assert states(client) == {"preempted": 1}
    assert client.get_pool("pool").current_low_priority_nodes == 1
    plain.restore("pool", str(node.id))
    eventually(lambda: client.get_task("job", "task").state == "running")
    assert [n.id for n in client.list_nodes("pool")] == [node.id]


def test_what_runs_on_a_lost_node_runs_elsewhere(plain: Emulator, client: BatchClient) -> None:
    add_pool(plain, client, nodes=2)
    begin_task(client)
    node = client.get_task("job", "task").node_info
    assert node is not None
    plain.lose("pool", str(node.node_id))
    eventually(lambda: client.get_task("job", "task").state == "running")
    other = client.get_task("job", "task").node_info
    assert other is not None
    assert other.node_id != node.node_id
    assert states(client) == {"unknown": 1, "running": 1}


def test_a_node_lost_while_it_boots_stays_lost() -> None:
    with Emulator(https=False, speed=0) as azure, key_client(azure) as client:
        azure.put_pool("pool", scaleSettings={"fixedScale": {"targetDedicatedNodes": 1}})
        azure.clock.step(0.05)
        assert states(client) == {"creating": 1}
        azure.lose("pool", azure.nodes("pool")[0]["id"])
        azure.clock.step(60)
        assert states(client) == {"unknown": 1}


def test_a_node_that_finishes_its_tasks_before_it_rests_takes_no_new_ones() -> None:
    virtual = VirtualTasks(seconds=60)
    with (
        Emulator(https=False, speed=0, virtual_tasks=virtual) as azure,
        key_client(azure) as client,
    ):
        scale = {"fixedScale": {"targetDedicatedNodes": 1}}
        azure.put_pool("pool", taskSlotsPerNode=2, scaleSettings=scale)
        azure.clock.step(1)
        begin_task(client)
        options: Any = {"nodeDisableSchedulingOption": "taskcompletion"}
        client.disable_node_scheduling("pool", azure.nodes("pool")[0]["id"], options=options)
        client.create_task("job", models.BatchTaskCreateOptions(id="new", command_line="x"))
        assert (states(client), client.get_task("job", "new").state) == ({"running": 1}, "active")
        azure.clock.step(61)
        assert (states(client), client.get_task("job", "new").state) == ({"offline": 1}, "active")


def test_an_unusable_node_says_why_and_takes_nothing(plain: Emulator, client: BatchClient) -> None:
    plain.faults.add(Fault("unusable", code="DiskFull"))
    client.create_pool(new_pool(target_dedicated_nodes=1))
    eventually(lambda: states(client) == {"unusable": 1})
    (node,) = client.list_nodes("pool")
    assert [error.code for error in node.errors or ()] == ["DiskFull"]


def test_scheduling_is_disabled_and_enabled(client: BatchClient, pool: str) -> None:
    (node,) = client.list_nodes(pool)
    name = str(node.id)
    options: Any = {"nodeDisableSchedulingOption": "requeue"}
    client.disable_node_scheduling(pool, name, options=options)
    off = client.get_node(pool, name)
    assert (off.state, off.scheduling_state) == ("offline", "disabled")
    with pytest.raises(HttpResponseError) as caught:
        client.disable_node_scheduling(pool, name, options=options)
    assert code_of(caught) == "NodeAlreadyInTargetSchedulingState"
    client.enable_node_scheduling(pool, name)
    assert client.get_node(pool, name).state == "idle"


def test_a_node_is_deallocated_and_started_again(client: BatchClient, pool: str) -> None:
    (node,) = client.list_nodes(pool)
    options: Any = {"nodeDeallocateOption": "requeue"}
    client.begin_deallocate_node(pool, str(node.id), options=options, polling_interval=0).wait()
    assert states(client) == {"deallocated": 1}
    client.begin_start_node(pool, str(node.id), polling_interval=0).wait()
    eventually(lambda: states(client) == {"idle": 1})


def test_reimaging_is_refused_as_recorded(client: BatchClient, pool: str) -> None:
    (node,) = client.list_nodes(pool)
    options: Any = {"nodeReimageOption": "requeue"}
    with pytest.raises(HttpResponseError) as caught:
        client.begin_reimage_node(pool, str(node.id), options=options)
    assert (caught.value.status_code, code_of(caught)) == (409, "OperationNotValidOnNode")


def test_files_go_with_their_node(client: BatchClient, pool: str) -> None:
    info = models.BatchPoolInfo(pool_id=pool)
    client.create_job(models.BatchJobCreateOptions(id="job", pool_info=info))
    client.create_task("job", models.BatchTaskCreateOptions(id="task", command_line="/bin/true"))
    ended(client, "job", "task")
    resize = models.BatchPoolResizeOptions(target_dedicated_nodes=0)
    client.begin_resize_pool(pool, resize, polling_interval=0).result()
    with pytest.raises(HttpResponseError) as caught:
        list(client.list_task_files("job", "task"))
    assert (caught.value.status_code, code_of(caught)) == (409, "TaskFilesUnavailable")


def test_arms_pool_has_an_identity_that_the_data_plane_shows(
    plain: Emulator, client: BatchClient
) -> None:
    resource = {
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {IDENTITY: {}}},
        "properties": {
            "vmSize": "STANDARD_D4S_V5",
            "taskSlotsPerNode": 4,
            "taskSchedulingPolicy": {"nodeFillType": "Pack"},
            "deploymentConfiguration": {
                "virtualMachineConfiguration": {
                    "imageReference": {"publisher": "canonical"},
                    "nodeAgentSkuId": "batch.node.ubuntu 24.04",
                }
            },
            "scaleSettings": {"fixedScale": {"targetDedicatedNodes": 1}},
        },
    }
    plain.put_pool("pool", resource)
    pool: Any = client.get_pool("pool")
    assert [each.resource_id for each in pool.identity.user_assigned_identities] == [IDENTITY]
    assert pool.virtual_machine_configuration.node_agent_sku_id == "batch.node.ubuntu 24.04"
    assert (pool.task_slots_per_node, pool.task_scheduling_policy.node_fill_type) == (4, "pack")
    eventually(lambda: states(client) == {"idle": 1})
    resource["properties"]["scaleSettings"] = {"fixedScale": {"targetDedicatedNodes": 2}}  # type: ignore[index]  # a dict of dicts
    plain.put_pool("pool", resource)
    eventually(lambda: states(client) == {"idle": 2})
    plain.delete_pool("pool")
    eventually(lambda: not list(client.list_pools()))


def test_images_are_listed_with_their_end(client: BatchClient) -> None:
    images = list(
        client.list_supported_images(filter="verificationType eq 'verified' and osType eq 'linux'")
    )
    assert {image.node_agent_sku_id for image in images} == {
        "batch.node.ubuntu 22.04",
        "batch.node.ubuntu 24.04",
    }
    assert any(image.batch_support_end_of_life for image in images)


def test_slow_timings_show_every_state_on_the_way() -> None:
    settings = Settings(timings=Timings(allocation=60, creating=120, starting=60))
    with Emulator(https=False, settings=settings, speed=0) as azure, key_client(azure) as client:
        client.create_pool(new_pool(target_dedicated_nodes=1))
        seen = []
        for minutes in (0, 1, 2, 1):
            azure.clock.step(minutes=minutes)
            seen.append((client.get_pool("pool").allocation_state, dict(states(client))))
        assert seen == [
            ("resizing", {}),
            ("steady", {"creating": 1}),
            ("steady", {"starting": 1}),
            ("steady", {"idle": 1}),
        ]


def test_a_dedicated_node_is_never_preempted(plain: Emulator, client: BatchClient) -> None:
    add_pool(plain, client)
    (node,) = client.list_nodes("pool")
    with pytest.raises(BatchError):
        plain.preempt("pool", str(node.id))


FORMULA = """
pending = max(0, $PendingTasks.GetSample(1));
$TargetLowPriorityNodes = min(3, pending);
$NodeDeallocationOption = taskcompletion;
"""


def autoscaled(azure: Emulator, formula: str = FORMULA) -> None:
    azure.put_pool(
        "pool", scaleSettings={"autoScale": {"formula": formula, "evaluationInterval": "PT5M"}}
    )


def test_a_formula_makes_nodes_for_tasks_and_takes_them_away() -> None:
    with Emulator(https=False, speed=0) as azure, key_client(azure) as client:
        autoscaled(azure)
        assert states(client) == {}
        info = models.BatchPoolInfo(pool_id="pool")
        client.create_job(models.BatchJobCreateOptions(id="job", pool_info=info))
        for name in ("a", "b"):
            client.create_task(
                "job", models.BatchTaskCreateOptions(id=name, command_line="/bin/true")
            )
        azure.clock.step(minutes=4.5)
        assert states(client) == {}
        azure.clock.step(minutes=1)
        eventually(lambda: client.get_job_task_counts("job").task_counts.completed == 2)
        run: Any = client.get_pool("pool").auto_scale_run
        assert run.results.startswith("$TargetDedicatedNodes=0;$TargetLowPriorityNodes=2;")
        azure.clock.step(minutes=5)
        azure.clock.step(1)
        assert states(client) == {}


def test_a_formula_in_error_is_told_and_changes_nothing(
    plain: Emulator, client: BatchClient
) -> None:
    autoscaled(plain, "$TargetDedicatedNodes = $CPUPercent.GetSample(TimeInterval_Minute, 70);")
    run: Any = client.get_pool("pool").auto_scale_run
    assert run.error.code == "InsufficientSampleData"
    assert run.results == (
        "$TargetDedicatedNodes=0;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue"
    )


def test_autoscale_is_switched_on_evaluated_and_off(
    plain: Emulator, client: BatchClient, pool: str
) -> None:
    evaluated = models.BatchPoolEvaluateAutoScaleOptions(
        auto_scale_formula="$TargetDedicatedNodes = 3;"
    )
    with pytest.raises(HttpResponseError) as off:
        client.evaluate_pool_auto_scale(pool, evaluated)
    assert off.value.status_code == 409
    enabled = models.BatchPoolEnableAutoScaleOptions(
        auto_scale_formula="$TargetDedicatedNodes = 1;",
        auto_scale_evaluation_interval=timedelta(minutes=6),
    )
    client.enable_pool_auto_scale(pool, enabled)
    with pytest.raises(HttpResponseError) as soon:
        client.enable_pool_auto_scale(pool, enabled)
    assert code_of(soon) == "TooManyEnableAutoScaleRequests"
    assert client.evaluate_pool_auto_scale(pool, evaluated).results == (
        "$TargetDedicatedNodes=3;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue"
    )
    useless = models.BatchPoolEvaluateAutoScaleOptions(auto_scale_formula="$something_useless")
    error: Any = client.evaluate_pool_auto_scale(pool, useless).error
    assert error.code == "AutoScalingFormulaEvaluationError"
    with pytest.raises(HttpResponseError) as resize:
        client.begin_resize_pool(pool, models.BatchPoolResizeOptions(target_dedicated_nodes=2))
    assert resize.value.status_code == 409
    client.disable_pool_auto_scale(pool)
    assert client.get_pool(pool).enable_auto_scale is False


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"auto_scale_formula": "a = ;"}, "AutoScalingFormulaSyntaxError"),
        (
            {
                "auto_scale_formula": "a = 1;",
                "auto_scale_evaluation_interval": timedelta(minutes=4),
            },
            "InvalidPropertyValue",
        ),
    ],
)
def test_a_formula_that_cannot_be_is_refused(
    client: BatchClient, options: dict[str, Any], code: str
) -> None:
    with pytest.raises(HttpResponseError) as caught:
        client.create_pool(new_pool(enable_auto_scale=True, **options))
    assert (caught.value.status_code, code_of(caught)) == (400, code)
