"""The emulator misbehaves on demand, and only then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError

from tests.emulator import Emulator, Fault
from tests.emulator_tests.conftest import code_of, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator


def tasks(count: int) -> list[models.BatchTaskCreateOptions]:
    return [
        models.BatchTaskCreateOptions(id=f"t{i}", command_line="/bin/true") for i in range(count)
    ]


def headers_of(caught: pytest.ExceptionInfo[HttpResponseError]) -> Any:
    response: Any = caught.value.response
    return response.headers


@pytest.mark.parametrize(("status", "code"), [(429, "TooManyRequests"), (503, "ServerBusy")])
def test_an_operation_answers_a_status_so_many_times(
    plain: Emulator, client: BatchClient, pool: str, status: int, code: str
) -> None:
    fault = Fault("status", operation="get_pool", status=status, retry_after=7, times=2)
    plain.faults.add(fault)
    for _ in range(2):
        with pytest.raises(HttpResponseError) as caught:
            client.get_pool(pool)
        assert (caught.value.status_code, code_of(caught)) == (status, code)
        assert headers_of(caught)["Retry-After"] == "7"
    client.get_pool(pool)
    assert plain.faults.pending == ()


def test_without_retry_after_there_is_no_such_header(plain: Emulator, client: BatchClient) -> None:
    plain.faults.add(Fault("status", status=500))
    with pytest.raises(HttpResponseError) as caught:
        list(client.list_jobs())
    assert "Retry-After" not in headers_of(caught)


def test_the_client_gets_over_what_it_retries(plain: Emulator, pool: str) -> None:
    from azure.core.credentials import AzureNamedKeyCredential  # noqa: PLC0415

    key = AzureNamedKeyCredential(plain.account, plain.key)
    plain.faults.add(Fault("status", operation="get_pool", status=503, times=3))
    with BatchClient(plain.endpoint, key, retry_backoff_factor=0.01) as client:
        client.get_pool(pool)
    assert [seen.operation for seen in plain.requests][-4:] == ["get_pool"] * 4


def test_a_fault_can_be_a_matter_of_chance(plain: Emulator, client: BatchClient) -> None:
    plain.faults.add(Fault("status", rate=0.5, times=None))
    failed = 0
    for _ in range(60):
        try:
            list(client.list_jobs())
        except HttpResponseError:
            failed += 1
    assert 10 < failed < 50


@pytest.mark.parametrize(("kind", "is_there"), [("reset_before", False), ("reset_after", True)])
def test_a_connection_breaks_before_or_after_the_work(
    plain: Emulator, client: BatchClient, pool: str, kind: Any, is_there: bool
) -> None:
    plain.faults.add(Fault(kind, operation="create_job"))
    info = models.BatchPoolInfo(pool_id=pool)
    with pytest.raises((ServiceRequestError, ServiceResponseError)):
        client.create_job(models.BatchJobCreateOptions(id="job", pool_info=info))
    assert bool(list(client.list_jobs())) is is_there
    assert [seen.status for seen in plain.requests if seen.operation == "create_job"] == [0]


def test_an_answer_can_be_slow(plain: Emulator, client: BatchClient) -> None:
    plain.faults.add(Fault("slow", operation="list_jobs", seconds=0.3))
    start = time.monotonic()
    list(client.list_jobs())
    assert time.monotonic() - start > 0.3


def test_results_of_a_collection_come_in_another_order(
    plain: Emulator, client: BatchClient, job: str
) -> None:
    plain.faults.add(Fault("shuffle"))
    result = client.create_task_collection(job, models.BatchTaskGroup(task_values=tasks(50)))
    names = [value.task_id for value in result.result_values or ()]
    assert names != [f"t{i}" for i in range(50)]
    assert sorted(names) == sorted(f"t{i}" for i in range(50))


@pytest.mark.parametrize(("status", "said"), [(400, "clienterror"), (503, "servererror")])
def test_single_tasks_of_a_collection_fail(
    plain: Emulator, client: BatchClient, job: str, status: int, said: str
) -> None:
    plain.faults.add(Fault("add_task", operation="t1", status=status))
    result = client.create_task_collection(job, models.BatchTaskGroup(task_values=tasks(3)))
    statuses = {value.task_id: value.status for value in result.result_values or ()}
    assert statuses == {"t0": "success", "t1": said, "t2": "success"}
    assert {task.id for task in client.list_tasks(job)} == {"t0", "t2"}


def test_the_casing_of_enums_is_a_switch(plain: Emulator, client: BatchClient, job: str) -> None:
    """The client's own loop takes "ClientError" for success: the silent loss."""
    plain.faults.add(Fault("pascal_case", operation="create_task_collection"))
    plain.faults.add(Fault("add_task", operation="t1", status=400, code="InvalidPropertyValue"))
    result: Any = client.create_tasks(job, tasks(2))
    values = getattr(result, "result_values", None) or result.values_property
    assert {value.task_id: value.status for value in values} == {
        "t0": "Success",
        "t1": "ClientError",
    }
    assert [task.id for task in client.list_tasks(job)] == ["t0"]


