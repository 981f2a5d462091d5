"""A container of media that lie in the cloud already, beside those that are the runner's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from azure.storage.blob import ContainerClient

from tests.cloud import IDENTITY, Cloud

_numbers = count(1)


@dataclass(frozen=True)
class MediaStore:
    """The container, and the cloud whose nodes may read it."""

    cloud: Cloud
    container: ContainerClient

    @property
    def name(self) -> str:
        return str(self.container.container_name)

    @property
    def url(self) -> str:
        """Its address, as HTTP has it."""
        return f"{self.cloud.storage.blob_endpoint}/{self.name}"

    def put(self, name: str, file: Path) -> None:
        """Store *file* as the blob *name*."""
        self.container.upload_blob(name, file.read_bytes(), overwrite=True)


@contextmanager
def media_store(cloud: Cloud, *, is_given: bool = True) -> Iterator[MediaStore]:
    """Make the container; *is_given* says that the stack gives its nodes the right to read it."""
    name = f"media-{next(_numbers)}"
    container = cloud.blobs.create_container(name)
    known = cloud
    if is_given:
        cloud.azure.grant(IDENTITY, "reader", name)
        account = f"/subscriptions/s/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/{cloud.storage.name}"
        given = f"{account}/blobServices/default/containers/{name}"
        known = cloud.with_outputs(read_containers=(given,))
    try:
        yield MediaStore(known, container)
    finally:
        container.delete_container()
