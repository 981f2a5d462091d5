"""A node of the emulated pool runs the program's own start task, and takes ffmpeg from storage as itself."""

import hashlib
import lzma
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.batch import BatchClient

from infra.start_task import (
    COMMAND,
    IDENTITY,
    OUTPUT_URL,
    TOOLS_URL,
    VARIABLE,
    Paths,
    Patience,
    Source,
    encoded,
    start_task_script,
)
from tests.emulator import Emulator
from tests.emulator.azurite import Azurite
from tests.emulator.front import StorageFront
from tests.emulator.ids import made_up_id
from tests.emulator.rights import Rights
from tests.emulator_tests.conftest import IDENTITY as NODE
from tests.emulator_tests.conftest import eventually
from tests.loop.estate import owner_of

STORE = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/store"
SCOPE = f"{STORE}/blobServices/default/containers"
# It is what the start task tries it for: a program that starts, and whose proof is not empty.
FFMPEG = b"""#!/bin/sh
: > "$0.ran"
for last; do :; done
case $last in *.mp3) echo proof > "$last" ;; esac
"""
SHA256 = hashlib.sha256(FFMPEG).hexdigest()
ENOUGH = Patience(budget=100, install=60)
ONCE = Patience(budget=15, install=15, pause=15)
"""One attempt, and then the budget is spent."""
PROGRAMS = "base64 bash date mktemp mv rm sleep timeout".split()  # noqa: SIM905 -- a list of words


@dataclass(frozen=True)
class Pool:
    """A pool whose nodes look for ffmpeg in storage and nowhere else."""

    azure: Emulator
    front: StorageFront
    rights: Rights
    storage: Azurite
    installed: Path

    def allow(self, role: str, container: str) -> None:
        self.rights.assign(made_up_id(NODE, "principal"), role, f"{SCOPE}/{container}")

    def put(self, program: bytes) -> None:
        with owner_of(self.storage) as owner:
            owner.get_blob_client("tools", f"ffmpeg-{SHA256}.xz").upload_blob(
                lzma.compress(program)
            )

    def log(self) -> str:
        with owner_of(self.storage) as owner:
            container = owner.get_container_client("output")
            (name,) = [
                each.name for each in container.list_blobs() if each.name.endswith("stderr.txt")
            ]
            return container.download_blob(name).readall().decode()

    def path(self) -> str:
        """What a node without ffmpeg has, whatever this machine has; and where it is put."""
        folder = self.installed.parent
        folder.mkdir()
        for name in PROGRAMS:
            found = shutil.which(name)
            assert found, name
            (folder / name).symlink_to(found)
        (folder / "python3").symlink_to(sys.executable)
        return str(folder)

    def node_becomes(self, state: str, patience: Patience) -> None:
        """Start one node, and wait for what becomes of it."""
        settings = {
            "PATH": self.path(),
            VARIABLE: encoded(
                start_task_script(
                    Source(embedded=SHA256),
                    patience,
                    Paths(apt="/nowhere", ffmpeg=str(self.installed)),
                )
            ),
            IDENTITY: made_up_id(NODE, "client"),
            TOOLS_URL: f"{self.front.blob_endpoint}/tools",
            OUTPUT_URL: f"{self.front.blob_endpoint}/output",
        }
        self.azure.put_pool(
            "pool",
            identity=[NODE],
            scaleSettings={"fixedScale": {"targetDedicatedNodes": 1}},
            startTask={
                "commandLine": COMMAND,
                "environmentSettings": [{"name": n, "value": v} for n, v in settings.items()],
                "waitForSuccess": True,
            },
        )
        azure = self.azure
        with BatchClient(
            azure.endpoint, azure.credential, connection_verify=azure.ca_file
        ) as client:
            eventually(lambda: [n.state for n in client.list_nodes("pool")] == [state], seconds=120)


@pytest.fixture
def pool(storage: Azurite, tmp_path: Path) -> Iterator[Pool]:
    rights = Rights()
    with (
        StorageFront(storage, rights, STORE) as front,
        Emulator(
            storage=front.account,
            certificates=front.certificates,
            rights=rights,
            speed=60,
        ) as azure,
        owner_of(storage) as owner,
    ):
        for container in ("output", "tools"):
            owner.create_container(container)
        yield Pool(azure, front, rights, storage, tmp_path / "bin" / "ffmpeg")
        for container in ("output", "tools"):
            owner.delete_container(container)


def test_a_node_takes_ffmpeg_from_storage_as_the_pools_identity(pool: Pool) -> None:
    pool.allow("Storage Blob Data Reader", "tools")
    pool.allow("Storage Blob Data Contributor", "output")
    pool.put(FFMPEG)
    pool.node_becomes("idle", ENOUGH)
    assert pool.installed.read_bytes() == FFMPEG
    assert "start task: ready" in pool.log()


def test_another_binary_than_the_pinned_one_is_not_run(pool: Pool) -> None:
    pool.allow("Storage Blob Data Reader", "tools")
    pool.allow("Storage Blob Data Contributor", "output")
    pool.put(FFMPEG + b"# and more\n")
    pool.node_becomes("starttaskfailed", ONCE)
    assert "the hash is" in pool.log()
    assert list(pool.installed.parent.glob("ffmpeg*")) == []


def test_without_its_role_a_node_gets_nothing_and_says_so(pool: Pool) -> None:
    pool.allow("Storage Blob Data Contributor", "output")
    pool.put(FFMPEG)
    pool.node_becomes("starttaskfailed", ONCE)
    assert "403 AuthorizationPermissionMismatch" in pool.log()
