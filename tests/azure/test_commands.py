"""The real commands on Azure: forty files, leaving and coming back, ending, clearing up."""

import json
import re
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from runner.azure.manifest import read_manifest
from runner.ledger import Ledger
from runner.media.hashing import sha256_of
from runner.models import Event, Plan, Result, State
from tests.azure.conftest import Gate, MakeCloud, on_cloud
from tests.azure.test_engines import AWKWARD, BAD
from tests.cloud import Cloud
from tests.conftest import Run, names, tree, until
from tests.media import Media
from tests.runner.test_notify import SECRET, hook_server

GOOD = ("clip.mp4", "clip.mkv", "clip.webm", "clip.mp3", "clip.flac", "cover.m4a", "two-tracks.mp4")


def test_forty_files_of_which_six_are_bad(
    cloud: Cloud, azure_run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    folder = tmp_path / "in"
    for name in GOOD:
        media.put(name, folder / "films & sounds" / name)
    media.put("8-bit.wav", *(folder / name for name in AWKWARD))
    media.put("short.wav", *(folder / "short" / f"{number:02}.wav" for number in range(16)))
    for name in BAD:
        media.put(name, folder / "bad" / name)
    assert sum(path.is_file() for path in folder.rglob("*")) == 40
    result = azure_run("convert", "in", "--name", "{dir}/{name}{ext}", "--json", "-v")
    assert result.exit_code == 1, result.stderr
    ends = [json.loads(line) for line in result.stdout.splitlines()]
    failed = {e["target"]: e["failure"]["kind"] for e in ends if e.get("state") == "failed"}
    assert failed == {f"bad/{name}.mp3": "input" for name in BAD}
    assert len(names(destination)) == 34
    assert set(cloud.attempts().values()) == {1}
    assert cloud.stored("input") == {}, "the sources leave storage with the run"
    assert list(cloud.jobs().values()) == ["completed"]
    assert not list(tmp_path.rglob("pwned"))
    again = azure_run("convert", "in", "--name", "{dir}/{name}{ext}")
    assert again.exit_code == 1
    assert "34 up to date" in again.stderr


def test_where_a_run_is_done_is_said_with_the_reason(azure_run: Run, one: Path) -> None:
    result = azure_run("convert", "in")
    assert "on pool ffmpeg of emulated (westeurope) (outputs in " in result.stderr


def test_which_python_and_ffmpeg_a_node_had_is_told(
    azure_run: Run, one: Path, media: Media
) -> None:
    media.put("text.mp4", one / "bad.mp4")
    done = azure_run("convert", "in", "-v")
    versions = r"Python 3\.\d+\.\d+, ffmpeg version \S+"
    assert re.search(rf"^ok .*in/a\.wav -> .*; {versions}$", done.stderr, re.MULTILINE)
    assert re.search(rf"^FAILED .*in/bad\.mp4 .*; {versions}$", done.stderr, re.MULTILINE)
    for name in ("in/a.wav", "in/bad.mp4"):
        log = azure_run("logs", name).stdout.splitlines()
        assert re.fullmatch(f"on a node with {versions}", log[1]), log


def test_the_first_ctrl_c_leaves_while_tasks_go_on_and_names_the_commands(
    run: Run, make_cloud: MakeCloud, gate: Gate, folder: Path, destination: Path
) -> None:
    cloud = make_cloud(ffmpeg=gate.program)
    azure_run = on_cloud(run, cloud)
    process = azure_run.start("convert", "in")
    until(lambda: gate.waiting and len(cloud.tasks()) == 3)
    errors = interrupt(process)
    assert process.returncode == 130
    name = next(iter(cloud.jobs()))
    assert f"3 tasks still running on Azure: collect them with `runner attach {name}`" in errors
    assert f"or cancel the run with `runner cancel {name}`" in errors
    gate.open()
    until(lambda: cloud.jobs()[name] == "completed")  # it ends itself, with nobody there
    assert azure_run("convert", "in").exit_code == 0
    assert names(destination) == {"a.mp3", "b.mp3", "c.mp3"}
    assert set(cloud.attempts().values()) == {1}


@pytest.mark.parametrize(
    "operation", ["get_pool", "create_job", "create_task_collection", "update_job"]
)
def test_ctrl_c_does_not_wait_for_a_service_that_hangs(
    cloud: Cloud, azure_run: Run, folder: Path, destination: Path, operation: str
) -> None:
    # longer than `interrupt` has patience
    cloud.fault("slow", operation, seconds=120, times=2)
    process = azure_run.start("convert", "in")
    # not until it is one less: files may be submitted in two calls
    until(lambda: [fault.times for fault in cloud.azure.faults.pending] != [2])
    errors = interrupt(process)
    assert process.returncode == 130, errors
    cloud.azure.faults.clear()
    assert azure_run("convert", "in").exit_code == 0
    assert set(cloud.attempts().values()) == {1}


def test_a_job_that_was_left_half_submitted_ends_itself_too(
    cloud: Cloud, azure_run: Run, media: Media, tmp_path: Path, destination: Path, stuck: Path
) -> None:
    media.put("clip.wav", *(tmp_path / "in" / f"{number}.wav" for number in range(5)))
    process = azure_run.start("convert", "in", "--transfers", "1", "--ffmpeg", stuck)
    until(lambda: len(cloud.tasks()) == 3)
    interrupt(process)
    until(lambda: list(cloud.jobs().values()) == ["completed"])
    assert azure_run("convert", "in").exit_code == 0
    assert names(destination) == {f"{number}.mp3" for number in range(5)}
    assert set(cloud.attempts().values()) == {1}


def interrupt(process: "subprocess.Popen[str]") -> str:
    """Press Ctrl-C, and see what is said."""
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=90)
    return errors


