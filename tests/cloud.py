"""A stand-in cloud for the runner: the Batch emulator, Azurite beside it, a pool, and a stack's outputs."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from azure.batch import BatchClient
from azure.batch.models import BatchTask
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import BlobServiceClient
from imageio_ffmpeg import get_ffmpeg_exe

from runner.azure.deployment import OUTPUTS_SCHEMA, Deployment
from runner.azure.pools import Pool
from tests.conftest import until
from tests.emulator import Emulator, Fault, Settings, VirtualTasks
from tests.emulator.azurite import Azurite
from tests.emulator.front import Storage
from tests.emulator.process import Start, start_process
from tests.plain_storage import PlainStorage

IDENTITY = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/"
    "Microsoft.ManagedIdentity/userAssignedIdentities/nodes"
)
POOL = "ffmpeg"
_FACTS: dict[str, Any] = {
    "vm_size": "Standard_D2ads_v5",
    "task_slots": 2,
    "purpose": "",
    "max_nodes": 2,
    "autoscale_minutes": 5,
}
_PROPERTIES: dict[str, Any] = {
    "vmSize": _FACTS["vm_size"],
    "taskSlotsPerNode": _FACTS["task_slots"],
    "identity": [IDENTITY],
}
_numbers = count(1)


@dataclass(frozen=True)
class Cloud:
    """What a test needs of the stand-in cloud."""

    azure: Emulator
    storage: Storage
    deployment: Deployment
    batch: BatchClient
    """A client with a token of its own."""
    blobs: BlobServiceClient
    """A client with the account's key, for looking at what is there."""
    plain: PlainStorage
    """The same account, for what needs no more of it."""
    _read: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    """What was read so far, by container, name and ETag: most is looked at again and again."""

    def environment(self, folder: Path) -> dict[str, str]:
        """Variables with which a `runner` of its own process finds this cloud and signs in."""
        outputs = folder / "outputs.json"
        outputs.write_text(json.dumps(asdict(self.deployment)))
        return {**os.environ, **self.azure.environment, "RUNNER_OUTPUTS": str(outputs)}

    def fault(self, kind: Any, operation: str = "*", **details: Any) -> None:
        """Have the service, or its nodes, misbehave."""
        self.azure.faults.add(Fault(kind, operation, **details))

    def stored(
        self, container: str, wanted: Callable[[str], object] = lambda _: True
    ) -> dict[str, bytes]:
        """What is *wanted*, by its name, of what lies in *container*: "input", "output" or "tools"."""
        listed = self.listed(container)
        return self.read(container, {name: listed[name] for name in listed if wanted(name)})

    def listed(self, container: str) -> dict[str, str]:
        """The ETags of what lies in *container*, by name, in order."""
        return self.plain.listed(self.container(container))

    def read(self, container: str, listed: dict[str, str]) -> dict[str, bytes]:
        """The content of what was *listed* in *container*."""
        for name, etag in listed.items():
            if (container, name, etag) not in self._read:
                content = self.plain.read(self.container(container), name)
                assert content is not None, f"{name} is gone"
                self._read[container, name, etag] = content
        return {name: self._read[container, name, etag] for name, etag in listed.items()}

    def names(self, container: str) -> list[str]:
        """The names of what lies in *container*."""
        return list(self.listed(container))

    def container(self, purpose: str) -> str:
        """The name of the container for a purpose."""
        return str(getattr(self.deployment, f"{purpose}_container"))

    def jobs(self) -> dict[str, str]:
        """The state of each job, by its id."""
        return {str(job.id): str(getattr(job.state, "value", "")) for job in self.batch.list_jobs()}

    def tasks(self) -> list[BatchTask]:
        """All tasks of all jobs."""
        return [task for job in self.jobs() for task in self.batch.list_tasks(job)]

    def attempts(self) -> Counter[str]:
        """How many tasks there are for each conversion."""
        return Counter(str(task.id).partition("-a")[0] for task in self.tasks())

    def calls(self, *operations: str) -> int:
        """How many requests there were so far for any of *operations*."""
        return sum(seen.operation in operations for seen in self.azure.requests)

    def resize(self, nodes: int, *, spot: int = 0) -> None:
        """Give the pool another size, as `pulumi up` does."""
        until(lambda: self.batch.get_pool(POOL).allocation_state == "steady")
        self.azure.put_pool(POOL, **_PROPERTIES, scaleSettings=fixed(nodes, spot=spot))

    def without_identity(self, nodes: int = 1) -> "Cloud":
        """The same cloud with a pool whose nodes need signed addresses."""
        self.azure.put_pool(
            "plain", **{**_PROPERTIES, "identity": None}, scaleSettings=fixed(nodes)
        )
        return self.with_pool(id="plain").with_outputs(pool_identity_id="")

    def with_outputs(self, **outputs: Any) -> "Cloud":
        """The same cloud with other outputs of its stack."""
        return replace(self, deployment=replace(self.deployment, **outputs))

    def with_pool(self, **facts: Any) -> "Cloud":
        """The same cloud with other outputs about its pool."""
        return self.with_outputs(pools=(replace(self.deployment.pool, **facts),))

    def with_pools(self, *names: str) -> "Cloud":
        """The same cloud with pools of these names, each with one node; the first is the default."""
        for name in names:
            self.azure.put_pool(f"{POOL}-{name}", **{**_PROPERTIES, "scaleSettings": fixed(1)})
        for name in names:
            until(lambda: self.batch.get_pool(f"{POOL}-{name}").allocation_state == "steady")  # noqa: B023 - at once
        return self.with_outputs(
            pools=tuple(
                Pool(**_FACTS, id=f"{POOL}-{name}", name=name, default=name == names[0])
                for name in names
            )
        )


