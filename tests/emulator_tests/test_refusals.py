"""Requests are checked as the service checks them."""

from __future__ import annotations

import time
from email.utils import formatdate
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest
import requests
from azure.batch import BatchClient, models
from azure.core import MatchConditions
from azure.core.credentials import AccessToken, AzureNamedKeyCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceModifiedError,
    ServiceRequestError,
)

from tests.emulator import Emulator, Limits, Settings
from tests.emulator.auth import ISSUER, EmulatedCredential, token
from tests.emulator_tests.conftest import (
    add_job,
    add_pool,
    code_of,
    key_client,
    run,
    token_client,
)
from tests.emulator_tests.test_wire import send, sender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["send"]

TASK = {"id": "t", "commandLine": "/bin/true"}


@pytest.fixture(scope="module")
def standing() -> Iterator[tuple[Emulator, BatchClient]]:
    """An account with a pool, a job on it, and a task of that which has succeeded: not to be changed."""
    with Emulator(https=False) as azure, key_client(azure) as client:
        add_pool(azure, client)
        add_job(client, "pool")
        run(client, "job", "/bin/true")
        yield azure, client


@pytest.fixture
def refused(standing: tuple[Emulator, BatchClient]) -> Callable[..., requests.Response]:
    """Give a function that sends what will be refused, and sees that it left the account as it was."""
    azure, client = standing

    def ids() -> list[Any]:
        there: Any = (client.list_pools(), client.list_jobs(), client.list_tasks("job"))
        return [each.id for each in chain(*there)]

    def refused(method: str, path: str, body: Any = None) -> requests.Response:
        answer = sender(azure)(method, path, body)
        assert ids() == ["pool", "job", "task"]
        return answer

    return refused


def refusal(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def reason(answer: requests.Response) -> dict[str, str]:
    return {entry["key"]: entry["value"] for entry in answer.json().get("values", ())}


def test_a_key_is_checked_by_its_signature(plain: Emulator) -> None:
    wrong = AzureNamedKeyCredential(plain.account, "d3Jvbmc=")
    client = BatchClient(plain.endpoint, wrong, retry_total=0)
    with client, pytest.raises(HttpResponseError) as caught:
        list(client.list_jobs())
    assert (caught.value.status_code, code_of(caught)) == (403, "AuthenticationFailed")


def test_a_signed_request_is_good_for_fifteen_minutes(plain: Emulator, client: BatchClient) -> None:
    list(client.list_jobs(headers={"ocp-date": formatdate(time.time() - 14 * 60, usegmt=True)}))
    old = formatdate(time.time() - 16 * 60, usegmt=True)
    with pytest.raises(HttpResponseError) as caught:
        list(client.list_jobs(headers={"ocp-date": old}))
    assert caught.value.status_code == 403


def test_an_account_can_forbid_keys() -> None:
    settings = Settings(shared_key=False)
    with (
        Emulator(https=False, settings=settings) as azure,
        key_client(azure) as client,
        pytest.raises(HttpResponseError) as caught,
    ):
        list(client.list_jobs())
    assert caught.value.status_code == 403


@pytest.mark.parametrize(
    "bad",
    [
        "x.y.z",
        token("https://storage.azure.com"),
        token("https://batch.core.windows.net/", lifetime=-1),
        token("https://batch.core.windows.net/", issuer=ISSUER.replace("a", "b")),
    ],
)
def test_a_token_is_checked_by_what_it_says(azure: Emulator, bad: str) -> None:
    class Wrong(EmulatedCredential):
        def get_token(self, *scopes: str, **options: Any) -> AccessToken:
            return AccessToken(bad, int(time.time()) + 3600)

    client = BatchClient(azure.endpoint, Wrong(), connection_verify=azure.ca_file, retry_total=0)
    with client, pytest.raises(ClientAuthenticationError):
        list(client.list_jobs())


def test_short_tokens_are_renewed_by_the_client() -> None:
    with Emulator(token_lifetime=1) as azure, token_client(azure) as client:
        list(client.list_jobs())
        time.sleep(1.1)
        list(client.list_jobs())
        assert azure.credential.issued == 2


def test_the_client_itself_refuses_tokens_over_plain_http(plain: Emulator) -> None:
    client = BatchClient(plain.endpoint, plain.credential, retry_total=0)
    with client, pytest.raises(ServiceRequestError, match="non-TLS"):
        list(client.list_jobs())


def test_a_request_without_sign_in_is_401(plain: Emulator) -> None:
    answer = requests.get(f"{plain.endpoint}/jobs?api-version=2025-06-01", timeout=60)
    assert refusal(answer) == (401, "AuthenticationFailed")


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ("", "MissingRequiredQueryParameter"),
        ("api-version=1999-01-01", "UnsupportedRequestVersion"),
    ],
)
def test_the_version_is_checked(plain: Emulator, version: str, code: str) -> None:
    headers = {"Authorization": f"Bearer {token('https://batch.core.windows.net/')}"}
    answer = requests.get(f"{plain.endpoint}/jobs?{version}", headers=headers, timeout=60)
    assert refusal(answer) == (400, code)


