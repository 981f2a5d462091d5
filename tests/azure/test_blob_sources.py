"""Media that are in the cloud already: read where they are, by nodes or by this machine."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.blob import generate_container_sas

from runner import State, convert, prepare, summarize
from runner.azure.listing import Listing
from runner.azure.session import Session
from runner.media.blob_source import CHANGED, GONE
from runner.models import Kind
from runner.plan import make_plan
from runner.selection import Selection, find_files
from tests.azure.conftest import MP3, MakeEngine, drive, on_cloud
from tests.azure.media_store import MediaStore, media_store
from tests.azure.test_secrets import files_below, leaks
from tests.cloud import IDENTITY, Cloud
from tests.conftest import Run, names
from tests.media import Media
from tests.runner.test_notify import SECRET as HOOK_SECRET
from tests.runner.test_notify import hook_server


@pytest.fixture
def store(cloud: Cloud) -> Iterator[MediaStore]:
    with media_store(cloud) as made:
        yield made


@pytest.fixture
def wav(media: Media, tmp_path: Path) -> Path:
    """A short good file."""
    return media.put("8-bit.wav", tmp_path / "8-bit.wav")


def test_nodes_read_blobs_where_they_are_and_nothing_is_uploaded(
    store: MediaStore, run: Run, wav: Path, tmp_path: Path, destination: Path
) -> None:
    for name in (
        "2026/a.wav",
        "2026/b c/ü.wav",
        "2026/.hidden/x.wav",
        "2026/notes.txt",
        "2025/c.wav",
    ):
        store.put(name, wav)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "here.wav").write_bytes(wav.read_bytes())
    command = on_cloud(run, store.cloud)
    result = command("convert", f"az://{store.name}/2026", "in", "--keep", "--json")
    assert result.exit_code == 0, result.stderr
    assert names(destination) == {"a.mp3", "b c/ü.mp3", "here.mp3"}
    uploaded = [name for name in store.cloud.stored("input") if name.endswith(".wav")]
    assert len(uploaded) == 1, "of the file that was here alone"
    ends = [json.loads(line) for line in result.stdout.splitlines()]
    sources = {e["source"] for e in ends if e.get("state") == "converted"}
    assert f"{store.url}/2026/b%20c/%C3%BC.wav" in sources
    again = command("convert", f"{store.url}/2026/", "in")
    assert "3 up to date" in again.stderr, again.stderr
    store.put("2026/a.wav", wav)
    changed = command("convert", f"az://{store.name}/2026", "in")
    assert (changed.exit_code, "1 converted" in changed.stderr) == (0, True), changed.stderr


def test_this_machine_converts_blobs_and_keeps_no_copy(
    store: MediaStore, run: Run, wav: Path, destination: Path
) -> None:
    for number in range(5):
        store.put(f"2026/{number}.wav", wav)
    command = on_cloud(run, store.cloud)
    result = command("convert", f"az://{store.name}/2026/[0-3].wav", "--where", "local", "-j", "2")
    assert result.exit_code == 0, result.stderr
    assert names(destination) == {f"{number}.mp3" for number in range(4)}
    assert not list(destination.rglob("*source*"))


def test_a_signature_is_used_and_neither_shown_nor_kept(
    cloud: Cloud, run: Run, wav: Path, tmp_path: Path, destination: Path
) -> None:
    with media_store(cloud, is_given=False) as store:
        store.put("a.wav", wav)
        key, account = cloud.storage.key, cloud.storage.name
        signature = generate_container_sas(
            account, store.name, key, permission="rl", expiry="2099-01-01"
        )
        address = f"{store.url}/?{signature}"
        here = on_cloud(run, cloud)
        planned = here("plan", address, "-vv", "--json")
        result = here("convert", address, "-v", "--json")
        told = [
            here("report", "--json", "--file", "page.html"),
            here("status"),
            here("runs", "--json"),
        ]
    assert result.exit_code == 0, result.stderr
    assert names(destination) == {"a.mp3"}
    assert json.loads(planned.stdout)["looked_at"] == 1, planned.stderr
    said = "".join(each.stdout + each.stderr for each in (planned, result, *told)).encode()
    assert b"?SIGNATURE" in said, "the command says where it stood"
    stored = b"".join(b for p in ("input", "output", "tools") for b in cloud.stored(p).values())
    assert leaks(said + files_below(tmp_path) + stored, cloud) == []


@pytest.mark.parametrize("where", ["azure", "local"])
def test_what_is_posted_of_a_run_has_no_signature(
    cloud: Cloud, run: Run, wav: Path, tmp_path: Path, where: str
) -> None:
    with media_store(cloud, is_given=False) as store, hook_server() as hook:
        bad = tmp_path / "bad"
        bad.write_text("no media")
        for name, file in (("a.wav", wav), *((f"bad {n}.wav", bad) for n in range(5))):
            store.put(name, file)
        key, account = cloud.storage.key, cloud.storage.name
        sas = generate_container_sas(account, store.name, key, permission="rl", expiry="2099-01-01")
        old = generate_container_sas(account, store.name, key, permission="rl", expiry="2020-01-01")
        here, words = on_cloud(run, cloud), ("--where", where, "-vv", "--notify", hook.url)
        ends = [
            here("convert", f"{store.url}/?{sas}", *words),
            here("convert", f"{store.url}/?{sas}", *words, "--fail-fast", "1", "-o", "other"),
            here("convert", f"{store.url}/?{old}", *words),
        ]
    assert [end.exit_code for end in ends] == [1, 1, 4], [end.stderr for end in ends]
    first, stopped = hook.posted
    assert (first["converted"], first["failed"], stopped["event"]) == (1, 5, "error")
    assert f"{store.url}/bad%20" in first["text"], "the reasons have examples"
    said = "".join(end.stdout + end.stderr for end in ends) + json.dumps(hook.posted)
    assert leaks(said.encode() + files_below(tmp_path), cloud) == []
    assert HOOK_SECRET not in said


def test_blobs_that_changed_or_went_since_they_were_planned_fail_alone(
    store: MediaStore, engine_on: MakeEngine, wav: Path, destination: Path
) -> None:
    for name in ("changed.wav", "fine.wav", "gone.wav"):
        store.put(name, wav)
    blobs = Listing(Session(store.cloud.deployment).accounts)
    found = list(find_files([f"az://{store.name}"], Selection(), lambda: blobs))
    store.put("changed.wav", wav)
    store.container.delete_blob("gone.wav")
    told = drive(engine_on(store.cloud), make_plan(found, MP3, destination))
    assert {target: (f.kind, f.message) for target, f in told.failures.items()} == {
        "changed.mp3": (Kind.INPUT, CHANGED),
        "gone.mp3": (Kind.INPUT, GONE),
    }
    assert names(destination) == {"fine.mp3"}


def test_a_right_that_nodes_lost_ends_the_run_with_the_command_that_gives_it(
    store: MediaStore, run: Run, wav: Path
) -> None:
    store.put("a.wav", wav)
    store.cloud.azure.roles.revoke(IDENTITY)
    for purpose, role in (("input", "reader"), ("tools", "reader"), ("output", "contributor")):
        store.cloud.azure.grant(IDENTITY, role, store.cloud.container(purpose))
    result = on_cloud(run, store.cloud)("convert", f"az://{store.name}")
    assert result.exit_code == 4, result.stderr
    assert f"may not read the container {store.name}" in result.error
    assert "`pulumi up` assigns the role" in result.error


@pytest.mark.parametrize("results", ["here", "in storage"])
def test_a_program_converts_blobs_on_its_machine_and_its_plan_shows_no_signature(
    cloud: Cloud,
    wav: Path,
    destination: Path,
    tmp_path: Path,
    results: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with media_store(cloud, is_given=False) as store:
        for name in ("2026/a.wav", "2026/sub/b.wav", "2025/c.wav"):
            store.put(name, wav)
        signature = generate_container_sas(
            *(cloud.storage.name, store.name, cloud.storage.key),
            permission="rl",
            expiry="2099-01-01",
        )
        out = f"{store.url}/mp3" if results == "in storage" else str(destination)
        plan = prepare(f"{store.url}/2026?{signature}", out)
        assert leaks(repr(plan).encode(), cloud) == []
        report = convert(plan, jobs=1)
        again = convert(prepare(f"{store.url}/2026?{signature}", out), jobs=1)
        made = {
            n.removeprefix("mp3/") for n in store.container.list_blob_names(name_starts_with="mp3/")
        }
    assert (report.count(State.CONVERTED), again.count(State.UP_TO_DATE)) == (2, 2)
    found = {name for name in made if not name.startswith(".runner/")} | names(destination)
    assert found == {"a.mp3", "sub/b.mp3"}
    said = "\n".join([*summarize(report), *summarize(again)])
    assert leaks(said.encode() + files_below(tmp_path), cloud) == []
