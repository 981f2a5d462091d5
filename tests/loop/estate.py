"""A user's machine and a stand-in Azure: Pulumi's engine, the provider double, emulators, a shell."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient
from imageio_ffmpeg import get_ffmpeg_exe

from tests.emulator import Emulator
from tests.emulator.azurite import Azurite
from tests.emulator.front import Proxy, Storage
from tests.emulator.process import Start, start_process
from tests.infra.engine import ROOT, Deployment
from tests.warm_runner import start_warm

RUNNER = str(Path(sys.executable).with_name("runner"))
EXAMPLE = ROOT / "Pulumi.dev.yaml"
CONTAINERS = ("input", "output", "tools")
"""Those that a stack makes, by the names that they have where nobody gave others."""

_APT_GET = """#!/bin/bash
# The node's apt-get: installing ffmpeg puts it on the node's PATH.
case "$*" in *install*ffmpeg*) ln -sf {ffmpeg} {folder}/ffmpeg ;; esac
"""


@dataclass
class Estate:
    """What a user has before the first `pulumi up`, and Azure as it stands."""

    folder: Path
    azure: Emulator
    storage: Storage
    deployment: Deployment

    def runner(self, *arguments: str, check: int = 0) -> subprocess.CompletedProcess[str]:
        """Run `runner` in the project's folder, where the stack is selected."""
        return run_warm(arguments, self.deployment.folder, self.environment, check)

    @property
    def environment(self) -> dict[str, str]:
        """What the user's shell has."""
        return {**self.deployment.environment, **self.azure.environment}

    @property
    def blobs(self) -> BlobServiceClient:
        """The storage, as its owner sees it."""
        return owner_of(self.storage)

    def control_api(self, path: str = "") -> dict[str, Any]:
        """What the Batch emulator says of itself, or of one thing in it."""
        address = f"{self.azure.endpoint}/_emulator/{path}".rstrip("/")
        answer = requests.get(address, timeout=10, verify=self.azure.ca_file)
        answer.raise_for_status()
        said: dict[str, Any] = answer.json()
        return said

    def outputs_file(self, folder: Path) -> Path:
        """The stack's outputs as somebody would carry them to another machine."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "outputs.json"
        path.write_text(json.dumps(self.deployment.outputs))
        return path


@contextmanager
def estate(
    folder: Path,
    behind: Azurite,
    *,
    speed: float,
    processes: bool = False,
    front: type[Proxy] | None = None,
    start: Start = start_process,
) -> Iterator[Estate]:
    """Start an emulator and make a project of the example stack; *speed* is the service's clock's.

    The storage is *behind*, perhaps behind a *front*; what the stack makes there goes in the end.
    *processes* is whether Pulumi's engine starts its plugins as processes, and *start* starts what runs
    on the nodes.
    """
    with (
        front(behind) if front else nullcontext(behind) as storage,
        Emulator(
            storage=storage.account,
            certificates=storage.certificates,
            node_path=[node_programs(folder)],
            speed=speed,
            start=start,
        ) as azure,
    ):
        deployment = Deployment(folder / "user", example=EXAMPLE.read_text(), processes=processes)
        deployment.configure(nodeFfmpeg="apt")  # 60 MB less for each test to pack and upload
        deployment.environment |= {
            "PROVIDER_BATCH_URL": azure.endpoint,
            "PROVIDER_BLOB_URL": storage.blob_endpoint,
            "PROVIDER_BLOB_KEY": storage.key,
            "PROVIDER_CA_FILE": azure.ca_file,
        }
        try:
            yield Estate(folder, azure, storage, deployment)
        finally:
            delete_containers(behind, *CONTAINERS)


def node_programs(folder: Path) -> Path:
    """The folder that comes first on the nodes' PATH: without ffmpeg, until the start task installs it."""
    programs = folder / "node"
    programs.mkdir(parents=True)
    for name in ("apt-get", "dpkg"):
        script = programs / name
        script.write_text(_APT_GET.format(ffmpeg=get_ffmpeg_exe(), folder=programs))
        script.chmod(0o755)
    return programs


def owner_of(storage: Storage) -> BlobServiceClient:
    """The storage, as its owner sees it."""
    key = AzureNamedKeyCredential(storage.name, storage.key)
    return BlobServiceClient(storage.blob_endpoint, key, connection_verify=storage.ca_file)


def run_warm(
    words: Sequence[str], folder: Path, environment: Mapping[str, str], check: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run `runner` as a process of its own which need not load Azure's clients; it ends with *check*."""
    running = start_warm(words, folder, environment)
    out, err = running.communicate(timeout=240)
    assert running.returncode == check, out + err
    return subprocess.CompletedProcess(words, check, out, err)


def delete_containers(storage: Storage, *names: str) -> None:
    """Delete those of *names* that there are: others use the storage after this test."""
    with owner_of(storage) as owner:
        for name in names:
            with suppress(ResourceNotFoundError):
                owner.delete_container(name)


def without_home(folder: Path) -> dict[str, str]:
    """The environment of another machine: an empty home, nothing of Pulumi's."""
    folder.mkdir(parents=True, exist_ok=True)
    return {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "PATH": os.defpath}
