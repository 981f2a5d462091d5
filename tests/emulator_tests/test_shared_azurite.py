"""One Azurite for several processes: each has accounts of its own, and it ends when all have gone."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
from azure.storage.blob import BlobServiceClient

from tests.conftest import until
from tests.emulator.azurite import Azurite, SharedAzurite

pytestmark = [
    pytest.mark.needs_services,
    pytest.mark.skipif(os.name != "posix", reason="it ends with a pipe that has a name"),
]


def owner_of(storage: Azurite) -> BlobServiceClient:
    return BlobServiceClient(
        storage.blob_endpoint, storage.credential, connection_verify=storage.ca_file
    )


def test_it_is_started_once_keeps_its_users_apart_and_ends_after_the_last(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    kept_open = os.open(pipe, os.O_RDWR)
    try:
        with ExitStack() as stack:
            users = [
                stack.enter_context(SharedAzurite(tmp_path, pipe, number)) for number in (1, 2)
            ]
            first, second = (stack.enter_context(owner_of(user)) for user in users)
            first.create_container("ours")
            second.create_container("theirs")
            assert [each.name for each in first.list_containers()] == ["ours"]
            assert [each.name for each in second.list_containers()] == ["theirs"]
        assert listens(users[0]), "others may still use it"
    finally:
        os.close(kept_open)  # as the system does, however a process ends
    until(lambda: not listens(users[0]))


def listens(storage: Azurite) -> bool:
    try:
        requests.get(storage.blob_endpoint, verify=storage.ca_file, timeout=10)
    except requests.ConnectionError:
        return False
    return True
