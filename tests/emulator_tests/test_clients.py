"""All of Microsoft's client reaches the emulator: sync and aio, by key and by token."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import requests
import urllib3
from azure.batch import BatchClient, models
from azure.batch.aio import BatchClient as AsyncBatchClient
from azure.core.credentials import AzureNamedKeyCredential
from azure.identity import DefaultAzureCredential

from tests.emulator import Emulator
from tests.emulator.checks import Shape
from tests.emulator.server import ROUTES
from tests.emulator_tests.conftest import add_pool, token_client

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS = {
    "create_pool": models.BatchPoolCreateOptions,
    "update_pool": models.BatchPoolUpdateOptions,
    "replace_pool_properties": models.BatchPoolReplaceOptions,
    "resize_pool": models.BatchPoolResizeOptions,
    "enable_pool_auto_scale": models.BatchPoolEnableAutoScaleOptions,
    "evaluate_pool_auto_scale": models.BatchPoolEvaluateAutoScaleOptions,
    "remove_nodes": models.BatchNodeRemoveOptions,
    "create_job": models.BatchJobCreateOptions,
    "update_job": models.BatchJobUpdateOptions,
    "replace_job": models.BatchJob,
    "disable_job": models.BatchJobDisableOptions,
    "create_task": models.BatchTaskCreateOptions,
    "replace_task": models.BatchTask,
}
"""What the client sends to which operation."""


@pytest.mark.parametrize(("operation", "model"), MODELS.items(), ids=MODELS)
def test_whatever_the_client_can_send_is_known(operation: str, model: Any) -> None:
    (shape,) = [route.shape for route in ROUTES if route.operation == operation]
    assert isinstance(shape, Shape)
    fields = {field._rest_name for field in model({})._attr_to_rest_field.values()}
    assert fields - {*shape.required, *shape.optional} == set()


def names_of(client: type) -> set[str]:
    """Return the operations of the client, begin_ left out."""
    plain = {name for name in dir(client) if not name.startswith("_")}
    return {name.removeprefix("begin_") for name in plain} - {
        "close",
        "send_request",
        "create_tasks",
    }


def test_every_operation_of_the_client_has_a_route() -> None:
    served = {route.operation for route in ROUTES}
    assert names_of(BatchClient) - served == set()


def life_of_a_job(client: BatchClient) -> None:
    info = models.BatchPoolInfo(pool_id="pool")
    client.create_job(models.BatchJobCreateOptions(id="job", pool_info=info))
    tasks = [models.BatchTaskCreateOptions(id=f"t{i}", command_line="/bin/true") for i in range(3)]
    client.create_tasks("job", tasks)
    end = models.BatchJobUpdateOptions(all_tasks_complete_mode="terminatejob")
    client.update_job("job", end)
    while client.get_job("job").state != "completed":
        pass
    assert client.get_job_task_counts("job").task_counts.succeeded == 3
    client.begin_delete_job("job", polling_interval=0).wait()


@pytest.mark.parametrize("https", [False, True])
def test_a_key_is_good_over_http_and_https(https: bool) -> None:
    with Emulator(https=https) as azure:
        key = AzureNamedKeyCredential(azure.account, azure.key)
        with BatchClient(azure.endpoint, key, connection_verify=azure.ca_file or True) as client:
            add_pool(azure, client)
            life_of_a_job(client)


def test_a_token_is_good_over_https() -> None:
    with Emulator() as azure, token_client(azure) as client:
        add_pool(azure, client)
        life_of_a_job(client)


async def asynchronous_life(client: AsyncBatchClient) -> None:
    info = models.BatchPoolInfo(pool_id="pool")
    await client.create_job(models.BatchJobCreateOptions(id="job", pool_info=info))
    tasks = [models.BatchTaskCreateOptions(id=f"t{i}", command_line="/bin/true") for i in range(3)]
    await client.create_tasks("job", tasks)
    while len([t async for t in client.list_tasks("job", filter="state eq 'completed'")]) < 3:
        pass
    chunks = await client.download_task_file("job", "t0", "stdout.txt")
    assert b"".join([chunk async for chunk in chunks]) == b""
    options: Any = {"terminateReason": "done"}
    poller = await client.begin_terminate_job("job", options=options, polling_interval=0)
    await poller.wait()
    assert (await client.get_job("job")).state == "completed"


@pytest.mark.parametrize("https", [False, True])
def test_the_aio_client_does_the_same(https: bool, run_async: Callable[[Any], None]) -> None:
    async def live(azure: Emulator) -> None:
        key = AzureNamedKeyCredential(azure.account, azure.key)
        credential: Any = azure.async_credential if https else key
        verify = azure.ca_file if https else True
        async with AsyncBatchClient(azure.endpoint, credential, connection_verify=verify) as client:
            await asynchronous_life(client)

    with Emulator(https=https) as azure:
        azure.put_pool("pool", scaleSettings={"fixedScale": {"targetDedicatedNodes": 1}})
        run_async(live(azure))


@pytest.fixture
def run_async() -> Callable[[Any], None]:
    """Give a function that runs a coroutine in a thread of its own."""
    # asyncio.run would take the main thread's loop away, which Pulumi's tests count on

    def running(coroutine: Any) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, coroutine).result()

    return running


def test_another_process_needs_only_the_environment(tmp_path: Any) -> None:
    program = (
        "import sys; from azure.batch import BatchClient;"
        "from azure.identity import ManagedIdentityCredential;"
        "print([p.id for p in BatchClient(sys.argv[1], ManagedIdentityCredential()).list_pools()])"
    )
    with Emulator() as azure:
        azure.put_pool("pool")
        command = [sys.executable, "-c", program, azure.endpoint]
        environment = {"PATH": os.environ["PATH"], **azure.environment}
        out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert out.stdout == "['pool']\n"


def test_the_default_credential_finds_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    with Emulator() as azure:
        for name, value in azure.environment.items():
            monkeypatch.setenv(name, value)
        with (
            DefaultAzureCredential() as credential,
            BatchClient(azure.endpoint, credential) as client,
        ):
            assert list(client.list_pools()) == []


@pytest.mark.parametrize("option", ["--https", None])
def test_it_is_started_by_hand_and_says_how_to_connect(option: str | None) -> None:
    command = [sys.executable, "-m", "tests.emulator", "--nodes", "1", "--speed", "100"]
    with subprocess.Popen(
        [*command, *([option] if option else [])], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said: dict[str, str] = {}
        while "control API" not in said:
            name, _, value = process.stdout.readline().partition("  ")
            said[name.strip()] = value.strip()
        pool = {
            "scaleSettings": {"fixedScale": {"targetDedicatedNodes": 1}},
            "vmSize": "standard_d2s_v5",
        }
        urllib3.disable_warnings()
        answer = requests.put(
            f"{said['control API']}/pools/pool", data=json.dumps(pool), verify=False, timeout=60
        )
        key = AzureNamedKeyCredential(said["account"], said["key"])
        with BatchClient(said["endpoint"], key, connection_verify=False) as client:
            names = [found.id for found in client.list_pools()]
        process.send_signal(signal.SIGINT)
    assert (answer.status_code, names, process.returncode) == (200, ["pool"], 0)