def test_a_detached_run_is_collected_from_another_machine(
    run: Run,
    make_cloud: MakeCloud,
    gate: Gate,
    media: Media,
    folder: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    cloud = make_cloud(ffmpeg=gate.program)
    media.put("empty.mp4", folder / "bad.mp4")
    first = on_cloud(run, cloud)("convert", "in", "--detach")
    assert first.exit_code == 1, "the bad file failed here already"
    name = first.stdout.strip()
    assert list(cloud.jobs()) == [name]
    for path in folder.iterdir():
        path.unlink()  # the other machine has none of these files
    gate.open()
    cloud.fault("upload", code="FileUploadMiscError")
    other = tmp_path_factory.mktemp("other")
    home = str(tmp_path_factory.mktemp("home"))
    its_own = {**run.environment, "HOME": home, "XDG_CONFIG_HOME": home}
    elsewhere = on_cloud(replace(run, folder=other, environment=its_own), cloud)
    attached = elsewhere("attach", name, "-o", "results")
    assert attached.exit_code == 0, "what failed before is no part of what is left"
    assert names(other / "results") == {"a.mp3", "b.mp3", "c.mp3"}
    assert max(cloud.attempts().values()) == 2, "the fault on the node cost one more attempt"
    assert cloud.stored("input") == {}


def test_attach_without_a_name_takes_the_newest_run(
    azure_run: Run, cloud: Cloud, one: Path, destination: Path
) -> None:
    name = azure_run("convert", "in", "--detach").stdout.strip()
    result = azure_run("attach", "-o", "elsewhere")
    assert result.exit_code == 0
    assert names(destination.parent / "elsewhere") == {"a.mp3"}
    gone = azure_run("attach", "-o", "elsewhere")
    assert (gone.exit_code, f"run {name} has nothing left to collect" in gone.error) == (4, True)


def test_the_same_command_collects_a_detached_run(
    azure_run: Run, cloud: Cloud, folder: Path, destination: Path
) -> None:
    assert azure_run("convert", "in", "--detach").exit_code == 0
    assert azure_run("convert", "in").exit_code == 0
    assert names(destination) == {"a.mp3", "b.mp3", "c.mp3"}
    assert set(cloud.attempts().values()) == {1}
    assert len(cloud.jobs()) == 1


def test_attach_goes_on_with_the_options_of_the_run(
    azure_run: Run, cloud: Cloud, one: Path, destination: Path, tmp_path: Path
) -> None:
    media = tree(tmp_path / "in")["a.wav"]
    for folder in (destination, tmp_path / "elsewhere"):
        folder.mkdir()
        (folder / "a.mp3").write_bytes(media)
    detached = azure_run("convert", "in", "--overwrite", "always", "--keep", "--detach")
    name = detached.stdout.strip()
    # another machine knows the options from storage, this one from its ledger
    plan = next(blob for blob in cloud.stored("input").items() if "plan" in blob[0])
    for folder in (tmp_path / "elsewhere", destination):
        cloud.blobs.get_blob_client(cloud.container("input"), plan[0]).upload_blob(
            plan[1], overwrite=True
        )
        result = azure_run("attach", name, "-o", folder)
        assert result.exit_code == 0, result.stderr
        assert (folder / "a.mp3").read_bytes() != media
        assert len(cloud.stored("input")) == 1, "and the sources are kept"


def test_a_command_that_takes_a_run_up_goes_on_with_its_options(
    azure_run: Run, cloud: Cloud, one: Path, destination: Path, tmp_path: Path
) -> None:
    destination.mkdir()
    (destination / "a.mp3").write_bytes(tree(tmp_path / "in")["a.wav"])
    azure_run("convert", "in", "--overwrite", "always", "--detach")
    result = azure_run("convert", "in")
    assert "1 converted" in result.stderr
    assert set(cloud.attempts().values()) == {1}


def test_a_detached_run_of_bad_files_only_leaves_no_job_open(
    azure_run: Run, cloud: Cloud, media: Media, tmp_path: Path
) -> None:
    media.put("empty.mp4", tmp_path / "in" / "bad.mp4")
    assert azure_run("convert", "in", "--detach").exit_code == 1
    until(lambda: list(cloud.jobs().values()) == ["completed"])


def test_another_folder_does_not_take_up_what_goes_on(
    azure_run: Run, cloud: Cloud, media: Media, one: Path, tmp_path: Path, destination: Path
) -> None:
    first = azure_run("convert", "in", "--detach").stdout.strip()
    media.put("8-bit.wav", tmp_path / "more" / "z.wav")
    assert azure_run("convert", "more").exit_code == 0
    assert len(cloud.jobs()) == 2
    assert names(destination) == {"z.mp3"}
    assert azure_run("convert", "in").exit_code == 0
    assert names(destination) == {"a.mp3", "z.mp3"}
    assert first in cloud.jobs()
    assert set(cloud.attempts().values()) == {1}


def test_a_part_of_a_run_with_something_new_leaves_the_rest_to_be_collected(
    azure_run: Run, cloud: Cloud, media: Media, folder: Path, destination: Path
) -> None:
    name = azure_run("convert", "in", "--detach").stdout.strip()
    media.put("8-bit.wav", folder / "d.wav")
    part = azure_run("convert", "in", "--include", "a.*", "--include", "d.*")
    assert part.exit_code == 0, part.stderr
    assert names(destination) == {"a.mp3", "d.mp3"}
    assert azure_run("attach", name).exit_code == 0
    assert names(destination) == {"a.mp3", "b.mp3", "c.mp3", "d.mp3"}
    assert set(cloud.attempts().values()) == {1}


def test_cancel_ends_the_tasks_and_the_runner_that_follows_them(
    run: Run, make_cloud: MakeCloud, gate: Gate, folder: Path, tmp_path: Path
) -> None:
    cloud = make_cloud(ffmpeg=gate.program)
    azure_run = on_cloud(run, cloud)
    following = azure_run.start("convert", "in")
    until(lambda: gate.waiting)
    name = next(iter(cloud.jobs()))
    result = azure_run("cancel", name, "-o", "elsewhere")
    assert result.exit_code == 0, result.stderr
    assert f"run {name} cancelled" in result.stderr
    assert cloud.stored("input") == {}
    _, errors = following.communicate(timeout=90)
    assert following.returncode == 130
    assert f"run {name} was cancelled with 3 files left" in errors
    assert list(cloud.jobs()) == [name], "what was cancelled is not begun again"
    assert f"run {name} had already ended" in azure_run("cancel", name).stderr
    assert "cut off" not in azure_run("runs").stdout
    assert azure_run("cancel", "20260101-0000-no-such").exit_code == 4


def test_keep_leaves_the_sources_and_clean_start_takes_them_away(
    azure_run: Run, cloud: Cloud, one: Path, tmp_path: Path, media: Media
) -> None:
    azure_run("convert", "in", "--keep")
    old = cloud.stored("input")
    assert len(old) == 1, "the source, and no plan: nothing is left to collect"
    media.put("8-bit.wav", tmp_path / "in" / "b.wav")
    azure_run("convert", "in", "--keep", "--clean-start")
    assert not old.keys() & cloud.stored("input").keys()
    assert len(cloud.stored("input")) == 1


def test_clean_deletes_what_runs_of_that_age_left_on_azure(
    azure_run: Run, cloud: Cloud, one: Path, destination: Path
) -> None:
    assert azure_run("convert", "in", "--keep").exit_code == 0
    (job,) = cloud.jobs()
    left = (cloud.stored("input"), cloud.stored("output"))
    # the same, as a run of another year left it
    for purpose, blobs in zip(("input", "output"), left, strict=True):
        client = cloud.blobs.get_container_client(cloud.container(purpose))
        for name, data in blobs.items():
            client.upload_blob(name.replace(job, "20200101-1200-mossy-otter"), data)
    assert f"deleted {len(left[0]) + len(left[1])} blobs and 0 jobs" in azure_run("clean").stderr
    assert (cloud.stored("input"), cloud.stored("output")) == left
    cleaned = azure_run("clean", "--older-than", "0d").stderr
    assert f"deleted {len(left[0]) + len(left[1])} blobs and 1 job on" in cleaned
    assert not cloud.stored("input")
    assert not cloud.stored("output")
    assert not cloud.jobs()
    assert names(destination) == {"a.mp3"}, "the results stay here"


def test_upload_says_what_travels(
    azure_run: Run, cloud: Cloud, media: Media, tmp_path: Path
) -> None:
    film = media.put("clip.mp4", tmp_path / "in" / "film.mp4")
    sizes = {}
    for upload in ("whole", "audio-only"):
        result = azure_run("convert", "in", "-o", upload, "--upload", upload, "--keep")
        assert result.exit_code == 0, result.stderr
        run = azure_run("runs", "-o", upload).stdout.split()[0]
        sent = {n: len(data) for n, data in cloud.stored("input").items() if n.startswith(run)}
        (sizes[upload],) = sent.values()
    assert sizes["whole"] == film.stat().st_size > sizes["audio-only"] > 0


def test_results_remain_in_storage_after_a_run(azure_run: Run, cloud: Cloud, one: Path) -> None:
    azure_run("convert", "in")
    kinds = {name.rpartition("/")[2] for name in cloud.stored("output")}
    assert kinds == {"result.mp3", "record.json", "stdout.txt", "stderr.txt"}


def test_blobs_know_what_they_are(azure_run: Run, cloud: Cloud, media: Media, one: Path) -> None:
    media.put("clip.mp4", one / "film.mp4")
    azure_run("convert", "in", "--keep")
    found = {}
    for purpose in ("input", "output"):
        for blob in cloud.blobs.get_container_client(cloud.container(purpose)).list_blobs():
            found[Path(blob.name).suffix] = str(blob.content_settings.content_type)
    assert found[".mp3"] == "audio/mpeg"
    assert found[".mp4"] == "video/mp4"
    assert found[".json"] == "application/json"
    assert found[".txt"].startswith("text/plain")


def test_fail_fast_says_why_it_stopped_and_what_goes_on(
    run: Run, make_cloud: MakeCloud, gate: Gate, media: Media, folder: Path
) -> None:
    cloud = make_cloud(ffmpeg=gate.program)
    azure_run = on_cloud(run, cloud)
    process = azure_run.start("convert", "in", "--fail-fast", "1", "--retries", "0")
    until(lambda: len(cloud.tasks()) == 3 and gate.waiting)
    job = next(iter(cloud.jobs()))
    running = next(t for t in cloud.tasks() if t.state == "running")
    cloud.batch.terminate_task(job, str(running.id))
    _, errors = process.communicate(timeout=90)
    assert process.returncode == 1
    assert (
        "stopped after 1 failed file (--fail-fast); stopped here; 2 tasks still running" in errors
    )


def test_a_full_disk_keeps_the_results_in_storage_until_there_is_room(
    cloud: Cloud, azure_run: Run, media: Media, tmp_path: Path, tiny_disk: Path
) -> None:
    media.put("clip.mp3", tmp_path / "in" / "a.mp3")
    arguments = ("convert", "in", "--to", "wav", "-o", tiny_disk / "out")
    full = azure_run(*arguments)
    assert full.exit_code == 4, full.stderr
    assert "cannot write a.wav: no space left on device; fix that" in full.error
    assert names(tiny_disk / "out") == set()
    assert not list((tiny_disk / "out" / ".runner" / "tmp").glob("*"))
    subprocess.run(["mount", "-o", "remount,size=8m", str(tiny_disk)], check=True)
    assert azure_run(*arguments).exit_code == 0
    assert names(tiny_disk / "out") == {"a.wav"}
    assert set(cloud.attempts().values()) == {1}, "it was not converted again"
    assert cloud.stored("input") == {}


def test_sources_go_when_the_results_are_collected(
    azure_run: Run, cloud: Cloud, folder: Path, destination: Path
) -> None:
    detached = azure_run("convert", "in", "--detach", "--source", "delete", "--yes")
    name = detached.stdout.strip()
    assert len(names(folder)) == 3, "nothing is here yet"
    other = azure_run("attach", name, "-o", "elsewhere", "--source", "trash")
    assert other.exit_code == 2
    assert "this run began with --source delete" in other.error
    (folder / "b.wav").touch()
    done = azure_run("attach", name)
    assert done.exit_code == 0
    assert "sources: 2 deleted, 1 kept" in done.stderr
    assert f"kept {folder.name}/b.wav: it changed after it was read" in done.stderr
    assert names(folder) == {"b.wav"}


def test_a_run_that_is_taken_up_knows_the_sources_that_went_with_it(
    azure_run: Run, cloud: Cloud, media: Media, folder: Path, destination: Path
) -> None:
    words = ("--source", "delete", "--yes")
    first = azure_run("convert", "in", "--detach", *words).stdout.strip()
    with Ledger.open(destination) as ledger:  # as a runner that was killed after one file
        record = ledger.sources.of(first)[0]
        made = media.put("clip.mp3", destination / "a.mp3")
        status = made.stat()
        result = Result(
            size=status.st_size, mtime_ns=status.st_mtime_ns, sha256=sha256_of(str(made))
        )
        plan = read_plan(cloud, first, destination)
        conversion = next(c for c in plan.conversions if c.source.path == record.path)
        event = Event(conversion=conversion, state=State.CONVERTED, result=result)
        ledger.record(first, event)
        ledger.sources.set(replace(record, state="deleted"))
        Path(record.path).unlink()
    done = azure_run("convert", "in", *words)
    assert done.exit_code == 0, done.stderr
    assert "left on Azure" not in done.stderr
    assert cloud.stored("input") == {}
    assert names(folder) == set()
    assert len(cloud.jobs()) == 1


def read_plan(cloud: Cloud, run: str, destination: Path) -> Plan:
    """What storage has of *run*."""
    data = next(blob for name, blob in cloud.stored("input").items() if "plan" in name)
    return read_manifest(data, run, destination).plan


def test_who_collects_a_detached_run_tells_how_it_went(
    azure_run: Run, cloud: Cloud, one: Path
) -> None:
    with hook_server() as hook:
        azure_run("convert", "in", "--detach", RUNNER_NOTIFY=hook.url)
        assert not hook.posted, "it goes on"
        attached = azure_run("attach", "-vv", "--notify", hook.url)
    assert attached.exit_code == 0
    assert SECRET not in attached.stderr + attached.stdout
    assert "GET https://" in attached.stderr, "the other requests are shown"
    assert [posted["converted"] for posted in hook.posted] == [1]
    everything = [data for place in ("input", "output") for data in cloud.stored(place).values()]
    assert SECRET.encode() not in b"".join((*everything, *tree(azure_run.folder).values()))
    assert not any(SECRET.encode() in seen.content for seen in cloud.azure.requests)
