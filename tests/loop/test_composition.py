"""The loop without Pulumi's engine: what the program registers under mocks becomes the stand-in cloud.

This runs everywhere; with the engine, and so with what Azure answers, it is tests/loop/test_loop.py.
"""

import subprocess
from pathlib import Path

from tests.emulator import Emulator
from tests.emulator.azurite import Azurite
from tests.infra.mocked import deploy
from tests.loop.composition import put_in_place
from tests.loop.estate import CONTAINERS, RUNNER, delete_containers, node_programs, without_home
from tests.media import Media


def test_what_the_program_declares_converts_a_folder(
    storage: Azurite, media: Media, tmp_path: Path
) -> None:
    media.put("clip.mp4", tmp_path / "in" / "My Talk.mp4", tmp_path / "in" / "b" / "My Talk.mp4")
    # to pack ffmpeg takes ten seconds, and the nodes' first files do not wait for it
    declared = deploy(nodeFfmpeg="apt")
    with Emulator(
        storage=storage.account,
        certificates=storage.certificates,
        node_path=[node_programs(tmp_path)],
        speed=300,
    ) as azure:
        outputs = put_in_place(declared, azure, storage, tmp_path)
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
    delete_containers(storage, *CONTAINERS)
    made = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.mp3")}
    assert made == {"My Talk.mp3", "b/My Talk.mp3"}
