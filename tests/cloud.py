"""A stand-in cloud for the runner: the Batch emulator, Azurite beside it, a pool, and a stack's outputs."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from azure.batch import BatchClient
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import BlobServiceClient
from imageio_ffmpeg import get_ffmpeg_exe

from runner.azure.deployment import Deployment
from tests.emulator import Emulator
from tests.emulator.azurite import Azurite

IDENTITY = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/"
    "Microsoft.ManagedIdentity/userAssignedIdentities/nodes"
)
CONTAINERS = ("input", "output", "tools")
POOL = "ffmpeg"


@dataclass(frozen=True)
class Cloud:
    """What a test needs of the stand-in cloud."""

    azure: Emulator
    storage: Azurite
    deployment: Deployment

    @property
    def batch(self) -> BatchClient:
        """A client with a token of its own."""
        return BatchClient(
            self.azure.endpoint, self.azure.credential, connection_verify=self.azure.ca_file
        )

    @property
    def blobs(self) -> BlobServiceClient:
        """A client with the account's key, for looking at what is there."""
        key = AzureNamedKeyCredential(self.storage.name, self.storage.key)
        return BlobServiceClient(
            self.storage.blob_endpoint, key, connection_verify=self.azure.ca_file
        )

    def environment(self, folder: Path) -> dict[str, str]:
        """Variables with which a `runner` of its own process finds this cloud and signs in."""
        outputs = folder / "outputs.json"
        outputs.write_text(json.dumps(asdict(self.deployment)))
        return {**os.environ, **self.azure.environment, "RUNNER_OUTPUTS": str(outputs)}

    def blob_names(self, container: str) -> list[str]:
        """The names of all blobs in *container*."""
        return list(self.blobs.get_container_client(container).list_blob_names())

    def without_identity(self) -> "Cloud":
        """The same cloud with a pool whose nodes need signed addresses."""
        self.azure.put_pool("plain", taskSlotsPerNode=2, scaleSettings=fixed(1))
        deployment = replace(self.deployment, pool_id="plain", pool_identity_id="")
        return replace(self, deployment=deployment)


def fixed(nodes: int, *, spot: int = 0) -> dict[str, Any]:
    """ARM's words for a pool of fixed size."""
    return {"fixedScale": {"targetDedicatedNodes": nodes, "targetLowPriorityNodes": spot}}


@contextmanager
def stand_in_cloud(work: Path, *, speed: float = 60.0, **pool: Any) -> Iterator[Cloud]:
    """Start the emulators, make the containers, and put a pool in place as ARM does.

    *speed* is how fast the service's clock goes; *pool* are ARM's properties of it.
    """
    programs = work / "node-programs"
    programs.mkdir(parents=True, exist_ok=True)
    (programs / "ffmpeg").symlink_to(get_ffmpeg_exe())
    with (
        Azurite() as storage,
        Emulator(
            storage=storage.account,
            certificates=storage.certificates,
            node_path=[programs],
            speed=speed,
        ) as azure,
    ):
        cloud = Cloud(azure, storage, _deployment(azure, storage))
        for container in CONTAINERS:
            cloud.blobs.create_container(container)
        azure.grant(IDENTITY, "reader", "input")
        azure.grant(IDENTITY, "reader", "tools")
        azure.grant(IDENTITY, "contributor", "output")
        properties = {"taskSlotsPerNode": 2, "scaleSettings": fixed(1), "identity": [IDENTITY]}
        azure.put_pool(POOL, **{**properties, **pool})
        yield cloud


def _deployment(azure: Emulator, storage: Azurite) -> Deployment:
    return Deployment(
        outputs_schema=1,
        subscription_id="00000000-0000-0000-0000-000000000000",
        resource_group="rg",
        location="westeurope",
        batch_account=azure.account,
        batch_endpoint=azure.endpoint,
        pool_allocation_mode="UserSubscription",
        pool_id=POOL,
        pool_vm_size="Standard_D2ads_v5",
        pool_task_slots=2,
        pool_max_nodes=2,
        pool_identity_id=IDENTITY,
        storage_account=storage.name,
        blob_endpoint=storage.blob_endpoint,
        input_container="input",
        output_container="output",
        tools_container="tools",
        autoscale_minutes=5,
    )
