"""Microsoft's own clients, pointed at the emulator."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from azure.batch import BatchClient, models
from azure.core.credentials import AzureNamedKeyCredential

from tests.emulator import Emulator
from tests.emulator.fixtures import azure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from azure.core.exceptions import HttpResponseError

__all__ = ["azure"]

IDENTITY = (
    "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/media/providers"
    "/Microsoft.ManagedIdentity/userAssignedIdentities/node"
)


def eventually(condition: Callable[[], object], *, seconds: float = 10) -> None:
    """Wait until *condition* holds; that it does not in time is the failure."""
    deadline = time.monotonic() + seconds
    pause = 0.01  # most conditions are requests: the longer it takes, the less often they are made
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(pause)
        pause = min(0.1, 1.3 * pause)


@pytest.fixture
def plain() -> Iterator[Emulator]:
    """Start an account over plain http, which keys are good for; no storage."""
    with Emulator(https=False) as running:
        yield running


def key_client(azure: Emulator, **options: Any) -> BatchClient:
    key = AzureNamedKeyCredential(azure.account, azure.key)
    return BatchClient(azure.endpoint, key, retry_total=0, **options)


def token_client(azure: Emulator, **options: Any) -> BatchClient:
    return BatchClient(
        azure.endpoint,
        azure.credential,
        connection_verify=azure.ca_file,
        retry_total=0,
        **options,
    )


@pytest.fixture
def client(plain: Emulator) -> Iterator[BatchClient]:
    """Give the sync client, signed in by key over http."""
    with key_client(plain) as made:
        yield made


def add_pool(azure: Emulator, client: BatchClient, *, nodes: int = 1, **properties: Any) -> None:
    """Put the pool "pool" in place and wait for its nodes."""
    scale = {"fixedScale": {"targetDedicatedNodes": nodes}}
    azure.put_pool("pool", **{"scaleSettings": scale, **properties})
    eventually(lambda: [n.state for n in client.list_nodes("pool")] == ["idle"] * nodes)


def add_job(client: BatchClient, pool: str) -> None:
    """Create the job "job" on *pool*."""
    info = models.BatchPoolInfo(pool_id=pool)
    client.create_job(models.BatchJobCreateOptions(id="job", pool_info=info))


@pytest.fixture
def pool(plain: Emulator, client: BatchClient) -> str:
    """Give the id of a pool with one idle node."""
    add_pool(plain, client)
    return "pool"


@pytest.fixture
def job(client: BatchClient, pool: str) -> str:
    """Give the id of an empty job on that pool."""
    add_job(client, pool)
    return "job"


def ended(client: BatchClient, job: str, task: str) -> Any:
    """Wait for a task's end and return it; Any, as every field of the model may be None."""
    eventually(lambda: client.get_task(job, task).state == "completed")
    return client.get_task(job, task)


def code_of(caught: pytest.ExceptionInfo[HttpResponseError]) -> str:
    """Return the service's code in an error that the client has raised."""
    assert caught.value.error is not None
    return str(caught.value.error.code)


def shell(script: str) -> str:
    """Return the command line that runs *script*, which has no double quotes in it."""
    return f'/bin/sh -c "{script}"'


def run(client: BatchClient, job: str, command: str, **options: Any) -> Any:
    """Run one task to its end."""
    client.create_task(
        job, models.BatchTaskCreateOptions(id="task", command_line=command, **options)
    )
    return ended(client, job, "task")
