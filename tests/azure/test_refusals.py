"""Refusals of Azure, over HTTP: each code is told with its own cause and remedy."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from azure.batch import BatchClient
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import BlobServiceClient

from runner.azure.blobs import Blobs
from runner.azure.jobs import Jobs
from runner.errors import ExitCode, RunnerError
from tests.emulator import Emulator, Fault
from tests.emulator.auth import EmulatedCredential
from tests.emulator.azurite import Azurite
from tests.emulator.fixtures import azure
from tests.emulator.front import StorageFront
from tests.emulator.rights import Rights

__all__ = ["azure"]


@pytest.fixture
def front(storage: Azurite) -> Iterator[StorageFront]:
    with StorageFront(storage, Rights(), "/store") as running:
        yield running


@pytest.fixture
def blobs(front: StorageFront) -> Iterator[Blobs]:
    with BlobServiceClient(
        front.blob_endpoint, EmulatedCredential(), connection_verify=front.ca_file, retry_total=0
    ) as client:
        yield Blobs(client)


def upload(blobs: Blobs) -> str:
    """What an upload that is refused ends with."""
    with pytest.raises(RunnerError) as caught:
        blobs.put("input", "a", b"x")
    assert caught.value.exit_code is ExitCode.ENVIRONMENT
    return str(caught.value)


@pytest.mark.parametrize(
    ("code", "cause", "remedy"),
    [
        ("AuthorizationFailure", "the storage account's firewall", "`storageAllowedIps`"),
        ("AuthorizationFailure", "the storage account's firewall", "`publicNetworkAccess: false`"),
        (
            "AuthorizationPermissionMismatch",
            "you are signed in without permission",
            'the role "Storage Blob Data Contributor" on the container',
        ),
        ("AuthorizationSourceIPMismatch", "for another IP address", "use the network"),
        (
            "KeyBasedAuthenticationNotPermitted",
            "does not accept keys",
            "sign in instead: run `az login`",
        ),
        ("AccountIsDisabled", "the account is disabled", "the subscription may be disabled"),
        ("AuthenticationFailed", "the sign-in was not accepted", "run `az login`"),
        ("InsufficientAccountPermissions", "is read-only", "failing over"),
        ("InvalidAuthenticationInfo", "the sign-in was not accepted", "`--tenant`"),
        ("NoAuthenticationInformation", "not signed in", "run `az login`"),
        ("PublicAccessNotPermitted", "the sign-in was not sent", "run `az login`"),
    ],
)
def test_a_refusal_of_the_storage_is_told_by_its_code(
    front: StorageFront, blobs: Blobs, code: str, cause: str, remedy: str
) -> None:
    front.refuses = code
    said = upload(blobs)
    assert said.startswith("uploading a: ")
    assert f"{cause}" in said.partition(f" ({code}); ")[0]
    assert remedy in said.partition(f" ({code}); ")[2]
    assert "\n" not in said
    assert ("role" in said) == (code == "AuthorizationPermissionMismatch")


@pytest.mark.parametrize(("minutes", "side"), [(45, "behind"), (-45, "ahead of")])
@pytest.mark.parametrize("code", ["AuthenticationFailed", "InvalidAuthenticationInfo"])
def test_a_clock_that_is_wrong_is_told_from_the_answers_own_date(
    front: StorageFront, blobs: Blobs, minutes: int, side: str, code: str
) -> None:
    there = datetime.now(UTC) + timedelta(minutes=minutes)
    front.refuses, front.headers = code, {"Date": format_datetime(there, usegmt=True)}
    said = upload(blobs)
    assert f"this machine's clock is 45 min {side} Azure's" in said
    assert "set the clock" in said
    front.headers = {"Date": "yesterday"}
    assert "clock" not in upload(blobs)


@pytest.mark.parametrize(
    ("status", "code", "cause", "remedy"),
    [
        (403, "RequestForbiddenByNetworkAcl", "blocks this network", "network access"),
        (403, "RequestForbiddenByNetworkAcl", "blocks this network", "private endpoints"),
        # whether Batch says so of a missing role is not known
        (
            403,
            "AuthenticationFailed",
            "you are signed in without permission",
            '"Azure Batch Job Submitter"',
        ),
        (401, "AuthenticationFailed", "not signed in", "run `az login`"),
        (401, "InvalidAuthenticationInfo", "the sign-in was not accepted", "`--tenant`"),
        (403, "InsufficientAccountPermissions", "the Batch account does not", "in the portal"),
        (403, "AccountIsDisabled", "the account is disabled", "may be disabled or unpaid"),
        (
            403,
            "PermissionDenied",
            "you are signed in without permission",
            '"Azure Batch Job Submitter"',
        ),
        (
            403,
            "SomethingNew",
            "you are signed in without permission",
            '"Azure Batch Job Submitter"',
        ),
    ],
)
def test_a_refusal_of_batch_is_told_by_its_code(
    azure: Emulator, status: int, code: str, cause: str, remedy: str
) -> None:
    azure.faults.add(Fault("status", "get_pool", status=status, code=code))
    with (
        BatchClient(azure.endpoint, azure.credential, connection_verify=azure.ca_file) as client,
        pytest.raises(RunnerError) as caught,
    ):
        Jobs(client, "pool").pool.get()
    said = str(caught.value)
    assert caught.value.exit_code is ExitCode.ENVIRONMENT
    assert cause in said.partition(f" ({code}); ")[0]
    assert remedy in said.partition(f" ({code}); ")[2]
    assert any(note.startswith("request id ") for note in caught.value.__notes__)


def test_a_key_that_is_not_accepted_is_told_as_a_key(
    azure: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = AzureNamedKeyCredential(azure.account, azure.key[:-8] + "AAAAAA==")
    monkeypatch.setenv("RUNNER_BATCH_KEY", wrong.named_key.key)
    with (
        BatchClient(azure.endpoint, wrong, connection_verify=azure.ca_file) as client,
        pytest.raises(RunnerError) as caught,
    ):
        Jobs(client, "pool").pool.get()
    assert "the key in RUNNER_BATCH_KEY was not accepted" in str(caught.value)
    assert wrong.named_key.key not in str(caught.value)
