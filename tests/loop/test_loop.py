"""The mission in one piece: `pulumi up`, `runner convert ./in`, `pulumi destroy`, in this order.

Without the Pulumi CLI these tests are skipped (and fail in CI); tests/loop/test_composition.py runs
the same loop from the composition under mocks.
"""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.emulator.azurite import Azurite
from tests.loop.estate import CONTAINERS, Estate, estate, run_warm, without_home
from tests.media import Media
from tests.warm_python import WarmPython
from tests.warm_runner import start_warm

# the service's clock: a formula that is evaluated each five minutes is so each second
SPEED = 300
PATIENCE = 60.0
NAMES = [
    "My Talk.mp4",
    "quo\"tes and 'more'.mp4",
    "$(touch owned).mp4",
    "-dash.mov",
    "a.v2.mp4",
    "new\nline.mp4",
    "100%d.mkv",
    "a:b.mp4",
    "日本語 🎧.mp4",
    "Ünïcode.m4a",
    "CON.mp4",
    "deep/er/same.mp4",
    "deep/same.mp4",
    "same.mp4",
    "star*[x]?.mp4",
    "back\\slash.mp4",
    "semi;colon&and.mp4",
    "tab\there.mp4",
    "x" * 251 + ".mp4",
    "#hash.mp4",
    "~tilde.mp4",
    "q?.wav",
    "upper.MP4",
]
BAD = {
    "bad/empty.mp4": "empty.mp4",
    "bad/text.mp4": "text.mp4",
    "bad/half.mp4": "truncated.mp4",
    "bad/no-moov.mp4": "no-moov.mp4",
    "bad/no-audio.mp4": "no-audio.mp4",
    "bad/noise.mp4": "random.mp4",
}
KINDS = {".mkv": "clip.mkv", ".m4a": "clip.m4a", ".wav": "clip.wav", ".mov": "clip.mov"}


@pytest.fixture(scope="module")
def up(
    pulumi: None,
    storage: Azurite,
    warm_python: WarmPython,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Estate]:
    """The example stack with its two values filled in, after `pulumi up`."""
    folder = tmp_path_factory.mktemp("loop")
    with estate(folder, storage, speed=SPEED, start=warm_python.start) as ours:
        ours.deployment.up()
        yield ours