def fixed(nodes: int, *, spot: int = 0) -> dict[str, Any]:
    """ARM's words for a pool of fixed size."""
    return {"fixedScale": {"targetDedicatedNodes": nodes, "targetLowPriorityNodes": spot}}


@contextmanager
def stand_in_cloud(
    work: Path,
    *,
    storage: Storage | None = None,
    speed: float = 60.0,
    ffmpeg: Path | None = None,
    settings: Settings | None = None,
    virtual_tasks: VirtualTasks | None = None,
    start: Start = start_process,
    **pool: Any,
) -> Iterator[Cloud]:
    """Start the emulators, make the containers, and put a pool in place as ARM does.

    *storage* is one that runs already; *speed* is how fast the service's clock goes; *ffmpeg* is that of
    the nodes, *virtual_tasks* have nothing run there at all, and *start* starts what runs; *settings* are
    those of the account; *pool* are ARM's properties of the pool.
    """
    programs = work / "node-programs"
    programs.mkdir(parents=True, exist_ok=True)
    (programs / "ffmpeg").symlink_to(ffmpeg or get_ffmpeg_exe())
    beside: AbstractContextManager[Storage] = nullcontext(storage) if storage else Azurite()
    with (
        beside as stored,
        Emulator(
            settings=settings,
            virtual_tasks=virtual_tasks,
            start=start,
            storage=stored.account,
            certificates=stored.certificates,
            node_path=[programs],
            speed=speed,
        ) as azure,
        _clients(azure, stored) as clients,
    ):
        cloud = Cloud(azure, stored, _deployment(azure, stored, next(_numbers)), *clients)
        with _containers(cloud):
            azure.put_pool(POOL, **{**_PROPERTIES, "scaleSettings": fixed(1), **pool})
            until(lambda: azure.pool(POOL)["allocationState"] == "steady")
            yield cloud


@contextmanager
def _clients(
    azure: Emulator, storage: Storage
) -> Iterator[tuple[BatchClient, BlobServiceClient, PlainStorage]]:
    key = AzureNamedKeyCredential(storage.name, storage.key)
    # threads of tests use these while commands change the environment of this process
    trusted: dict[str, Any] = {"connection_verify": storage.ca_file, "use_env_settings": False}
    with (
        BatchClient(azure.endpoint, azure.credential, **trusted) as batch,
        BlobServiceClient(storage.blob_endpoint, key, **trusted) as blobs,
        closing(PlainStorage(storage)) as plain,
    ):
        yield batch, blobs, plain


@contextmanager
def _containers(cloud: Cloud) -> Iterator[None]:
    """Make the stack's containers, with the nodes' rights to them, and delete them at the end."""
    for purpose, role in (("input", "reader"), ("tools", "reader"), ("output", "contributor")):
        cloud.plain.create(cloud.container(purpose))
        cloud.azure.grant(IDENTITY, role, cloud.container(purpose))
    try:
        yield
    finally:
        for purpose in ("input", "tools", "output"):
            cloud.plain.delete(cloud.container(purpose))


def _deployment(azure: Emulator, storage: Storage, number: int) -> Deployment:
    return Deployment(
        outputs_schema=OUTPUTS_SCHEMA,
        subscription_id="00000000-0000-0000-0000-000000000000",
        resource_group="rg",
        location="westeurope",
        batch_account=azure.account,
        batch_endpoint=azure.endpoint,
        pool_allocation_mode="UserSubscription",
        pools=(Pool(**_FACTS, id=POOL, name="", default=True),),
        pool_identity_id=IDENTITY,
        storage_account=storage.name,
        blob_endpoint=storage.blob_endpoint,
        # of this cloud alone, as many may share one storage
        input_container=f"input-{number}",
        output_container=f"output-{number}",
        tools_container=f"tools-{number}",
        storage_sku_name="Hot LRS",
        soft_delete_days=7,
    )
