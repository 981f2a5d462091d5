"""Principals, their roles, and what each operation needs of them; at the storage in front of Azurite too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.batch import BatchClient
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient

from tests.emulator.auth import EmulatedCredential
from tests.emulator.front import StorageFront
from tests.emulator.rights import Rights
from tests.emulator.roles import (
    BATCH,
    BLOBS,
    Need,
    UnknownRoleError,
    batch_need,
    find_role,
    storage_need,
)
from tests.emulator.server import ROUTES
from tests.emulator_tests.conftest import code_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.emulator import Emulator
    from tests.emulator.azurite import Azurite

SOMEBODY = "0a0a0a0a-0000-0000-0000-000000000001"
GROUP = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg"
STORE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/devstoreaccount1"
READER, SUBMITTER = "Azure Batch Account Reader", "Azure Batch Job Submitter"
OPERATIONS = [(route.method, "/" + "/".join(route.parts)) for route in ROUTES if not route.public]


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("Azure Batch Account Contributor", lambda _method, _path: True),
        (READER, lambda method, _path: method in ("GET", "HEAD")),
        (
            SUBMITTER,
            lambda method, path: (
                path.startswith("/job")
                or (path.startswith(("/pools", "/applications")) and method in ("GET", "HEAD"))
            ),
        ),
        (
            "Azure Batch Data Contributor",
            lambda method, path: not path.startswith("/n") or method == "GET",
        ),
        ("Owner", lambda _method, path: not path.startswith("/job")),
        ("Storage Blob Data Owner", lambda _method, _path: False),
    ],
)
def test_a_role_allows_these_operations_and_no_others(role: str, allowed: Any) -> None:
    found = {each for each in OPERATIONS if find_role(role).allows(batch_need(*each))}
    assert found == {each for each in OPERATIONS if allowed(*each)}


@pytest.mark.parametrize(
    ("method", "path", "query", "action"),
    [
        ("PUT", True, {}, "containers/blobs/write"),
        ("PUT", True, {"comp": "block"}, "containers/blobs/write"),
        ("GET", True, {}, "containers/blobs/read"),
        ("HEAD", True, {}, "containers/blobs/read"),
        ("DELETE", True, {}, "containers/blobs/delete"),
        ("PUT", True, {"comp": "tags"}, "containers/blobs/tags/write"),
        ("GET", False, {"restype": "container", "comp": "list"}, "containers/blobs/read"),
        ("GET", False, {"restype": "container"}, "containers/read"),
        ("PUT", False, {"restype": "container"}, "containers/write"),
        ("GET", False, {"comp": "list"}, "containers/read"),
        (
            "POST",
            False,
            {"restype": "service", "comp": "userdelegationkey"},
            "generateUserDelegationKey/action",
        ),
    ],
)
def test_what_a_request_to_the_storage_needs(
    method: str, path: bool, query: dict[str, str], action: str
) -> None:
    need = storage_need(method, is_blob=path, query=query)
    assert need == Need(action=f"{BLOBS}/{action}", on_data="blobs/" in action)


@pytest.mark.parametrize("called", ["king", "", "11076f67-66f6-4be0-8f6b-f0609fd05cc8"])
def test_an_unknown_role_is_refused(called: str) -> None:
    with pytest.raises(UnknownRoleError):
        Rights().assign(SOMEBODY, called, GROUP)


@pytest.mark.parametrize(
    ("scope", "reaches"),
    [
        (GROUP, True),
        (GROUP.upper() + "/", True),
        (f"{GROUP}/providers/Microsoft.Batch/batchAccounts/emulated", True),
        (f"{GROUP}/providers/Microsoft.Batch/batchAccounts/emu", False),
        (f"{GROUP}/providers/Microsoft.Batch/batchAccounts/emulated/pools/p", False),
        ("/subscriptions/other", False),
    ],
)
def test_a_role_reaches_its_scope_and_what_is_in_it(scope: str, reaches: bool) -> None:
    rights = Rights()
    rights.assign(SOMEBODY, READER, scope)
    need = Need(action=f"{BATCH}/read", on_data=False)
    account = f"{GROUP}/providers/Microsoft.Batch/batchAccounts/emulated"
    assert rights.allows(SOMEBODY.upper(), need, account) is reaches
    rights.revoke(SOMEBODY)
    assert not rights.allows(SOMEBODY, need, account)


def test_batch_knows_who_calls(azure: Emulator) -> None:
    with BatchClient(
        azure.endpoint,
        EmulatedCredential(principal=SOMEBODY),
        connection_verify=azure.ca_file,
        retry_total=0,
    ) as client:
        with pytest.raises(HttpResponseError) as caught:
            list(client.list_jobs())
        assert (caught.value.status_code, code_of(caught)) == (403, "PermissionDenied")
        azure.rights.assign(SOMEBODY, SUBMITTER, azure.settings.resource_id)
        assert list(client.list_jobs()) == []
        with pytest.raises(HttpResponseError):
            list(client.list_supported_images())


@pytest.fixture
def front(storage: Azurite) -> Iterator[StorageFront]:
    with StorageFront(storage, Rights(), STORE) as running:
        yield running


def test_the_storage_knows_who_calls(front: StorageFront) -> None:
    mine = f"{STORE}/blobServices/default/containers/mine"
    front.rights.assign(SOMEBODY, "Storage Blob Data Contributor", mine)
    owner = BlobServiceClient(
        front.blob_endpoint, EmulatedCredential(), connection_verify=front.ca_file
    )
    somebody = BlobServiceClient(
        front.blob_endpoint,
        EmulatedCredential(principal=SOMEBODY),
        connection_verify=front.ca_file,
    )
    with owner, somebody:
        for name in ("mine", "others"):
            owner.create_container(name)
        somebody.get_blob_client("mine", "a").upload_blob(b"x")
        assert list(somebody.get_container_client("mine").list_blob_names()) == ["a"]
        for refused in (
            lambda: somebody.get_blob_client("others", "a").upload_blob(b"x"),
            lambda: list(somebody.get_container_client("others").list_blob_names()),
            lambda: list(somebody.list_containers()),
            lambda: somebody.create_container("more"),
        ):
            with pytest.raises(HttpResponseError) as caught:
                refused()
            assert getattr(caught.value, "error_code", "") == "AuthorizationPermissionMismatch"
        for name in ("mine", "others"):
            owner.delete_container(name)
