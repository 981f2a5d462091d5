"""A container of media that lie in the cloud already, beside those that are the runner's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import BlobServiceClient, ContainerClient

from tests.cloud import IDENTITY, Cloud
from tests.emulator.storage import StorageAccount

_numbers = count(1)


@dataclass(frozen=True)
class MediaStore:
    """The container, and the cloud whose nodes may read it."""

    cloud: Cloud
    container: ContainerClient
    account: StorageAccount

    @property
    def name(self) -> str:
        return str(self.container.container_name)

    @property
    def url(self) -> str:
        """Its address, as HTTP has it."""
        return f"{self.account.blob_endpoint}/{self.name}"

    def put(self, name: str, file: Path) -> None:
        """Store *file* as the blob *name*."""
        self.container.upload_blob(name, file.read_bytes(), overwrite=True)


@contextmanager
def media_store(
    cloud: Cloud, *, is_given: bool = True, account: StorageAccount | None = None
) -> Iterator[MediaStore]:
    """Make the container, by default in the stack's account; *is_given* says that the stack gives its nodes the right to read it."""
    account = account or cloud.storage.account
    name = f"media-{next(_numbers)}"
    with owner_of(account) as blobs:
        container = blobs.create_container(name)
        known = cloud
        if is_given:
            cloud.azure.grant(IDENTITY, "reader", name)
            known = cloud.with_outputs(read_containers=(arm_id(account, name),))
        try:
            yield MediaStore(known, container, account)
        finally:
            container.delete_container()


def owner_of(account: StorageAccount) -> BlobServiceClient:
    """The account, as its owner sees it."""
    key = AzureNamedKeyCredential(account.name, account.key)
    return BlobServiceClient(account.blob_endpoint, key, connection_verify=str(account.ca_file))


def arm_id(account: StorageAccount, container: str) -> str:
    """The id of a container, as configuration names it."""
    storage = "/subscriptions/s/resourceGroups/r/providers/Microsoft.Storage/storageAccounts"
    return f"{storage}/{account.name}/blobServices/default/containers/{container}"
