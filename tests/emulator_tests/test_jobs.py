"""Jobs and their tasks, through the client."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from tests.emulator import Emulator, VirtualTasks
from tests.emulator_tests.conftest import (
    add_pool,
    code_of,
    ended,
    eventually,
    key_client,
    run,
    shell,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

POOL = models.BatchPoolInfo(pool_id="pool")


def task(
    name: str = "task", command: str = "sleep 60", **options: Any
) -> models.BatchTaskCreateOptions:
    return models.BatchTaskCreateOptions(id=name, command_line=command, **options)


def new_job(client: BatchClient, name: str = "job", **options: Any) -> None:
    client.create_job(models.BatchJobCreateOptions(id=name, pool_info=POOL, **options))


def begin(client: BatchClient, job: str = "job", **options: Any) -> None:
    client.create_task(job, task(**options))
    eventually(lambda: client.get_task(job, "task").state == "running")


def terminate(client: BatchClient, job: str = "job", reason: str = "enough") -> None:
    options: Any = {"terminateReason": reason}
    client.begin_terminate_job(job, options=options, polling_interval=0).wait()


@pytest.fixture
def still() -> Iterator[tuple[Emulator, BatchClient]]:
    """Give an account of virtual tasks whose clock stands still, with a pool of four slots."""
    with Emulator(https=False, speed=0, virtual_tasks=VirtualTasks(seconds=60)) as azure:
        azure.put_pool(
            "pool", taskSlotsPerNode=4, scaleSettings={"fixedScale": {"targetDedicatedNodes": 1}}
        )
        azure.clock.step(1)
        with key_client(azure) as client:
            yield azure, client


def test_an_empty_job_that_is_to_end_itself_ends_at_once(client: BatchClient, pool: str) -> None:
    new_job(client, all_tasks_complete_mode="terminatejob")
    eventually(lambda: client.get_job("job").state == "completed")
    info: Any = client.get_job("job").execution_info
    assert info.termination_reason == "AllTasksComplete"
    with pytest.raises(ResourceExistsError) as caught:
        client.create_task("job", task())
    assert code_of(caught) == "JobCompleted"


def test_a_job_ends_itself_after_its_last_task(client: BatchClient, job: str) -> None:
    client.create_task(job, task("a", "/bin/true"))
    ended(client, job, "a")
    assert client.get_job(job).state == "active"
    end = models.BatchJobUpdateOptions(all_tasks_complete_mode="terminatejob")
    client.update_job(job, end)
    eventually(lambda: client.get_job(job).state == "completed")


def test_a_job_that_is_to_end_itself_waits_for_what_it_has(
    still: tuple[Emulator, BatchClient],
) -> None:
    azure, client = still
    new_job(client)
    client.create_tasks("job", [task(f"t{i}") for i in range(6)])
    end = models.BatchJobUpdateOptions(all_tasks_complete_mode="terminatejob")
    client.update_job("job", end)
    azure.clock.step(61)
    assert client.get_job("job").state == "active"
    azure.clock.step(61)
    assert client.get_job("job").state == "completed"


def test_terminating_kills_what_runs_and_leaves_what_waits(client: BatchClient, job: str) -> None:
    begin(client)
    client.create_task(job, task("waits"))
    terminate(client)
    ended_job: Any = client.get_job(job)
    assert (ended_job.state, ended_job.execution_info.termination_reason) == ("completed", "enough")
    info: Any = client.get_task(job, "task").execution_info
    assert (info.result, info.failure_info.code) == ("failure", "TaskEnded")
    assert client.get_task(job, "waits").state == "active"
    with pytest.raises(ResourceExistsError) as caught:
        terminate(client)
    assert code_of(caught) == "JobCompleted"


@pytest.mark.parametrize(
    ("option", "state", "requeues"),
    [("requeue", "active", 1), ("terminate", "completed", 0)],
)
def test_a_disabled_job_starts_nothing_until_it_is_enabled(
    client: BatchClient, job: str, option: str, state: str, requeues: int
) -> None:
    begin(client)
    client.create_task(job, task("waits"))
    options = models.BatchJobDisableOptions(disable_tasks=option)
    client.begin_disable_job(job, options, polling_interval=0).wait()
    assert client.get_job(job).state == "disabled"
    stopped: Any = client.get_task(job, "task")
    assert (stopped.state, stopped.execution_info.requeue_count) == (state, requeues)
    assert client.get_task(job, "waits").state == "active"
    client.begin_enable_job(job, polling_interval=0).wait()
    eventually(lambda: client.get_job_task_counts(job).task_counts.running == 1)


def test_disabling_can_wait_for_what_runs(still: tuple[Emulator, BatchClient]) -> None:
    azure, client = still
    new_job(client)
    client.create_task("job", task())
    options = models.BatchJobDisableOptions(disable_tasks="wait")
    client.begin_disable_job("job", options, polling_interval=60)
    azure.clock.step(30)
    assert client.get_job("job").state == "disabling"
    azure.clock.step(31)
    assert client.get_job("job").state == "disabled"
    assert client.get_task("job", "task").state == "completed"


def test_a_deleted_job_is_gone_with_its_tasks(client: BatchClient, job: str) -> None:
    begin(client)
    client.begin_delete_job(job, polling_interval=0).wait()
    with pytest.raises(ResourceNotFoundError):
        client.get_job(job)
    (node,) = client.list_nodes("pool")
    eventually(lambda: client.get_node("pool", str(node.id)).state == "idle")


def test_a_job_out_of_time_ends_with_its_tasks(still: tuple[Emulator, BatchClient]) -> None:
    azure, client = still
    new_job(
        client, constraints=models.BatchJobConstraints(max_wall_clock_time=timedelta(seconds=30))
    )
    client.create_task("job", task())
    azure.clock.step(31)
    info: Any = client.get_job("job").execution_info
    assert info.termination_reason == "MaxWallClockTimeExpiry"
    assert client.get_task("job", "task").state == "completed"


def test_put_resets_what_patch_keeps(client: BatchClient, job: str) -> None:
    retries = models.BatchJobConstraints(max_task_retry_count=5)
    client.update_job(job, models.BatchJobUpdateOptions(priority=9, constraints=retries))
    client.update_job(job, models.BatchJobUpdateOptions(priority=10))
    patched: Any = client.get_job(job)
    assert (patched.priority, patched.constraints.max_task_retry_count) == (10, 5)
    client.replace_job(job, models.BatchJob(pool_info=POOL))
    put: Any = client.get_job(job)
    assert (put.priority, put.constraints.max_task_retry_count) == (0, 0)


def test_tasks_inherit_the_jobs_retries(client: BatchClient, pool: str) -> None:
    new_job(client, constraints=models.BatchJobConstraints(max_task_retry_count=5))
    client.create_task("job", task())
    shown: Any = client.get_task("job", "task")
    assert shown.constraints.max_task_retry_count == 5
    fewer = models.BatchTaskConstraints(max_task_retry_count=1)
    client.replace_task("job", "task", models.BatchTask(constraints=fewer))
    replaced: Any = client.get_task("job", "task")
    assert replaced.constraints.max_task_retry_count == 1


def test_the_more_important_job_goes_first(still: tuple[Emulator, BatchClient]) -> None:
    azure, client = still
    new_job(client, "blocker")
    client.create_tasks("blocker", [task(f"b{i}") for i in range(4)])
    new_job(client, "low", priority=-5)
    new_job(client, "high", priority=5)
    for name in ("low", "high"):
        client.create_tasks(name, [task(f"{name}{i}") for i in range(4)])
    azure.clock.step(61)
    running = {
        name: client.get_job_task_counts(name).task_counts.running for name in ("low", "high")
    }
    assert running == {"low": 0, "high": 4}


def test_jobs_of_one_priority_share(still: tuple[Emulator, BatchClient]) -> None:
    azure, client = still
    new_job(client, "blocker")
    client.create_task("blocker", task("b", required_slots=4))
    for name in ("one", "two"):
        new_job(client, name)
        client.create_tasks(name, [task(f"{name}{i}") for i in range(4)])
    azure.clock.step(61)
    running = [client.get_job_task_counts(name).task_counts.running for name in ("one", "two")]
    assert running == [2, 2]


def test_a_task_that_fits_nowhere_lets_others_pass(still: tuple[Emulator, BatchClient]) -> None:
    _, client = still
    new_job(client)
    client.create_task("job", task("large", required_slots=8))
    client.create_task("job", task("small"))
    assert client.get_task("job", "large").state == "active"
    assert client.get_task("job", "small").state == "running"


@pytest.mark.parametrize(("fill", "nodes"), [("spread", 2), ("pack", 1)])
def test_tasks_are_spread_or_packed(fill: str, nodes: int) -> None:
    with Emulator(https=False, speed=0, virtual_tasks=VirtualTasks()) as azure:
        azure.put_pool(
            "pool",
            taskSlotsPerNode=4,
            taskSchedulingPolicy={"nodeFillType": fill},
            scaleSettings={"fixedScale": {"targetDedicatedNodes": 2}},
        )
        azure.clock.step(1)
        with key_client(azure) as client:
            new_job(client)
            client.create_tasks("job", [task("a"), task("b")])
            assert sum(node.state == "running" for node in client.list_nodes("pool")) == nodes


def test_a_task_waits_for_those_it_depends_on(client: BatchClient, pool: str) -> None:
    new_job(client, uses_task_dependencies=True)
    both = models.BatchTaskDependencies(
        task_ids=["good"], task_id_ranges=[models.BatchTaskIdRange(start=1, end=2)]
    )
    client.create_task("job", task("child", "/bin/true", depends_on=both))
    for name in ("good", "1"):
        client.create_task("job", task(name, "/bin/true"))
        ended(client, "job", name)
    assert client.get_task("job", "child").state == "active"
    client.create_task("job", task("2", "/bin/true"))
    ended(client, "job", "child")


@pytest.mark.parametrize(("action", "state"), [("block", "active"), ("satisfy", "completed")])
def test_a_failed_parent_blocks_unless_it_satisfies(
    client: BatchClient, pool: str, action: str, state: str
) -> None:
    new_job(client, uses_task_dependencies=True)
    options = models.ExitOptions(dependency_action=action)
    mapping = models.ExitCodeMapping(code=3, exit_options=options)
    conditions = models.ExitConditions(exit_codes=[mapping])
    after = models.BatchTaskDependencies(task_ids=["parent"])
    client.create_task("job", task("child", "/bin/true", depends_on=after))
    client.create_task("job", task("parent", shell("exit 3"), exit_conditions=conditions))
    ended(client, "job", "parent")
    client.create_task("job", task("later", "/bin/true"))
    ended(client, "job", "later")
    eventually(lambda: client.get_task("job", "child").state == state)


def test_a_failed_task_can_end_its_job(client: BatchClient, pool: str) -> None:
    new_job(client, task_failure_mode="performexitoptionsjobaction")
    client.create_task("job", task(command=shell("exit 1")))
    eventually(lambda: client.get_job("job").state == "completed")
    info: Any = client.get_job("job").execution_info
    assert info.termination_reason == "TaskFailed"


def test_a_failed_task_is_reactivated_and_a_good_one_is_not(client: BatchClient, job: str) -> None:
    run(client, job, shell("exit 1"))
    client.create_task(job, task("good", "/bin/true"))
    ended(client, job, "good")
    client.reactivate_task(job, "task")
    info: Any = ended(client, job, "task").execution_info
    assert (info.exit_code, info.retry_count) == (1, 0)
    with pytest.raises(HttpResponseError) as caught:
        client.reactivate_task(job, "good")
    assert (caught.value.status_code, code_of(caught)) == (409, "TaskSucceeded")
    with pytest.raises(HttpResponseError) as over:
        client.terminate_task(job, "good")
    assert code_of(over) == "TaskCompleted"


def test_an_active_task_ends_without_ever_running(client: BatchClient, job: str) -> None:
    begin(client)
    client.create_task(job, task("waits"))
    client.terminate_task(job, "waits")
    info: Any = client.get_task(job, "waits").execution_info
    assert (info.exit_code, info.start_time, info.failure_info.code) == (None, None, "TaskEnded")


def test_a_deleted_task_is_gone_and_its_id_is_free(client: BatchClient, job: str) -> None:
    begin(client)
    client.delete_task(job, "task")
    with pytest.raises(ResourceNotFoundError):
        client.get_task(job, "task")
    begin(client)


def test_files_are_kept_for_the_retention_time(
    plain: Emulator, client: BatchClient, job: str
) -> None:
    run(
        client,
        job,
        "/bin/true",
        constraints=models.BatchTaskConstraints(retention_time=timedelta(hours=1)),
    )
    assert list(client.list_task_files(job, "task"))
    plain.clock.step(minutes=61)
    with pytest.raises(HttpResponseError) as caught:
        list(client.list_task_files(job, "task"))
    assert (caught.value.status_code, code_of(caught)) == (409, "TaskFilesCleanedup")


def test_a_jobs_preparation_runs_once_a_node_and_its_release_at_the_end(
    plain: Emulator, client: BatchClient
) -> None:
    add_pool(plain, client)
    new_job(
        client,
        job_preparation_task=models.BatchJobPreparationTask(
            command_line=shell("echo prepared >> $AZ_BATCH_NODE_SHARED_DIR/log")
        ),
        job_release_task=models.BatchJobReleaseTask(
            command_line=shell("sleep 0.2; echo released >> $AZ_BATCH_NODE_SHARED_DIR/log")
        ),
    )
    command = shell("test -d $AZ_BATCH_JOB_PREP_DIR && echo task >> $AZ_BATCH_NODE_SHARED_DIR/log")
    for name in ("a", "b"):
        client.create_task("job", task(name, command))
        assert ended(client, "job", name).execution_info.exit_code == 0
    terminate(client)
    (node,) = client.list_nodes("pool")
    log = b"".join(client.download_node_file("pool", str(node.id), "shared/log"))
    assert log.decode().split() == ["prepared", "task", "task", "released"]


def test_an_automatic_pool_comes_and_goes_with_its_job(client: BatchClient) -> None:
    specification = models.BatchPoolSpecification(
        vm_size="standard_d2s_v5",
        target_dedicated_nodes=1,
        virtual_machine_configuration=models.VirtualMachineConfiguration(
            image_reference=models.BatchVmImageReference(publisher="canonical"),
            node_agent_sku_id="batch.node.ubuntu 24.04",
        ),
    )
    automatic = models.BatchAutoPoolSpecification(
        auto_pool_id_prefix="media", pool_lifetime_option="job", pool=specification
    )
    info = models.BatchPoolInfo(auto_pool_specification=automatic)
    client.create_job(models.BatchJobCreateOptions(id="job", pool_info=info))
    run(client, "job", "/bin/true")
    execution: Any = client.get_job("job").execution_info
    assert client.get_pool(execution.pool_id).state == "active"
    terminate(client)
    eventually(lambda: not list(client.list_pools()))


def test_a_job_may_wait_for_a_pool_that_is_still_to_come(
    plain: Emulator, client: BatchClient
) -> None:
    new_job(client)
    client.create_task("job", task(command="/bin/true"))
    add_pool_later = {"fixedScale": {"targetDedicatedNodes": 1}}
    plain.put_pool("pool", scaleSettings=add_pool_later)
    ended(client, "job", "task")


def test_jobs_are_listed_by_state(client: BatchClient, job: str) -> None:
    new_job(client, "other", all_tasks_complete_mode="terminatejob")
    eventually(lambda: client.get_job("other").state == "completed")
    assert [j.id for j in client.list_jobs(filter="state eq 'active'")] == [job]
    assert [j.id for j in client.list_jobs(select=["id"])] == [job, "other"]
