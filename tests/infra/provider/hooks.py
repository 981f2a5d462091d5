"""Hand what a deployment makes to the emulators, where they are named in the environment.

PROVIDER_BATCH_URL      the Batch emulator: pools are put to {url}/_emulator/pools/{name} and deleted
PROVIDER_BLOB_URL       Azurite's account: http(s)://host:port/account; containers are made there
PROVIDER_BLOB_KEY       its key
PROVIDER_CA_FILE        a certificate authority that both are to be believed by
"""

import os
from typing import Any

import requests
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient

from tests.infra.provider.names import leaf

POOL = "azure-native:batch:Pool"
CONTAINER = "azure-native:storage:BlobContainer"
SECONDS = 30


def made(token: str, arm_id: str, outputs: dict[str, Any]) -> None:
    """Make in the emulators what has been made, or changed, in the stand-in's Azure."""
    if token == POOL and (url := pool_url(arm_id)):
        requests.put(
            url, json={"id": arm_id, "properties": outputs}, timeout=SECONDS, verify=authority()
        ).raise_for_status()
    if token == CONTAINER and (blobs := blob_service()):
        with blobs:
            try:
                blobs.create_container(leaf(arm_id))
            except ResourceExistsError:
                return  # a PUT is also how a container is updated


def gone(token: str, arm_id: str) -> None:
    """Delete in the emulators what has been deleted."""
    if token == POOL and (url := pool_url(arm_id)):
        requests.delete(url, timeout=SECONDS, verify=authority()).raise_for_status()
    if token == CONTAINER and (blobs := blob_service()):
        with blobs:
            try:
                blobs.delete_container(leaf(arm_id))
            except ResourceNotFoundError:
                return


def pool_url(arm_id: str) -> str | None:
    """Return where the Batch emulator is told of a pool, if there is one."""
    url = os.environ.get("PROVIDER_BATCH_URL")
    return f"{url.rstrip('/')}/_emulator/pools/{leaf(arm_id)}" if url else None


def blob_service() -> BlobServiceClient | None:
    """Return Azurite, if there is one."""
    url = os.environ.get("PROVIDER_BLOB_URL")
    if not url:
        return None
    return BlobServiceClient(
        url, credential=os.environ["PROVIDER_BLOB_KEY"], connection_verify=authority()
    )


def authority() -> str | bool:
    """Return what `verify` of an HTTP client should be."""
    return os.environ.get("PROVIDER_CA_FILE") or True