@pytest.mark.parametrize(
    ("body", "code", "property_name"),
    [
        ({**TASK, "id": "a b"}, "InvalidPropertyValue", "id"),
        ({**TASK, "id": "x" * 65}, "InvalidPropertyValue", "id"),
        ({"id": "t"}, "MissingRequiredProperty", "commandLine"),
        ({**TASK, "commandLine": ""}, "InvalidPropertyValue", "commandLine"),
        ({**TASK, "comandLine": "x"}, "InvalidRequestBody", "comandLine"),
        ({**TASK, "requiredSlots": "two"}, "InvalidRequestBody", "requiredSlots"),
        ({**TASK, "requiredSlots": 0}, "InvalidPropertyValue", "requiredSlots"),
        (
            {**TASK, "constraints": {"maxWallClockTime": "1h"}},
            "InvalidPropertyValue",
            "maxWallClockTime",
        ),
        (
            {**TASK, "resourceFiles": [{"httpUrl": "http://x/y"}]},
            "MissingRequiredProperty",
            "filePath",
        ),
        (
            {**TASK, "resourceFiles": [{"httpUrl": "http://x/y", "filePath": "../y"}]},
            "InvalidPropertyValue",
            "filePath",
        ),
        (
            {**TASK, "resourceFiles": [{"filePath": "y"}]},
            "InvalidPropertyValue",
            "resourceFiles",
        ),
        (
            {
                **TASK,
                "resourceFiles": [{"httpUrl": "http://x/" + "y" * 330, "filePath": "y"}] * 100,
            },
            "InvalidPropertyValue",
            "resourceFiles",
        ),
        ({**TASK, "dependsOn": {"taskIds": ["a"]}}, "TaskDependenciesNotSpecifiedOnJob", None),
        (
            {**TASK, "exitConditions": {"default": {"jobAction": "terminate"}}},
            "InvalidPropertyValue",
            "exitConditions",
        ),
    ],
)
def test_a_malformed_task_is_refused_with_its_reason(
    refused: Any, body: dict[str, Any], code: str, property_name: str | None
) -> None:
    answer = refused("POST", "/jobs/job/tasks", body)
    assert refusal(answer) == (400, code)
    assert reason(answer).get("PropertyName") == property_name


