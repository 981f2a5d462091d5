"""What goes over the wire is what was recorded of the service: bodies, headers, oddities."""

from __future__ import annotations

import gc
import re
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import requests
from azure.batch import BatchClient, models

from tests.emulator import Emulator, Fault
from tests.emulator.auth import token
from tests.emulator.times import etag, parse_timestamp
from tests.emulator_tests.conftest import eventually, run

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = "2025-06-01"
JSON = "application/json; odata=minimalmetadata"
INFINITE = "P10675199DT2H48M5.4775807S"

Send = "Callable[..., requests.Response]"


@pytest.fixture
def send(plain: Emulator) -> Callable[..., requests.Response]:
    """Give a function that sends a request as it is told, signed in with a token."""
    return sender(plain)


def sender(azure: Emulator) -> Callable[..., requests.Response]:
    """Return a function that sends *azure* a request as it is told, signed in with a token."""

    def sending(method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        given = {"Authorization": f"Bearer {token('https://batch.core.windows.net/')}", **headers}
        if body is not None:
            given.setdefault("Content-Type", JSON)
        url = f"{azure.endpoint}{path}{'&' if '?' in path else '?'}api-version={VERSION}"
        return requests.request(method, url, json=body, headers=given, timeout=60)

    return sending


@pytest.fixture
def done(client: BatchClient, job: str) -> str:
    """Give the id of a job whose task "task" has succeeded."""
    run(client, job, "/bin/true")
    return job


def test_a_pool_has_the_recorded_fields_in_their_order(send: Any, pool: str) -> None:
    answer = send("GET", f"/pools/{pool}")
    body = answer.json()
    assert list(body) == [
        "odata.metadata", "id", "url", "eTag", "lastModified", "creationTime", "state",
        "stateTransitionTime", "allocationState", "allocationStateTransitionTime", "vmSize",
        "resizeTimeout", "currentDedicatedNodes", "targetDedicatedNodes", "currentLowPriorityNodes",
        "targetLowPriorityNodes", "enableAutoScale", "enableInterNodeCommunication",
        "taskSlotsPerNode", "taskSchedulingPolicy", "virtualMachineConfiguration",
    ]  # fmt: skip
    assert body["odata.metadata"].endswith("/$metadata#pools/@Element")
    assert (body["vmSize"], body["resizeTimeout"]) == ("standard_d2s_v5", "PT15M")
    assert answer.headers["ETag"] == body["eTag"]


def test_a_job_has_the_recorded_fields_in_their_order(send: Any, job: str) -> None:
    body = send("GET", f"/jobs/{job}").json()
    assert list(body) == [
        "odata.metadata", "id", "url", "eTag", "lastModified", "creationTime", "state",
        "stateTransitionTime", "priority", "maxParallelTasks", "usesTaskDependencies",
        "allowTaskPreemption", "constraints", "poolInfo", "executionInfo", "onAllTasksComplete",
        "onTaskFailure",
    ]  # fmt: skip
    assert body["constraints"] == {"maxWallClockTime": INFINITE, "maxTaskRetryCount": 0}
    assert list(body["executionInfo"]) == ["startTime", "poolId"]


def test_a_task_has_the_recorded_fields_in_their_order(send: Any, done: str) -> None:
    body = send("GET", f"/jobs/{done}/tasks/task").json()
    assert list(body) == [
        "odata.metadata", "id", "url", "eTag", "creationTime", "lastModified", "state",
        "stateTransitionTime", "previousState", "previousStateTransitionTime", "commandLine",
        "userIdentity", "constraints", "requiredSlots", "executionInfo", "nodeInfo",
    ]  # fmt: skip
    assert list(body["executionInfo"]) == [
        "startTime", "endTime", "exitCode", "result", "retryCount", "requeueCount",
    ]  # fmt: skip
    assert body["constraints"]["retentionTime"] == "P7D"
    assert body["nodeInfo"]["affinityId"] == f"TVM:{body['nodeInfo']['nodeId']}"
    assert body["nodeInfo"]["taskRootDirectory"] == "workitems/job/job-1/task"
    assert (body["previousState"], body["executionInfo"]["result"]) == ("running", "success")


def test_a_node_has_the_recorded_fields_in_their_order(send: Any, done: str) -> None:
    answer = send("GET", "/pools/pool/nodes")
    (node,) = answer.json()["value"]
    assert list(node) == [
        "id", "url", "state", "schedulingState", "stateTransitionTime", "lastBootTime",
        "allocationTime", "ipAddress", "affinityId", "vmSize", "totalTasksRun",
        "totalTasksSucceeded", "runningTasksCount", "runningTaskSlotsCount", "recentTasks",
        "isDedicated", "endpointConfiguration", "nodeAgentInfo", "virtualMachineInfo",
    ]  # fmt: skip
    assert re.fullmatch(r"tvmps_[0-9a-f]{64}_d", node["id"])
    assert node["recentTasks"][0]["taskUrl"].endswith(f"/jobs/{done}/tasks/task")
    assert "ETag" not in answer.headers


def test_an_etag_is_the_tick_count_of_the_last_change_and_unquoted(send: Any, job: str) -> None:
    answer = send("GET", f"/jobs/{job}")
    body = answer.json()
    assert answer.headers["ETag"] == body["eTag"] == etag(parse_timestamp(body["lastModified"]))
    assert re.fullmatch("0x8D[0-9A-F]{13}", body["eTag"])


def test_every_answer_has_the_headers_of_the_service(send: Any, job: str) -> None:
    for path in (f"/jobs/{job}", "/jobs/none"):
        headers = send("GET", path).headers
        assert headers["DataServiceVersion"] == "3.0"
        assert headers["Server"] == "Microsoft-HTTPAPI/2.0"
        assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Type"] == "application/json;odata=minimalmetadata"
        assert re.fullmatch(r"[0-9a-f-]{36}", headers["request-id"])
    assert send("GET", f"/jobs/{job}").headers["Transfer-Encoding"] == "chunked"
    assert int(send("GET", "/jobs/none").headers["Content-Length"]) > 0


def test_the_clients_id_is_echoed_only_on_request(send: Any, job: str) -> None:
    own = {"client-request-id": "mine"}
    assert "client-request-id" not in send("GET", f"/jobs/{job}", **own).headers
    asked = send("GET", f"/jobs/{job}", **own, **{"return-client-request-id": "true"})
    assert asked.headers["client-request-id"] == "mine"


def test_a_new_jobs_location_is_odd(send: Any, pool: str, plain: Emulator) -> None:
    answer = send("POST", "/jobs", {"id": "new", "poolInfo": {"poolId": pool}})
    assert (answer.status_code, answer.content) == (201, b"")
    odd = f"{plain.endpoint}/jobs/job-1"
    assert (answer.headers["Location"], answer.headers["DataServiceId"]) == (odd, odd)


def test_a_changed_job_answers_with_its_url_and_new_etag(
    send: Any, job: str, plain: Emulator
) -> None:
    before = send("GET", f"/jobs/{job}").headers["ETag"]
    answer = send("PATCH", f"/jobs/{job}", {"priority": 7})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["DataServiceId"] == f"{plain.endpoint}/jobs/{job}"
    assert answer.headers["ETag"] > before


def test_a_collections_results_have_the_recorded_fields(send: Any, job: str) -> None:
    tasks = [{"id": name, "commandLine": "/bin/true"} for name in ("one", "ONE")]
    answer = send("POST", f"/jobs/{job}/addtaskcollection", {"value": tasks})
    assert answer.status_code == 200
    assert "ETag" not in answer.headers
    good, bad = answer.json()["value"]
    assert list(good) == ["status", "taskId", "eTag", "lastModified", "location"]
    assert good["location"].endswith(f"/jobs/{job}/tasks/one")
    assert (bad["status"], bad["taskId"], bad["error"]["code"]) == (
        "clienterror",
        "ONE",
        "TaskExists",
    )
    assert bad["error"]["message"]["value"].startswith(
        "The specified task already exists.\nRequestId:"
    )


def test_a_tasks_etag_does_not_follow_its_state(send: Any, job: str, client: BatchClient) -> None:
    answer = send("POST", f"/jobs/{job}/tasks", {"id": "task", "commandLine": "/bin/true"})
    run_to_end = send("GET", f"/jobs/{job}/tasks/task")
    while run_to_end.json()["state"] != "completed":
        run_to_end = send("GET", f"/jobs/{job}/tasks/task")
    assert run_to_end.headers["ETag"] == answer.headers["ETag"]


def test_a_files_length_is_a_string_in_lists(send: Any, done: str) -> None:
    entries = send("GET", f"/jobs/{done}/tasks/task/files").json()["value"]
    assert [(e["name"], e["isDirectory"]) for e in entries] == [
        ("stderr.txt", False),
        ("stdout.txt", False),
        ("wd", True),
    ]
    assert entries[0]["properties"]["contentLength"] == "0"
    assert entries[0]["properties"]["contentType"] == "text/plain"
    assert "properties" not in entries[2]


def test_a_nodes_root_has_the_folders_of_batch(client: BatchClient, pool: str, done: str) -> None:
    (node,) = client.list_nodes(pool)
    names = [file.name for file in client.list_node_files(pool, node.id)]
    assert names == ["applications", "fsmounts", "shared", "startup", "volatile", "workitems"]


def test_an_error_names_the_request_and_the_time(send: Any, pool: str) -> None:
    machine = {"imageReference": {}, "nodeAgentSKUId": "batch.node.ubuntu 24.04"}
    body = {"id": "POOL", "vmSize": "standard_d2s_v5", "virtualMachineConfiguration": machine}
    answer = send("POST", "/pools", body)
    assert answer.status_code == 409
    error = answer.json()
    assert error["odata.metadata"].endswith(
        "#Microsoft.Azure.Batch.Protocol.Entities.Container.errors/@Element"
    )
    assert (error["code"], error["message"]["lang"]) == ("PoolExists", "en-US")
    assert re.fullmatch(
        rf"The specified pool already exists\.\nRequestId:{answer.headers['request-id']}\nTime:\S+Z",
        error["message"]["value"],
    )


def test_a_page_ends_with_a_link_full_of_awkward_characters(
    client: BatchClient, send: Any, job: str
) -> None:
    client.create_tasks(
        job,
        [models.BatchTaskCreateOptions(id=f"t{i:02}", command_line="/bin/true") for i in range(25)],
    )
    link = send("GET", f"/jobs/{job}/tasks?maxresults=10").json()["odata.nextLink"]
    assert "$skiptoken=WATASKSTORE%3D1%2B%2F%26" in link
    every = list(client.list_tasks(job, max_results=7, filter="startswith(id,'t')", select=["id"]))
    assert sorted(task.id for task in every) == [f"t{i:02}" for i in range(25)]
    assert all(task.state is None for task in every)


@pytest.mark.parametrize("version", ["2024-02-01.19.0", "2023-05-01.17.0"])
def test_earlier_versions_are_answered_in_the_casing_of_their_time(
    plain: Emulator, client: BatchClient, job: str, version: str
) -> None:
    headers = {
        "Authorization": f"Bearer {token('https://batch.core.windows.net/')}",
        "Content-Type": "application/json; odata=minimalmetadata; charset=utf-8",
        "client-request-id": "x",
    }
    url = f"{plain.endpoint}/jobs/{job}/addtaskcollection?api-version={version}&timeout=30"
    body = {"value": [{"id": "a", "commandLine": "/bin/true", "constraints": None}]}
    (result,) = requests.post(url, json=body, headers=headers, timeout=60).json()["value"]
    assert result["status"] == "Success"
    pool = requests.get(
        f"{plain.endpoint}/pools/pool?api-version={version}", headers=headers, timeout=10
    ).json()
    assert pool["taskSchedulingPolicy"] == {"nodeFillType": "Spread"}


def test_an_emulator_that_stops_leaves_no_request_half_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Python would say later, and in somebody else's test, that a task was destroyed."""
    with Emulator(https=False) as running, requests.Session() as session:
        running.faults.add(Fault("slow", seconds=60))
        answering = threading.Thread(target=ask, args=(session, f"{running.endpoint}/jobs"))
        answering.start()
        eventually(lambda: not running.faults.pending)
    answering.join(60)
    gc.collect()
    assert not caplog.records


def ask(session: requests.Session, url: str) -> None:
    with suppress(requests.ConnectionError):
        session.get(url, timeout=60)
