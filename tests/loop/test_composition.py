"""The loop without Pulumi's engine: what the program registers under mocks becomes the stand-in cloud.

This runs everywhere; with the engine, and so with what Azure answers, it is tests/loop/test_loop.py.
"""

import json
import subprocess
from pathlib import Path

from tests.emulator import Emulator
from tests.emulator.azurite import Azurite
from tests.infra.mocked import Deployed, deploy
from tests.loop.estate import RUNNER, node_programs, owner_of, without_home
from tests.media import Media


def put_in_place(declared: Deployed, azure: Emulator, storage: Azurite, folder: Path) -> Path:
    """Make in the emulators what *declared* declares; returns the file of its outputs."""
    outputs = declared.outputs
    pool = declared.one("batch:Pool").inputs
    azure.put_pool(outputs["pool_id"], pool)
    identity = outputs["pool_identity_id"]
    with owner_of(storage) as owner:
        for container in declared.all("storage:BlobContainer"):
            owner.create_container(container.inputs["containerName"])
    for assignment in declared.all("authorization:RoleAssignment"):
        scope, role = assignment.inputs["scope"], assignment.inputs["roleDefinitionId"]
        if "/containers/" in scope and assignment.name.startswith("pool-"):
            azure.grant(identity, role.rsplit("/", 1)[-1], scope.rsplit("/", 1)[-1])
    path = folder / "outputs.json"
    addresses = {"batch_endpoint": azure.endpoint, "blob_endpoint": storage.blob_endpoint}
    path.write_text(json.dumps({**outputs, **addresses}))
    return path


def test_what_the_program_declares_converts_a_folder(media: Media, tmp_path: Path) -> None:
    media.put("clip.mp4", tmp_path / "in" / "My Talk.mp4", tmp_path / "in" / "b" / "My Talk.mp4")
    with (
        Azurite() as storage,
        Emulator(
            storage=storage.account,
            certificates=storage.certificates,
            node_path=[node_programs(tmp_path)],
            speed=300,
        ) as azure,
    ):
        outputs = put_in_place(deploy(), azure, storage, tmp_path)
        ended = subprocess.run(
            [RUNNER, "convert", "in", "--outputs", str(outputs)],
            cwd=tmp_path,
            env={**without_home(tmp_path / "home"), **azure.environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert ended.returncode == 0, ended.stderr
        assert "on pool ffmpeg-" in ended.stderr
    made = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.mp3")}
    assert made == {"My Talk.mp3", "b/My Talk.mp3"}