FILE = {"httpUrl": "https://x/y", "filePath": "y"}
OUTPUT = {
    "filePattern": "*",
    "uploadOptions": {"uploadCondition": "tasksuccess"},
    "destination": {"container": {"containerUrl": "https://x/y"}},
}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"resourceFiles": [{**FILE, "httpUrl": "y"}]}, "httpUrl"),
        ({"resourceFiles": [{**FILE, "fileMode": "rwx"}]}, "fileMode"),
        ({"resourceFiles": [{**FILE, "identityReference": {"resourceId": "me"}}]}, "resourceId"),
        (
            {"outputFiles": [{**OUTPUT, "destination": {"container": {"containerUrl": "runs"}}}]},
            "containerUrl",
        ),
        ({"outputFiles": [{**OUTPUT, "filePattern": ""}]}, "filePattern"),
        ({"userIdentity": {}}, "userIdentity"),
        ({"userIdentity": {"username": "u", "autoUser": {"scope": "pool"}}}, "userIdentity"),
        ({"userIdentity": {"username": "u" * 21}}, "username"),
        ({"constraints": {"maxTaskRetryCount": -2}}, "maxTaskRetryCount"),
        ({"constraints": {"retentionTime": "7 days"}}, "retentionTime"),
        ({"environmentSettings": [{"name": ""}]}, "name"),
        ({"requiredSlots": 257}, "requiredSlots"),
        ({"displayName": "n" * 1025}, "displayName"),
        (
            {
                "exitConditions": {
                    "exitCodeRanges": [
                        {"start": 5, "end": 4, "exitOptions": {"dependencyAction": "block"}}
                    ]
                }
            },
            "start",
        ),
        ({"dependsOn": {"taskIdRanges": [{"start": 3, "end": 2}]}}, "start"),
        ({"dependsOn": {"taskIdRanges": [{"start": -1, "end": 2}]}}, "start"),
    ],
)
def test_a_task_with_a_value_that_is_none_is_refused(
    refused: Any, change: dict[str, Any], name: str
) -> None:
    answer = refused("POST", "/jobs/job/tasks", {**TASK, **change})
    assert refusal(answer) == (400, "InvalidPropertyValue")
    assert reason(answer)["PropertyName"] == name


POOL = {
    "id": "new",
    "vmSize": "standard_d2s_v5",
    "virtualMachineConfiguration": {
        "imageReference": {"publisher": "canonical", "offer": "o", "sku": "s"},
        "nodeAgentSKUId": "batch.node.ubuntu 24.04",
    },
}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"vmSize": "standard_d3s_v5"}, "InvalidPropertyValue"),
        ({"taskSlotsPerNode": 9}, "InvalidPropertyValue"),
        ({"id": "a/b"}, "InvalidPropertyValue"),
        ({"resizeTimeout": "PT4M"}, "InvalidPropertyValue"),
        ({"enableAutoScale": True, "autoScaleFormula": "a = ;"}, "AutoScalingFormulaSyntaxError"),
        ({"networkConfiguration": {"subnet": "x"}}, "InvalidRequestBody"),
        ({"userAccounts": [{"name": "u"}]}, "MissingRequiredProperty"),
        ({"mountConfiguration": [{"smb": {}}]}, "InvalidRequestBody"),
        ({"metadata": [{"name": "n"}]}, "MissingRequiredProperty"),
        (
            {
                "virtualMachineConfiguration": {
                    "imageReference": {"id": "x"},
                    "nodeAgentSKUId": "batch.node.el 9",
                }
            },
            "InvalidRequestBody",
        ),
        (
            {"virtualMachineConfiguration": {"imageReference": {}, "nodeAgentSKUId": "ubuntu"}},
            "InvalidPropertyValue",
        ),
    ],
)
def test_a_pool_that_cannot_be_is_refused(refused: Any, change: dict[str, Any], code: str) -> None:
    assert refusal(refused("POST", "/pools", {**POOL, **change})) == (400, code)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"id": "j" * 65}, "InvalidPropertyValue"),
        ({"id": "with space"}, "InvalidPropertyValue"),
        ({"priority": 1001}, "InvalidPropertyValue"),
        ({"maxParallelTasks": 0}, "InvalidPropertyValue"),
        ({"onAllTasksComplete": "stop"}, "InvalidPropertyValue"),
        ({"poolInfo": {}}, "InvalidPropertyValue"),
        ({"onAllTaskComplete": "noaction"}, "InvalidRequestBody"),
        ({"networkConfiguration": {}}, "MissingRequiredProperty"),
    ],
)
def test_a_job_that_cannot_be_is_refused(refused: Any, change: dict[str, Any], code: str) -> None:
    body = {"id": "new", "poolInfo": {"poolId": "pool"}, **change}
    assert refusal(refused("POST", "/jobs", body)) == (400, code)


