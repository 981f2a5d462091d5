"""Results that stay in the cloud: the node writes them, and the laptop sees none of their bytes."""

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from azure.storage.blob import BlobClient

from runner.addresses import BlobAddress
from runner.media.failures import ConversionError
from runner.media.made_from import MadeFrom
from runner.models import Plan, State
from runner.result_blobs import result_blob
from tests.azure.conftest import Gate, MakeCloud, MakeEngine, drive, on_cloud, plan_of
from tests.azure.test_engines import AWKWARD
from tests.azure.test_secrets import files_below, leaks
from tests.cloud import Cloud
from tests.conftest import Result, Run, until
from tests.media import Media


def kept_in(cloud: Cloud, name: str = "mp3") -> BlobAddress:
    """A destination in a container of the stack's account, which nodes may write to."""
    return BlobAddress(cloud.deployment.blob_endpoint, cloud.container("output"), f"kept/{name}")


def results_in(cloud: Cloud) -> dict[str, bytes]:
    """The results that stay, by their names below the destination."""
    start = "kept/mp3/"
    return {
        name.removeprefix(start): data
        for name, data in cloud.stored("output").items()
        if name.startswith(start) and "/.runner/" not in name
    }


def result_at(cloud: Cloud, target: str) -> BlobClient:
    return cloud.blobs.get_blob_client(cloud.container("output"), f"kept/mp3/{target}")


@pytest.fixture(params=["identity", "signed"])
def cloud(request: pytest.FixtureRequest, make_cloud: MakeCloud) -> Cloud:
    cloud = make_cloud()
    return cloud if request.param == "identity" else cloud.without_identity()


@pytest.fixture
def plan(cloud: Cloud, folder: Path, destination: Path) -> Plan:
    return replace(plan_of(folder, destination), address=kept_in(cloud))


def test_the_node_stores_results_under_their_final_names_with_what_they_were_made_from(
    cloud: Cloud, engine_on: MakeEngine, plan: Plan
) -> None:
    told = drive(engine_on(cloud, overwrite="auto"), plan)
    assert not told.failures
    assert set(results_in(cloud)) == {"a.mp3", "b.mp3", "c.mp3"}
    for conversion in plan.conversions:
        facts = result_at(cloud, conversion.target).get_blob_properties()
        made = MadeFrom.from_metadata(facts.metadata)
        result = told.results[conversion.target].result
        assert made is not None
        assert result is not None
        assert facts.content_settings.content_type == "audio/mpeg"
        assert (made.sha256, made.size) == (result.sha256, facts.size)
        assert (made.source, made.run) == (conversion.source.path, plan.id)
        assert (made.source_size, made.source_mtime_ns) == conversion.source.state
        assert (made.conversion, made.recipe) == (conversion.id, conversion.recipe.fingerprint)
    left = [name for name in cloud.stored("output") if "/result." in name]
    assert not left, "there is one copy, where it belongs"
    assert not list(plan.destination.rglob("*.mp3"))


def test_a_result_whose_record_was_lost_is_not_made_again(
    cloud: Cloud, engine_on: MakeEngine, one: Path, destination: Path
) -> None:
    cloud.fault("upload", code="FileUploadMiscError")
    plan = replace(plan_of(one, destination), address=kept_in(cloud))
    told = drive(engine_on(cloud, overwrite="auto"), plan)
    event = told.results["a.mp3"]
    assert (event.state, event.attempt) == (State.CONVERTED, 2), told.failures
    assert event.log == "", "the second attempt has found what the first one had stored"
    assert event.media_total == pytest.approx(2.0, abs=0.2)


