"""Files come from storage and go there, as the pool's identity or by signature."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from azure.batch import BatchClient, models
from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas

from tests.emulator import Emulator, Fault
from tests.emulator_tests.conftest import IDENTITY, add_pool, ended, shell, token_client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.emulator.azurite import Azurite

NAME = "a b/ünï '1'.txt"
IDENTITY_REFERENCE = models.BatchNodeIdentityReference(resource_id=IDENTITY)


@pytest.fixture
def blobs(storage: Azurite) -> Iterator[BlobServiceClient]:
    with BlobServiceClient(
        storage.blob_endpoint, storage.credential, connection_verify=storage.ca_file
    ) as made:
        yield made


@pytest.fixture
def container(blobs: BlobServiceClient) -> Iterator[str]:
    """Give the name of a container that holds one blob."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    blobs.create_container(name)
    blobs.get_blob_client(name, NAME).upload_blob(b"hello")
    yield name
    blobs.delete_container(name)


@pytest.fixture
def batch(azure: Emulator, container: str) -> Iterator[BatchClient]:
    """Give a client, with a job on a pool whose identity may use the container."""
    azure.grant(IDENTITY, "Storage Blob Data Contributor", container)
    with token_client(azure) as made:
        add_pool(azure, made, identity=[IDENTITY])
        info = models.BatchPoolInfo(pool_id="pool")
        made.create_job(models.BatchJobCreateOptions(id="job", pool_info=info))
        yield made


def source(url: str, reference: Any = IDENTITY_REFERENCE, name: str = NAME) -> models.ResourceFile:
    return models.ResourceFile(
        http_url=f"{url}/{quote(name)}", file_path="in/source", identity_reference=reference
    )


def target(url: str, pattern: str = "out", **options: Any) -> models.OutputFile:
    condition = options.pop("condition", "tasksuccess")
    place = models.OutputFileBlobContainerDestination(
        container_url=url,
        **{"path": "out.mp3", "identity_reference": IDENTITY_REFERENCE, **options},
    )
    return models.OutputFile(
        file_pattern=pattern,
        destination=models.OutputFileDestination(container=place),
        upload_options=models.OutputFileUploadConfiguration(upload_condition=condition),
    )


def convert(batch: BatchClient, **files: Any) -> Any:
    command = shell("tr a-z A-Z < in/source > out")
    batch.create_task("job", models.BatchTaskCreateOptions(id="t", command_line=command, **files))
    return ended(batch, "job", "t").execution_info


def test_the_pools_identity_reads_and_writes_without_any_secret(
    batch: BatchClient, blobs: BlobServiceClient, container: str, storage: Azurite, azure: Emulator
) -> None:
    url = f"{storage.blob_endpoint}/{container}"
    headers = [models.OutputFileUploadHeader(name="x-ms-blob-content-type", value="audio/mpeg")]
    info = convert(
        batch, resource_files=[source(url)], output_files=[target(url, upload_headers=headers)]
    )
    assert info.result == "success"
    stored = blobs.get_blob_client(container, "out.mp3")
    assert stored.download_blob().readall() == b"HELLO"
    assert stored.get_blob_properties().content_settings.content_type == "audio/mpeg"
    assert not any(b"sig=" in seen.content for seen in azure.requests)


def test_signatures_are_used_as_given(
    batch: BatchClient, blobs: BlobServiceClient, container: str, storage: Azurite
) -> None:
    read = signed(storage, container, ContainerSasPermissions(read=True))
    write = signed(storage, container, ContainerSasPermissions(write=True))
    url = f"{storage.blob_endpoint}/{container}"
    given = models.ResourceFile(http_url=f"{url}/{quote(NAME)}?{read}", file_path="in/source")
    info = convert(
        batch,
        resource_files=[given],
        output_files=[target(f"{url}?{write}", identity_reference=None)],
    )
    assert info.result == "success"
    assert blobs.get_blob_client(container, "out.mp3").download_blob().readall() == b"HELLO"


def signed(storage: Azurite, container: str, may: ContainerSasPermissions, hours: int = 1) -> str:
    now = datetime.now(UTC)
    return generate_container_sas(
        storage.name,
        container,
        account_key=storage.key,
        permission=may,
        start=now - timedelta(hours=2),
        expiry=now + timedelta(hours=hours),
    )