def test_counts_can_lag(plain: Emulator, client: BatchClient, job: str) -> None:
    plain.faults.add(Fault("counts_lag", operation=job, seconds=3600))
    assert client.get_job_task_counts(job).task_counts.completed == 0
    client.create_tasks(job, tasks(2))
    eventually(lambda: len(list(client.list_tasks(job, filter="state eq 'completed'"))) == 2)
    assert client.get_job_task_counts(job).task_counts.completed == 0
    plain.clock.step(3600)
    assert client.get_job_task_counts(job).task_counts.completed == 2


@pytest.fixture
def side(plain: Emulator) -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def test_everything_can_be_asked_for_over_http(
    plain: Emulator, client: BatchClient, side: requests.Session
) -> None:
    door = f"{plain.endpoint}/_emulator"
    pool = {
        "identity": {"userAssignedIdentities": {"/ids/node": {}}},
        "vmSize": "STANDARD_D2S_V5",
        "scaleSettings": {"fixedScale": {"targetLowPriorityNodes": 1}},
    }
    assert side.put(f"{door}/pools/pool", json=pool, timeout=60).json()["id"] == "pool"
    role = {"identity": "/ids/node", "role": "Storage Blob Data Reader", "container": "in"}
    assert side.post(f"{door}/roles", json=role, timeout=60).status_code == 204
    assert plain.roles.allows("/IDS/node", "in", write=False)
    assert not plain.roles.allows("/ids/node", "in", write=True)
    fault = {"kind": "status", "operation": "get_pool", "status": 500}
    assert side.post(f"{door}/faults", json=fault, timeout=60).status_code == 204
    assert side.get(f"{door}/faults", timeout=60).json()["value"][0]["operation"] == "get_pool"
    assert side.delete(f"{door}/faults", timeout=60).status_code == 204
    assert side.post(f"{door}/faults", json={"kind": "no"}, timeout=60).status_code == 400
    clock = side.post(f"{door}/clock", json={"step": 60, "speed": 2}, timeout=60).json()
    assert clock["speed"] == 2
    eventually(lambda: [node.state for node in client.list_nodes("pool")] == ["idle"])
    (node,) = client.list_nodes("pool")
    event = f"{door}/pools/pool/nodes/{node.id}/preempt"
    assert side.post(event, timeout=60).status_code == 204
    assert [node.state for node in client.list_nodes("pool")] == ["preempted"]
    assert side.get(door, timeout=60).json()["pools"] == ["pool"]
    assert side.delete(f"{door}/pools/pool", timeout=60).status_code == 202


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "pools/pool", {}),
        ("PUT", "pools/pool", []),
        (
            "PUT",
            "pools/pool",
            {"vmSize": "standard_d2s_v5", "scaleSettings": {"autoScale": {"formula": "a = ;"}}},
        ),
        ("POST", "roles", {"identity": "x"}),
        ("POST", "roles", {"identity": "x", "role": "king"}),
        ("DELETE", "roles", {}),
        ("POST", "faults", {"kind": "status", "what": 1}),
        ("POST", "clock", {"speed": "fast"}),
    ],
)
def test_the_control_api_refuses_what_it_does_not_understand(
    plain: Emulator, side: requests.Session, method: str, path: str, body: Any
) -> None:
    answer = side.request(method, f"{plain.endpoint}/_emulator/{path}", json=body, timeout=60)
    assert answer.status_code == 400


def test_what_was_sent_is_remembered(plain: Emulator, client: BatchClient, pool: str) -> None:
    plain.forget_requests()
    client.get_pool(pool)
    (seen,) = plain.requests
    assert (seen.operation, seen.method, seen.status) == ("get_pool", "GET", 200)
    assert seen.target == f"/pools/{pool}?api-version=2025-06-01"
    assert seen.headers["authorization"].startswith("SharedKey ")
