"""`pulumi up` that lets nodes into two containers, and a run from the one to the other that another machine ends."""

import shutil
import subprocess
from pathlib import Path

from tests.conftest import until
from tests.emulator.azurite import Azurite
from tests.loop.estate import Estate, delete_containers, estate, run_warm, without_home
from tests.media import Media
from tests.warm_python import WarmPython
from tests.watched import Watched


def make_containers(ours: Estate, *names: str) -> list[str]:
    """Make containers of the user's own in the stack's storage account; return their ids."""
    (account,) = ours.deployment.world.of("azure-native:storage:StorageAccount")
    ids = [f"{account['id']}/blobServices/default/containers/{name}" for name in names]
    token = "azure-native:storage:BlobContainer"
    with ours.deployment.store.open() as world, ours.blobs as blobs:
        for name, arm_id in zip(names, ids, strict=True):
            blobs.create_container(name)
            world.resources[arm_id.lower()] = {"token": token, "id": arm_id, "inputs": {}}
    return ids


def results_of(ours: Estate) -> set[str]:
    """The results under their final names, without what is runner's own."""
    with ours.blobs as blobs:
        names = set(blobs.get_container_client("mp3").list_blob_names())
    return {name for name in names if "/.runner/" not in name}


def test_media_in_storage_are_converted_there_though_the_laptop_never_comes_back(
    pulumi: None, storage: Azurite, warm_python: WarmPython, media: Media, tmp_path: Path
) -> None:
    start = warm_python.start
    with estate(tmp_path / "azure", storage, speed=300, front=Watched, start=start) as ours:
        ours.deployment.up()
        films, mp3 = make_containers(ours, "films", "mp3")
        ours.deployment.up(readContainers=[films], writeContainers=[mp3])
        outputs = ours.outputs_file(tmp_path)
        with ours.blobs as blobs:
            for name in ("2026/A Talk.wav", "b/ü 🎧.wav"):
                blobs.get_blob_client("films", name).upload_blob(media("8-bit.wav").read_bytes())
        front = ours.storage
        assert isinstance(front, Watched)
        front.passed.clear()
        laptop = tmp_path / "laptop"
        words = ("--outputs", str(outputs), "-o", "az://mp3/talks")

        def on(machine: Path, *command: str) -> subprocess.CompletedProcess[str]:
            machine.mkdir(exist_ok=True)
            environment = {**without_home(machine / "home"), **ours.azure.environment}
            return run_warm((*command, *words), machine, environment)

        run = on(laptop, "convert", "az://films", "--detach").stdout.strip()
        shutil.rmtree(laptop)
        until(lambda: results_of(ours) == {"talks/2026/A Talk.mp3", "talks/b/ü 🎧.mp3"}, 60)
        there = tmp_path / "there"
        assert "2 up to date" in on(there, "attach", run).stderr
        assert on(there, "convert", "az://films").stderr.count("2 up to date") == 1
        assert f"{run}  " in on(there, "runs").stdout
        assert any(seen.path.endswith("/talks/.runner/ledger.sqlite") for seen in front.passed)
        of_media = [seen for seen in front.passed if seen.path.endswith((".wav", ".mp3"))]
        assert sum(seen.up + seen.down for seen in of_media) == 0
        ours.deployment.destroy()
        delete_containers(storage, "films", "mp3")