@pytest.mark.parametrize(
    ("reference", "name", "code"),
    [
        (IDENTITY_REFERENCE, "missing", "BlobNotFound"),
        (models.BatchNodeIdentityReference(resource_id="/other"), NAME, "BlobDownloadMiscError"),
    ],
)
def test_an_input_that_cannot_be_had_fails_the_task_before_it_runs(
    batch: BatchClient, container: str, storage: Azurite, reference: Any, name: str, code: str
) -> None:
    url = f"{storage.blob_endpoint}/{container}"
    retrying = models.BatchTaskConstraints(max_task_retry_count=3)
    info = convert(batch, resource_files=[source(url, reference, name)], constraints=retrying)
    assert (info.exit_code, info.failure_info.code) == (None, code)
    assert info.retry_count == 0  # only exit codes are retried


def test_an_expired_signature_is_access_denied(
    batch: BatchClient, container: str, storage: Azurite
) -> None:
    old = signed(storage, container, ContainerSasPermissions(read=True), hours=-1)
    url = f"{storage.blob_endpoint}/{container}/{quote(NAME)}?{old}"
    given = models.ResourceFile(http_url=url, file_path="in/source")
    assert convert(batch, resource_files=[given]).failure_info.code == "BlobAccessDenied"


def test_an_identity_without_the_role_is_denied(
    azure: Emulator, batch: BatchClient, container: str, storage: Azurite
) -> None:
    azure.roles.revoke(IDENTITY)
    url = f"{storage.blob_endpoint}/{container}"
    assert convert(batch, resource_files=[source(url)]).failure_info.code == "BlobAccessDenied"


def test_a_reader_may_not_upload_though_the_program_has_succeeded(
    azure: Emulator, batch: BatchClient, container: str, storage: Azurite
) -> None:
    azure.roles.revoke(IDENTITY)
    azure.grant(IDENTITY, "reader", container)
    url = f"{storage.blob_endpoint}/{container}"
    info = convert(batch, resource_files=[source(url)], output_files=[target(url)])
    assert (info.exit_code, info.result) == (0, "failure")
    assert info.failure_info.code == "FileUploadAccessDenied"


def test_a_whole_container_comes_below_a_folder(
    batch: BatchClient, container: str, storage: Azurite
) -> None:
    url = f"{storage.blob_endpoint}/{container}"
    whole = models.ResourceFile(
        storage_container_url=url,
        file_path="all",
        blob_prefix="a ",
        identity_reference=IDENTITY_REFERENCE,
    )
    command = shell("find all -type f")
    options = models.BatchTaskCreateOptions(id="t", command_line=command, resource_files=[whole])
    batch.create_task("job", options)
    assert ended(batch, "job", "t").execution_info.exit_code == 0
    assert b"".join(batch.download_task_file("job", "t", "stdout.txt")).decode() == f"all/{NAME}\n"


def test_the_logs_of_a_failed_task_are_kept_by_pattern(
    batch: BatchClient, blobs: BlobServiceClient, container: str, storage: Azurite
) -> None:
    url = f"{storage.blob_endpoint}/{container}"
    outputs = [
        target(url, "$AZ_BATCH_TASK_DIR/*.txt", path="logs", condition="taskcompletion"),
        target(url, "missing", condition="taskfailure"),
        target(url, "../stdout.txt", path="never", condition="tasksuccess"),
    ]
    info = convert(batch, output_files=outputs)
    assert info.failure_info.code == "FailureExitCode"
    names = {blob.name for blob in blobs.get_container_client(container).list_blobs()}
    assert names - {NAME} == {
        "logs/stdout.txt",
        "logs/stderr.txt",
        "logs/fileuploadout.txt",
        "logs/fileuploaderr.txt",
    }


def test_a_signature_can_be_made_to_have_expired(
    azure: Emulator, batch: BatchClient, container: str, storage: Azurite
) -> None:
    azure.faults.add(Fault("download", operation="t"))
    url = f"{storage.blob_endpoint}/{container}"
    assert convert(batch, resource_files=[source(url)]).failure_info.code == "BlobAccessDenied"


def test_an_upload_can_be_made_to_fail(
    azure: Emulator, batch: BatchClient, container: str, storage: Azurite
) -> None:
    azure.faults.add(Fault("upload", operation="t", code="FileUploadMiscError"))
    url = f"{storage.blob_endpoint}/{container}"
    info = convert(batch, resource_files=[source(url)], output_files=[target(url)])
    assert (info.exit_code, info.failure_info.code) == (0, "FileUploadMiscError")