def test_names_of_all_kinds_are_below_the_destination(
    cloud: Cloud, engine_on: MakeEngine, media: Media, tmp_path: Path, destination: Path
) -> None:
    hostile = ("dot./b.wav", "x" * 251 + ".wav", "%2e%2e.wav", "🎧.wav")
    media.put("8-bit.wav", *(tmp_path / "in" / name for name in (*AWKWARD, *hostile)))
    plan = replace(plan_of(tmp_path / "in", destination), address=kept_in(cloud))
    told = drive(engine_on(cloud, overwrite="auto"), plan)
    assert not told.failures
    stored = {c.target: result_blob(kept_in(cloud), c.target).name for c in plan.conversions}
    assert set(results_in(cloud)) == {name.removeprefix("kept/mp3/") for name in stored.values()}
    assert stored["dot./b.mp3"] == "kept/mp3/dot%2E/b.mp3"
    assert stored["new\nline.mp3"] == "kept/mp3/new%0Aline.mp3"
    assert stored["back\\slash.mp3"] == "kept/mp3/back%5Cslash.mp3"


# --- the commands ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Laptops:
    """The real command on several machines, each with a home of its own, and one destination."""

    cloud: Cloud
    run: Run
    folder: Path

    @property
    def place(self) -> str:
        return f"az://{self.cloud.container('output')}/kept/mp3"

    def __call__(self, *words: str, home: str = "first") -> Result:
        """Run `runner` with *words* on the machine with that *home*."""
        return self.on(home)(*words, "-o", self.place)

    def on(self, home: str) -> Run:
        where = self.folder / home
        where.mkdir(exist_ok=True)
        own = {name: str(where / name.lower()) for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME")}
        return replace(self.run, environment={**self.run.environment, "HOME": str(where), **own})


@pytest.fixture
def laptops(make_cloud: MakeCloud, run: Run, tmp_path_factory: pytest.TempPathFactory) -> Laptops:
    cloud = make_cloud()
    return Laptops(cloud, on_cloud(run, cloud), tmp_path_factory.mktemp("homes"))


def test_the_same_command_from_any_machine_does_what_is_left(
    laptops: Laptops, media: Media, folder: Path
) -> None:
    first = laptops("convert", "in")
    assert first.exit_code == 0, first.stderr
    assert f"{laptops.place.removeprefix('az:/')}/a.mp3" in first.stderr
    media.put("8-bit.wav", folder / "d.wav")
    again = laptops("convert", "in", home="second")
    assert again.exit_code == 0, again.stderr
    assert "4 files: 1 converted, 3 up to date" in again.stderr
    assert set(results_in(laptops.cloud)) == {"a.mp3", "b.mp3", "c.mp3", "d.mp3"}
    assert set(laptops.cloud.attempts().values()) == {1}
    assert not list(laptops.folder.rglob("*.mp3"))
    unknown = laptops("logs", "in/typo.mp3")
    assert f"is recorded in {kept_in(laptops.cloud)};" in unknown.error


def test_a_detached_run_ends_without_its_laptop_and_is_found_from_another(
    laptops: Laptops, media: Media, folder: Path
) -> None:
    media.put("truncated.mp4", folder / "bad.mp4")
    said = laptops("convert", "in", "--detach")
    assert said.exit_code == 0, said.stderr
    name = said.stdout.strip()
    shutil.rmtree(folder)
    shutil.rmtree(laptops.folder / "first")
    until(lambda: len(results_in(laptops.cloud)) == 3, 60)
    assert "still on Azure" in said.stderr
    status = laptops("status", home="second")
    assert name in status.stdout, status.stderr
    attached = laptops("attach", home="second")
    assert attached.exit_code == 1, attached.stderr
    assert "4 files: 3 up to date, 1 failed" in attached.stderr
    assert "the file ends early" in laptops("logs", home="third").stdout
    runs = laptops("runs", home="third").stdout
    assert runs.startswith(name)
    assert "3 up to date, 1 failed" in runs
    report = laptops("report", "--file", str(laptops.folder / "page.html"), home="third")
    assert report.exit_code == 0, report.stderr
    assert "kept/mp3" in (laptops.folder / "page.html").read_text()
    assert not laptops.cloud.stored("input")
    forgotten = laptops("clean", "--older-than", "0d", home="second")
    assert "forgot 1 run" in forgotten.stderr
    assert laptops("runs", home="third").stdout == ""
    assert set(results_in(laptops.cloud)) == {"a.mp3", "b.mp3", "c.mp3"}


def test_a_run_that_is_attached_to_with_another_destination_names_its_own(
    laptops: Laptops, folder: Path
) -> None:
    name = laptops("convert", "in", "--detach").stdout.strip()
    said = laptops.on("second")("attach", name, "-o", "out")
    assert said.exit_code == 2
    assert said.error.startswith(f"run {name}: its results stay in Azure storage: use -o ")
    assert laptops("cancel", home="second").exit_code == 0
    assert laptops("runs", home="third").stdout.startswith(name)


@pytest.mark.parametrize(
    ("change", "overwrite", "end"),
    [
        ("source", "auto", "new"),
        ("source", "never", "kept"),
        ("settings", "auto", "new"),
        ("result", "auto", "kept"),
        ("result", "always", "new"),
        ("foreign", "auto", "kept"),
        ("foreign", "always", "new"),
        ("nothing", "always", "new"),
        ("nothing", "auto", "same"),
        ("gone", "never", "new"),
    ],
)
def test_overwrite_means_for_blobs_what_it_means_for_files(
    laptops: Laptops, media: Media, one: Path, change: str, overwrite: str, end: str
) -> None:
    assert laptops("convert", "in").exit_code == 0
    blob = result_at(laptops.cloud, "a.mp3")
    before = blob.get_blob_properties()
    words: tuple[str, ...] = ()
    if change == "source":
        media.put("8-bit.wav", one / "a.wav")
        os.utime(one / "a.wav", (1, 1))
    elif change == "settings":
        words = ("--id3", "2.3")
    elif change == "result":
        blob.upload_blob(b"tagged by hand", overwrite=True, metadata=before.metadata)
    elif change == "foreign":
        blob.upload_blob(b"foreign", overwrite=True)
    elif change == "gone":
        blob.delete_blob()
    there = blob.get_blob_properties().etag if change != "gone" else ""
    again = laptops("convert", "in", "--overwrite", overwrite, *words, home="second")
    now = blob.get_blob_properties()
    assert (now.etag != there) == (end == "new"), again.stderr
    assert again.exit_code == (1 if end == "kept" else 0), again.stderr
    if end == "kept":
        mode = "auto" if change == "source" else "always"
        assert f"--overwrite {mode} replaces it" in again.stderr
    if end == "new":
        assert MadeFrom.from_metadata(now.metadata) is not None


def test_two_runners_do_not_work_in_one_destination_and_a_killed_one_holds_nobody_up_here(
    laptops: Laptops, folder: Path, gate: Gate, make_cloud: MakeCloud
) -> None:
    laptops = replace(laptops, cloud=(cloud := make_cloud(ffmpeg=gate.program)))
    laptops = replace(laptops, run=on_cloud(laptops.run, cloud))
    first = laptops.on("first").start("convert", "in", "-o", laptops.place)
    try:
        until(lambda: gate.waiting)
        lock = cloud.blobs.get_blob_client(cloud.container("output"), "kept/mp3/.runner/lock")
        until(lambda: str(lock.get_blob_properties().lease.state) == "leased")
        until(lambda: _exists(cloud, "kept/mp3/.runner/ledger.sqlite"))
        assert "running" in laptops("status", home="second").stdout
        first.kill()
    finally:
        first.kill()
        first.communicate(timeout=90)
    gate.open()
    again = laptops("convert", "in")
    assert again.exit_code == 0, again.stderr
    assert "waiting" not in again.stderr, "its own machine knows that it is gone"
    assert set(results_in(cloud)) == {"a.mp3", "b.mp3", "c.mp3"}
    assert set(cloud.attempts().values()) == {1}


def _exists(cloud: Cloud, name: str) -> bool:
    return cloud.blobs.get_blob_client(cloud.container("output"), name).exists()


def test_this_machine_stores_results_there_as_nodes_do(
    laptops: Laptops, media: Media, folder: Path
) -> None:
    media.put("truncated.mp4", folder / "bad.mp4")
    result_at(laptops.cloud, "b.mp3").upload_blob(b"foreign")
    first = laptops("convert", "in", "--where", "local", "--transfers", "1")
    assert first.exit_code == 1, first.stderr
    assert "4 files: 2 converted, 2 failed" in first.stderr
    made = MadeFrom.from_metadata(result_at(laptops.cloud, "a.mp3").get_blob_properties().metadata)
    assert made is not None
    assert made.source == str(folder / "a.wav")
    assert result_at(laptops.cloud, "b.mp3").download_blob().readall() == b"foreign"
    again = laptops("convert", "in", "--overwrite", "always", "--where", "local", home="second")
    assert "4 files: 3 converted, 1 failed" in again.stderr
    last = laptops("convert", "in", home="third")
    assert "4 files: 3 up to date, 1 failed" in last.stderr, "nodes know what was made here"
    assert not list(laptops.folder.rglob("*.mp3"))


@pytest.mark.parametrize(
    ("place", "code", "words"),
    [
        ("az://no-such-container/x", 4, "no container no-such-container"),
        ("https://a.blob.core.windows.net/c/x?sv=1&sig=hush", 2, "takes no signature (SAS)"),
        ("az://{output}/a/../b", 2, "an output folder cannot have this name"),
        ("az://", 2, "is not the address of a blob or container"),
    ],
)
def test_a_destination_that_cannot_be_is_named_before_anything_is_done(
    laptops: Laptops, one: Path, place: str, code: int, words: str
) -> None:
    place = place.format(output=laptops.cloud.container("output"))
    said = laptops.on("first")("convert", "in", "-o", place)
    assert said.exit_code == code, said.stderr
    assert words in said.error
    assert "hush" not in said.stderr
    assert not laptops.cloud.jobs()


def test_no_secret_shows_where_nodes_are_given_signed_addresses(
    make_cloud: MakeCloud, laptops: Laptops, media: Media, folder: Path
) -> None:
    cloud = make_cloud().without_identity()
    signed = replace(laptops, cloud=cloud, run=on_cloud(laptops.run, cloud))
    media.put("truncated.mp4", folder / "bad.mp4")
    said = signed("convert", "in", "-v", "--json")
    assert said.exit_code == 1, said.stderr
    shown = said.stdout + said.stderr + signed("logs").stdout + signed("status").stdout
    kept = b"".join(cloud.stored("output").values()) + b"".join(cloud.stored("tools").values())
    assert leaks(shown.encode() + kept + files_below(signed.folder), cloud) == []
    told = {seen.operation for seen in cloud.azure.requests if leaks(seen.content, cloud)}
    assert told == {"create_task_collection"}
    facts = result_at(cloud, "a.mp3").get_blob_properties()
    assert leaks(repr(facts.metadata).encode(), cloud) == []


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("a/b.mp3", "kept/a/b.mp3"),
        ("a./b.mp3.", "kept/a%2E/b.mp3%2E"),
        ("a\\b\x01\x7f.mp3", "kept/a%5Cb%01%7F.mp3"),
        ("stray \udcff byte.mp3", "kept/stray %FF byte.mp3"),
        ("x" * 1015 + ".mp3", "kept/" + "x" * 1015 + ".mp3"),
    ],
)
def test_a_result_has_a_name_that_blobs_can_have(target: str, name: str) -> None:
    address = BlobAddress("https://account.blob.core.windows.net", "media", "kept")
    assert result_blob(address, target).name == name


@pytest.mark.parametrize(
    "target",
    [
        "x" * 1016 + ".mp3",
        "🎧" * 508 + ".mp3",
        "a/" * 254 + "b",
        "../a.mp3",
        "a//b",
        ".runner/lock",
    ],
)
def test_a_name_that_no_blob_can_have_is_that_files_failure(target: str) -> None:
    address = BlobAddress("https://account.blob.core.windows.net", "media", "kept")
    with pytest.raises(ConversionError):
        result_blob(address, target)
