"""`pulumi up` of two pools, and a conversion on the second one."""

from pathlib import Path

from tests.emulator.azurite import Azurite
from tests.loop.estate import estate
from tests.media import Media
from tests.warm_python import WarmPython

POOLS = [
    {"name": "sound", "purpose": "talks"},
    {"name": "film", "vmSize": "Standard_F8s_v2", "scale": "fixed", "fixedDedicatedNodes": 1},
]


def test_a_file_is_converted_on_the_pool_that_is_named(
    pulumi: None, storage: Azurite, warm_python: WarmPython, media: Media, tmp_path: Path
) -> None:
    with estate(tmp_path / "azure", storage, speed=300, start=warm_python.start) as ours:
        ours.deployment.up(pools=POOLS)
        sound, film = ours.deployment.outputs["pools"]
        assert (
            ours.control_api(f"pools/{film['id']}")["taskSlotsPerNode"] == film["task_slots"] == 8
        )
        media.put("short.wav", ours.deployment.folder / "in" / "a.wav")
        refused = ours.runner("convert", "in", "--pool", "films", check=2)
        assert (
            "--pool films: there is no such pool; there are sound (talks), film" in refused.stderr
        )
        done = ours.runner("convert", "in", "--pool", "film")
        assert f"on pool {film['id']} of " in done.stderr
        assert (ours.deployment.folder / "out" / "a.mp3").exists()
        assert ours.azure.nodes(sound["id"]) == [], "nobody asked for it"
        said = ours.runner("doctor").stdout
        assert f"ok   pool (sound): pool {sound['id']} of " in said
        assert "these vCPUs: 40 of lowPriorityCores (Spot), 8 of" in said
        assert ", pool film  1 file  1 converted" in ours.runner("status").stdout
        ours.deployment.destroy()
