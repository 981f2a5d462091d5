"""What an address leads to: which account is meant, and as whom its containers are asked."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from azure.storage.blob import ContainerClient, PublicAccess, generate_container_sas

from runner.addresses import BlobAddress
from runner.azure.accounts import Access, Accounts
from runner.errors import SetupError
from tests.cloud import Cloud

MEDIA = "media-store"


@pytest.fixture
def media_store(cloud: Cloud) -> Iterator[ContainerClient]:
    """A container of the stack's account that is not one of the runner's own, with one blob."""
    with cloud.blobs.create_container(MEDIA) as container:
        container.upload_blob("2026/a.mp4", b"media")
        yield container
        container.delete_container()


def names_in(container: ContainerClient) -> list[str]:
    return list(container.list_blob_names())


def test_a_name_is_first_that_of_a_container_of_the_stack(
    cloud: Cloud, media_store: ContainerClient
) -> None:
    accounts = Accounts(cloud.deployment)
    address = accounts.resolve("az://media-store/2026/")
    assert address == BlobAddress(cloud.storage.blob_endpoint, MEDIA, "2026/")
    assert accounts.ask(address, names_in) == ["2026/a.mp4"]
    assert accounts.resolve(f"{cloud.storage.blob_endpoint}/{MEDIA}/2026/") == address


def test_else_it_is_that_of_an_account(cloud: Cloud, media_store: ContainerClient) -> None:
    address = Accounts(cloud.deployment).resolve(f"az://{cloud.storage.name}/{MEDIA}/2026/")
    assert address == BlobAddress(cloud.storage.blob_endpoint, MEDIA, "2026/")


def test_where_neither_is_there_both_are_named(cloud: Cloud) -> None:
    with pytest.raises(SetupError) as caught:
        Accounts(cloud.deployment).resolve("az://nosuch/films/x.mp4")
    assert "neither a container nosuch in the stack's account" in str(caught.value)
    assert "nor a container films in an account nosuch that you may read" in str(caught.value)


def test_a_signature_is_used_where_it_was_given_and_nowhere_else(
    cloud: Cloud, media_store: ContainerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "wrong")
    key, account = cloud.storage.key, cloud.storage.name
    signature = generate_container_sas(account, MEDIA, key, permission="rl", expiry="2099-01-01")
    address = BlobAddress(cloud.storage.blob_endpoint, MEDIA, "2026/")
    accounts = Accounts(None, {address: signature})
    assert accounts.access(address.named("2026/a.mp4")) is Access.SIGNATURE
    assert accounts.ask(address.named("2026/a.mp4"), names_in) == ["2026/a.mp4"]
    for other in (address.named("2025/a.mp4"), replace(address, container="other")):
        assert accounts.access(other) is Access.SIGN_IN
        assert accounts.signature(other) == ""


def test_what_is_public_needs_no_sign_in(
    cloud: Cloud, media_store: ContainerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in cloud.azure.environment:
        if "CLIENT" in name or "TENANT" in name or "IDENTITY" in name:
            monkeypatch.delenv(name)
    address = BlobAddress(cloud.storage.blob_endpoint, MEDIA)
    accounts = Accounts(None)
    media_store.set_container_access_policy({}, public_access=PublicAccess.CONTAINER)
    assert accounts.ask(address, names_in) == ["2026/a.mp4"]
    assert accounts.access(address) is Access.PUBLIC