@pytest.fixture(scope="module")
def sources(media: Media, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty real files: awkward names, six bad ones, one of ten minutes."""
    folder = tmp_path_factory.mktemp("thirty") / "in"
    for name in NAMES:
        media.put(KINDS.get(Path(name).suffix, "clip.mp4"), folder / name)
    for name, kind in BAD.items():
        media.put(kind, folder / name)
    long = "-f lavfi -i sine=200:sample_rate=8000:duration=600 -c:a aac -b:a 16k"
    media.run(*long.split(), str(folder / "long.m4a"))
    assert sum(path.is_file() for path in folder.rglob("*")) == 30
    return folder


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until *condition* holds; a test that waits longer than its patience has failed."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def calls(ours: Estate, operation: str) -> int:
    """How often Batch was asked for *operation*."""
    return sum(request.operation == operation for request in ours.azure.requests)


def test_batch_gets_the_pool_that_the_program_declares(up: Estate) -> None:
    outputs = up.deployment.outputs
    (resource,) = up.deployment.world.of("azure-native:batch:Pool")
    declared, shown = resource["inputs"], up.control_api(f"pools/{outputs['pools'][0]['id']}")
    assert outputs["pool_identity_id"] in json.dumps(shown["identity"])
    assert shown["taskSlotsPerNode"] == outputs["pools"][0]["task_slots"]
    assert shown["autoScaleFormula"] == declared["scaleSettings"]["autoScale"]["formula"]
    assert shown["startTask"]["commandLine"] == declared["startTask"]["commandLine"]
    machine = shown["virtualMachineConfiguration"]
    assert machine["imageReference"]["offer"] == "0001-com-ubuntu-server-jammy"
    assert machine["nodeAgentSKUId"] == "batch.node.ubuntu 22.04"


def test_thirty_files_come_back_from_a_pool_at_zero_that_loses_a_node(
    up: Estate, sources: Path
) -> None:
    pool = up.deployment.outputs["pools"][0]["id"]
    assert up.azure.nodes(pool) == []
    lost: list[str] = []

    def take_one_away() -> None:
        """Evict a Spot node that works, as Azure does, and give it back later."""
        wait_for(lambda: any(node["runningTasksCount"] for node in up.azure.nodes(pool)))
        node = next(n["id"] for n in up.azure.nodes(pool) if n["runningTasksCount"])
        up.azure.preempt(pool, node)
        lost.append(node)
        time.sleep(1)
        up.azure.restore(pool, node)

    fault = threading.Thread(target=take_one_away)
    fault.start()
    out = sources.parent / "out"
    ended = up.runner("convert", str(sources), "-o", str(out), "--json", check=1)
    fault.join()

    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert events[-1]["event"] == "summary"
    assert (events[-1]["converted"], events[-1]["failed"]) == (24, 6)
    failed = {e["target"]: e["failure"]["kind"] for e in events if e.get("state") == "failed"}
    assert failed == dict.fromkeys((f"{name[:-4]}.mp3" for name in BAD), "input")
    made = {str(p.relative_to(out)) for p in out.rglob("*.mp3")}
    assert made == {f"{name.rpartition('.')[0]}.mp3" for name in (*NAMES, "long.m4a")}
    assert lost
    assert not list(sources.parent.rglob("owned"))
    left = [blob.name for blob in up.blobs.get_container_client("input").list_blobs()]
    assert left == []


def test_a_second_convert_submits_nothing(up: Estate, sources: Path) -> None:
    before = calls(up, "create_job"), calls(up, "create_task_collection")
    good = [str(path) for path in sources.rglob("*") if path.is_file() and "bad" not in path.parts]
    listed = sources.parent / "good.txt"
    listed.write_bytes(b"\0".join(str(Path(p)).encode() for p in good if "deep" not in p))
    ended = up.runner("convert", "--files-from", str(listed), "-o", str(sources.parent / "out"))
    assert "22 up to date" in ended.stderr
    assert (calls(up, "create_job"), calls(up, "create_task_collection")) == before


def test_another_machine_attaches_with_nothing_but_the_outputs(
    up: Estate, media: Media, tmp_path: Path
) -> None:
    source = media.put("clip.mp4", tmp_path / "here" / "A Talk.mp4").parent
    detached = up.runner("convert", str(source), "-o", str(tmp_path / "here-out"), "--detach")
    run = detached.stdout.strip()
    shutil.rmtree(source)

    there = tmp_path / "there"
    outputs = up.outputs_file(there)
    command = ["attach", run, "--outputs", str(outputs), "-o", "collected"]
    run_warm(command, there, {**without_home(there / "home"), **up.azure.environment})
    assert (there / "collected" / "A Talk.mp3").stat().st_size > 0


def test_a_new_vm_size_during_a_run_ends_it_and_the_same_command_continues(
    up: Estate, media: Media, tmp_path: Path
) -> None:
    source = media.put("clip.mp4", *(tmp_path / "in" / f"{n}.mp4" for n in range(4))).parent
    # two minutes each, as slow as the sound itself: the pool goes while they run
    slow = (
        "--to",
        "mp3",
        "--",
        "-map",
        "0:a:0",
        "-af",
        "aloop=60:88200,arealtime",
        "-c:a",
        "libmp3lame",
    )
    command = ["convert", str(source), "-o", str(tmp_path / "out"), *slow]
    old = up.deployment.outputs["pools"][0]["id"]
    running = start_warm(command, up.deployment.folder, up.environment)
    wait_for(lambda: any(node["runningTasksCount"] for node in up.azure.nodes(old)))
    up.deployment.up(vmSize="Standard_D2ads_v5")
    _, said = running.communicate(timeout=120)
    assert running.returncode in (4, 5), said
    assert up.deployment.outputs["pools"][0]["id"] != old
    quick = [*command[:4], "--to", "mp3"]
    again = up.runner(*quick)
    assert "4 converted" in again.stderr


def test_after_destroy_nothing_of_the_stack_is_left(up: Estate) -> None:
    up.deployment.destroy()
    assert up.deployment.world.resources == {}
    left = {each.name for each in up.blobs.list_containers()}
    assert left.isdisjoint(CONTAINERS)
    wait_for(lambda: not (up.control_api()["pools"] or up.control_api()["jobs"]))
