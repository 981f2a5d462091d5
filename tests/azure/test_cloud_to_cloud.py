"""Sources and results in the cloud: neither comes here, and no result is of a source that changed."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from runner.media.blob_source import CHANGED, GONE
from runner.media.made_from import MadeFrom
from tests.azure.conftest import Gate, MakeCloud, on_cloud
from tests.azure.media_store import MediaStore, media_store
from tests.azure.test_cloud_results import Laptops, result_at, results_in
from tests.azure.test_secrets import files_below, leaks
from tests.cloud import IDENTITY, Cloud
from tests.conftest import Run, until
from tests.emulator.azurite import Azurite
from tests.media import Media
from tests.price_service import price_service
from tests.watched import Passed, Watched


@pytest.fixture
def watched(storage: Azurite) -> Iterator[Watched]:
    with Watched(storage) as watched:
        yield watched


@dataclass(frozen=True)
class Clouds:
    """A container of sources, and laptops that have their results in another one."""

    store: MediaStore
    laptops: Laptops

    @property
    def cloud(self) -> Cloud:
        return self.store.cloud

    @property
    def source(self) -> str:
        return f"az://{self.store.name}"


@pytest.fixture
def clouds(
    watched: Watched,
    make_cloud: MakeCloud,
    gate: Gate,
    run: Run,
    media: Media,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Clouds]:
    """With two sources; the nodes have an identity, unless a test asks for signed addresses."""
    made = make_cloud(storage=watched, ffmpeg=gate.program)
    if getattr(request, "param", "") == "signed":
        made = made.without_identity()
    wav = media.put("8-bit.wav", tmp_path / "8-bit.wav")
    with media_store(made) as store:
        for name in ("2026/a.wav", "b c/ü.wav"):
            store.put(name, wav)
        homes = tmp_path_factory.mktemp("homes")
        yield Clouds(store, Laptops(store.cloud, on_cloud(run, store.cloud), homes))


@pytest.mark.parametrize("where", ["azure", "local"])
def test_what_is_in_the_cloud_is_converted_there_once_whoever_asks(
    clouds: Clouds, gate: Gate, watched: Watched, where: str
) -> None:
    gate.open()
    watched.passed.clear()
    words = ("convert", clouds.source, "--where", where)
    first = clouds.laptops(*words, "--json")
    assert first.exit_code == 0, first.stderr
    if where == "azure":
        _nothing_came_here(watched.passed.copy(), clouds, first.stdout)
    results = results_in(clouds.cloud)
    assert set(results) == {"2026/a.mp3", "b c/ü.mp3"}
    for name in results:
        made = MadeFrom.from_metadata(result_at(clouds.cloud, name).get_blob_properties().metadata)
        source = clouds.store.container.get_blob_client(f"{name.removesuffix('.mp3')}.wav")
        assert made is not None
        assert made.source == source.url
        assert made.source_etag == str(source.get_blob_properties().etag).strip('"')
    before = result_at(clouds.cloud, "2026/a.mp3").get_blob_properties().etag
    again = clouds.laptops(*words, home="second")
    assert again.exit_code == 0, again.stderr
    assert "2 up to date" in again.stderr
    assert result_at(clouds.cloud, "2026/a.mp3").get_blob_properties().etag == before
    assert set(clouds.cloud.attempts().values()) <= {1}
    assert not list(clouds.laptops.folder.rglob("*.mp3"))


def _nothing_came_here(passed: list[Passed], clouds: Clouds, said: str) -> None:
    """No byte of the media passed the laptop, and it says so."""
    media = [seen for seen in passed if seen.path.endswith((".wav", ".mp3"))]
    assert media, "the laptop has looked at the blobs"
    assert {(seen.method, seen.up, seen.down) for seen in media} == {("HEAD", 0, 0)}
    assert not [name for name in clouds.cloud.stored("input") if not name.endswith(".gz")]
    used = json.loads(said.splitlines()[-1])["azure"]
    assert (used["bytes_up"], used["bytes_down"]) == (0, 0)


@pytest.mark.parametrize(
    ("clouds", "where", "change", "message"),
    [
        ("identity", "azure", "changed", CHANGED),
        ("signed", "azure", "gone", GONE),
        ("identity", "local", "changed", CHANGED),
        ("identity", "local", "gone", GONE),
    ],
    indirect=["clouds"],
)
def test_no_result_is_stored_of_a_source_that_changes_while_it_is_converted(
    clouds: Clouds, gate: Gate, media: Media, where: str, change: str, message: str
) -> None:
    store, laptops = clouds.store, clouds.laptops
    words = ("convert", clouds.source, "-o", laptops.place, "--where", where, "-v")
    ffmpeg = ("--ffmpeg", str(gate.program), "-j", "2") if where == "local" else ()
    started = laptops.on("first").start(*words, *ffmpeg)
    try:
        until(lambda: gate.waiting == 2, 60)
        if change == "gone":
            store.container.delete_blob("2026/a.wav")
        else:
            store.put("2026/a.wav", media("8-bit.wav"))
        gate.open()
        out, said = started.communicate(timeout=60)
    finally:
        started.kill()
    assert started.returncode == 1, said
    (failed,) = [line for line in said.splitlines() if line.startswith("FAILED ")]
    assert f"/2026/a.wav  input: {message}" in failed
    assert set(results_in(clouds.cloud)) == {"b c/ü.mp3"}
    kept = b"".join(clouds.cloud.stored("output").values())
    assert leaks((out + said).encode() + kept + files_below(laptops.folder), clouds.cloud) == []


@pytest.mark.parametrize("right", ["of the stack", "to sign", "none"])
def test_nodes_write_where_they_may_and_else_the_command_that_gives_the_right_is_named(
    clouds: Clouds, gate: Gate, watched: Watched, right: str
) -> None:
    gate.open()
    watched.may_sign = right == "to sign"
    with ExitStack() as stack:
        other = stack.enter_context(media_store(clouds.cloud, is_given=False))
        cloud = clouds.cloud
        if right == "of the stack":
            cloud.azure.grant(IDENTITY, "contributor", other.name)
            cloud = cloud.with_outputs(write_containers=(_id_of(other),))
        command = on_cloud(clouds.laptops.run, cloud)
        words = ("convert", clouds.source, "-o", f"az://{other.name}/mp3")
        if right == "none":
            for more in (("--dry-run",), ()):
                refused = command(*words, *more)
                assert refused.exit_code == 4, refused.stderr
                assert f"the nodes may not write to the container {other.name} of " in refused.error
                scope = f"/blobServices/default/containers/{other.name}"
                assert "`pulumi config set --path 'writeContainers[0]' \"$(az " in refused.error
                assert f'{scope}" && pulumi up` assigns the role' in refused.error
            assert not cloud.jobs()
            return
        done = command(*words)
        assert done.exit_code == 0, done.stderr
        names = {name for name in other.container.list_blob_names() if name.endswith(".mp3")}
        assert names == {"mp3/2026/a.mp3", "mp3/b c/ü.mp3"}
        signed = {seen.operation for seen in cloud.azure.requests if leaks(seen.content, cloud)}
        assert signed == ({"create_task_collection"} if right == "to sign" else set())


def _id_of(store: MediaStore) -> str:
    """ARM's id of the container."""
    (media,) = store.cloud.deployment.read_containers
    return f"{media.rpartition('/')[0]}/{store.name}"


def test_results_that_stay_are_not_counted_as_downloaded(
    clouds: Clouds, gate: Gate, tmp_path: Path
) -> None:
    gate.open()
    page = tmp_path / "page.html"
    with price_service() as service:
        on = replace(
            clouds.laptops.run,
            environment={**clouds.laptops.run.environment, "RUNNER_PRICES_URL": service.address},
        )
        laptops = replace(clouds.laptops, run=on)
        stays = json.loads(laptops("plan", "8-bit.wav", "--json").stdout)["azure"]
        comes = json.loads(laptops.on("first")("plan", "8-bit.wav", "--json").stdout)["azure"]
        assert stays["bytes_up"] == comes["bytes_up"] > 0
        assert (stays["bytes_down"], comes["bytes_down"] > 0) == (0, True)
        assert laptops("convert", "8-bit.wav", "--max-cost", "1000").exit_code == 0
        assert laptops("report", "--file", str(page), "--json").exit_code == 0
    told = json.loads(page.with_suffix(".json").read_text())
    assert told["azure"]["bytes_down"] == 0
    assert told["bytes"]["result"] > 0