def test_numbers_may_be_written_as_strings(send: Any, client: BatchClient, job: str) -> None:
    """As `az batch` writes them, to which the service does not object."""
    body = {**TASK, "requiredSlots": "3", "constraints": {"maxTaskRetryCount": "2"}}
    assert send("POST", f"/jobs/{job}/tasks", body).status_code == 201
    shown: Any = client.get_task(job, "t")
    assert (shown.required_slots, shown.constraints.max_task_retry_count) == (3, 2)


def test_a_hundred_tasks_are_a_collections_limit(send: Any, job: str) -> None:
    tasks = [{**TASK, "id": f"t{i}"} for i in range(101)]
    answer = send("POST", f"/jobs/{job}/addtaskcollection", {"value": tasks})
    assert refusal(answer) == (400, "InvalidPropertyValue")
    assert send("POST", f"/jobs/{job}/addtaskcollection", {"value": tasks[:100]}).ok


def test_a_body_may_have_a_mebibyte(send: Any, job: str) -> None:
    setting = [{"name": "X", "value": "x" * 1_048_576}]
    answer = send("POST", f"/jobs/{job}/tasks", {**TASK, "environmentSettings": setting})
    assert refusal(answer) == (413, "RequestBodyTooLarge")


def test_the_clients_loop_halves_a_collection_that_is_too_large(
    client: BatchClient, job: str
) -> None:
    setting = models.EnvironmentSetting(name="X", value="x" * 20_000)
    tasks = [
        models.BatchTaskCreateOptions(
            id=f"t{i}", command_line="/bin/true", environment_settings=[setting]
        )
        for i in range(100)
    ]
    client.create_tasks(job, tasks)
    assert len(list(client.list_tasks(job))) == 100


def test_a_body_needs_the_content_type_of_odata(send: Any, pool: str) -> None:
    body = {"id": "j", "poolInfo": {"poolId": pool}}
    answer = send("POST", "/jobs", body, **{"Content-Type": "application/json"})
    assert refusal(answer) == (400, "InvalidHeaderValue")


def test_broken_json_is_no_body(plain: Emulator) -> None:
    headers = {
        "Authorization": f"Bearer {token('https://batch.core.windows.net/')}",
        "Content-Type": "application/json; odata=minimalmetadata",
    }
    url = f"{plain.endpoint}/jobs?api-version=2025-06-01"
    answer = requests.post(url, data="{", headers=headers, timeout=60)
    assert refusal(answer) == (400, "InvalidRequestBody")


def test_ids_keep_their_case_and_are_compared_without_it(client: BatchClient, pool: str) -> None:
    info = models.BatchPoolInfo(pool_id=pool)
    client.create_job(models.BatchJobCreateOptions(id="MyJob", pool_info=info))
    assert client.get_job("MYJOB").id == "MyJob"
    with pytest.raises(HttpResponseError) as caught:
        client.create_job(models.BatchJobCreateOptions(id="myjob", pool_info=info))
    assert code_of(caught) == "JobExists"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("maxresults=0", "OutOfRangeQueryParameterValue"),
        ("maxresults=1001", "OutOfRangeQueryParameterValue"),
        ("maxresults=x", "InvalidQueryParameterValue"),
        ("$filter=commandLine eq 'x'", "InvalidQueryParameterValue"),
        ("$filter=state eq", "InvalidQueryParameterValue"),
        ("$filter=creationTime lt DateTime'soon'", "InvalidQueryParameterValue"),
        ("$filter=creationTime lt 'x'", "InvalidQueryParameterValue"),
        ("$skiptoken=x", "InvalidQueryParameterValue"),
        ("$orderby=id", "UnsupportedQueryParameter"),
    ],
)
def test_a_query_that_cannot_be_answered_is_refused(refused: Any, query: str, code: str) -> None:
    assert refusal(refused("GET", f"/jobs/job/tasks?{query}")) == (400, code)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("state eq 'completed'", ["task"]),
        ("state eq 'active' or executionInfo/exitCode eq 0", ["task"]),
        ("not (executionInfo/exitCode ne 0) and startswith(id,'ta')", ["task"]),
        ("executionInfo/result eq 'failure'", []),
        ("state eq 'completed' and id eq 'other'", []),
        ("stateTransitionTime gt DateTime'2020-01-01T00:00:00Z'", ["task"]),
        ("creationTime lt datetime'2020-01-01'", []),
        ("id eq 'it''s'", []),
    ],
)
def test_lists_are_filtered(
    standing: tuple[Emulator, BatchClient], text: str, found: list[str]
) -> None:
    _, client = standing
    assert [task.id for task in client.list_tasks("job", filter=text)] == found


def test_conditions_are_met_or_refused(client: BatchClient, job: str) -> None:
    tag = client.get_job(job).etag
    client.update_job(
        job,
        models.BatchJobUpdateOptions(priority=1),
        etag=tag,
        match_condition=MatchConditions.IfNotModified,
    )
    with pytest.raises(ResourceModifiedError) as caught:
        client.update_job(
            job,
            models.BatchJobUpdateOptions(priority=2),
            etag=tag,
            match_condition=MatchConditions.IfNotModified,
        )
    assert caught.value.status_code == 412
    new = client.get_job(job).etag
    with pytest.raises(ResourceModifiedError) as unchanged:
        client.get_job(job, etag=new, match_condition=MatchConditions.IfModified)
    assert unchanged.value.status_code == 304


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nonsense", 400, "InvalidUri"),
        ("PATCH", "/jobs", 405, "UnsupportedHttpVerb"),
        ("GET", "/jobschedules", 501, "NotImplemented"),
        ("GET", "/pools/none", 404, "PoolNotFound"),
        ("GET", "/pools/none/nodes", 404, "PoolNotFound"),
        ("GET", "/jobs/none", 404, "JobNotFound"),
        ("GET", "/jobs/none/tasks", 404, "JobNotFound"),
        ("POST", "/jobs/none/terminate", 404, "JobNotFound"),
    ],
)
def test_what_is_not_there_says_so(
    refused: Any, method: str, path: str, status: int, code: str
) -> None:
    assert refusal(refused(method, path)) == (status, code)


def test_an_operation_that_is_left_out_gives_its_name(refused: Any) -> None:
    assert reason(refused("POST", "/jobschedules", {})) == {"Operation": "create_job_schedule"}


def test_a_pool_with_an_identity_is_none_of_the_data_planes(refused: Any) -> None:
    body = {
        "id": "p",
        "vmSize": "standard_d2s_v5",
        "virtualMachineConfiguration": {"imageReference": {}, "nodeAgentSKUId": "batch.node.el 9"},
        "identity": {"type": "UserAssigned"},
    }
    assert refusal(refused("POST", "/pools", body)) == (400, "InvalidRequestBody")


def test_quotas_are_kept() -> None:
    settings = Settings(limits=Limits(pools=0, active_jobs=0))
    with Emulator(https=False, settings=settings) as azure, key_client(azure) as client:
        with pytest.raises(HttpResponseError) as pool:
            client.create_pool(
                models.BatchPoolCreateOptions(
                    id="p",
                    vm_size="standard_d2s_v5",
                    virtual_machine_configuration=models.VirtualMachineConfiguration(
                        image_reference=models.BatchVmImageReference(publisher="canonical"),
                        node_agent_sku_id="batch.node.ubuntu 24.04",
                    ),
                )
            )
        with pytest.raises(HttpResponseError) as job:
            client.create_job(
                models.BatchJobCreateOptions(id="j", pool_info=models.BatchPoolInfo(pool_id="p"))
            )
    assert code_of(pool) == "PoolQuotaReached"
    assert code_of(job) == "ActiveJobAndScheduleQuotaReached"
