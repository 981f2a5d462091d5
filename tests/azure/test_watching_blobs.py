"""`--watch` of a prefix in Azure storage: what is put there is converted, and wherever results go."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from subprocess import Popen

import pytest
from azure.storage.blob import generate_container_sas

from runner.blob_selection import ARCHIVED, REHYDRATING
from runner.models import Source
from runner.selection import FoundFile
from runner.watch import StableFiles
from tests.azure.conftest import on_cloud
from tests.azure.media_store import MediaStore, media_store
from tests.azure.test_cloud_results import Laptops, results_in
from tests.azure.test_secrets import files_below, leaks
from tests.cloud import Cloud
from tests.conftest import Run, names, until
from tests.media import Media
from tests.runner.test_notify import hook_server

WATCH = ("--watch", "--settle", "0.3")


@pytest.fixture
def store(cloud: Cloud) -> Iterator[MediaStore]:
    with media_store(cloud) as made:
        yield made


@pytest.fixture
def wav(media: Media, tmp_path: Path) -> Path:
    return media.put("8-bit.wav", tmp_path / "8-bit.wav")


def converted(run: Run, *words: str) -> int:
    """How many files the runs have converted that have ended."""
    listed = run("runs", "--json", *words)
    runs = [json.loads(line) for line in listed.stdout.splitlines()]
    return sum(one["converted"] for one in runs if one["ended"])


@contextmanager
def watching(process: Popen[str]) -> Iterator[list[str]]:
    """Watch while the block runs, then end; yields the lines that it has said, once it has ended."""
    said: list[str] = []
    try:
        yield said
    except AssertionError as error:
        error.add_note(f"it said:\n{_end(process)}")
        raise
    said += _end(process).splitlines()


def _end(process: Popen[str]) -> str:
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    return said


def test_a_watched_prefix_is_converted_here_as_it_fills_and_is_never_told_its_signature(
    store: MediaStore, run: Run, wav: Path, tmp_path: Path, destination: Path
) -> None:
    key, account = store.cloud.storage.key, store.cloud.storage.name
    sas = generate_container_sas(account, store.name, key, permission="rl", expiry="2099-01-01")
    here = on_cloud(run, store.cloud)
    where = ("--where", "local", "-vv", "--json")
    with hook_server() as hook:
        words = (*where, "--notify", hook.url)
        process = here.start("convert", f"{store.url}/in?{sas}", *WATCH, *words)
        said = _filled(process, store, here, wav, tmp_path, destination)
    assert process.returncode == 1, said
    assert said[-1].endswith(": 3 converted, 1 failed"), said
    assert hook.posted[-1]["text"].endswith(said[-1])
    told = "\n".join((*said, json.dumps(hook.posted))).encode()
    assert leaks(told + files_below(tmp_path), store.cloud) == []


def _filled(
    process: Popen[str], store: MediaStore, here: Run, wav: Path, tmp_path: Path, destination: Path
) -> list[str]:
    """Fill the prefix that *process* watches; returns what it said until it was ended."""
    with watching(process) as said:
        store.put("in/first.wav", wav)
        store.put("elsewhere/no.wav", wav)
        until(lambda: names(destination) == {"first.mp3"})
        (tmp_path / "bad").write_text("no sound")
        store.put("in/bad.wav", tmp_path / "bad")
        store.put("in/sub/second.wav", wav)
        until(lambda: names(destination) == {"first.mp3", "sub/second.mp3"})
        before = (destination / "first.mp3").stat().st_mtime_ns
        store.put("in/first.wav", wav)  # another version of it
        until(lambda: (destination / "first.mp3").stat().st_mtime_ns != before)
        until(lambda: converted(here) == 3)
    return said


def test_what_is_put_into_the_cloud_is_converted_there_into_another_place_there(
    store: MediaStore, run: Run, wav: Path, tmp_path: Path
) -> None:
    here = on_cloud(run, store.cloud)
    laptops = Laptops(store.cloud, here, tmp_path)
    store.put("in/notes.txt", wav)
    first, to = laptops.on("first"), ("-o", laptops.place)
    process = first.start("convert", f"az://{store.name}/in", *to, *WATCH)
    with watching(process) as said:
        store.put("in/a.wav", wav)
        until(lambda: set(results_in(store.cloud)) == {"a.mp3"}, 60)
        until(lambda: converted(first, *to) == 1)
        store.put("in/b.wav", wav)
        until(lambda: set(results_in(store.cloud)) == {"a.mp3", "b.mp3"}, 60)
        until(lambda: converted(first, *to) == 2)
    assert said[-1].endswith(": 2 converted"), said
    assert set(store.cloud.attempts().values()) == {1}


@pytest.mark.parametrize(
    ("source", "more", "why"),
    [
        ("az://{other}/in", (), "there is no container "),
        ("az://{name}", ("--source", "delete", "--yes"), "--source delete is for sources on this"),
    ],
)
def test_what_cannot_be_watched_is_refused_at_once(
    store: MediaStore, run: Run, source: str, more: tuple[str, ...], why: str
) -> None:
    address = source.format(name=store.name, other=f"{store.name}-none")
    refused = on_cloud(run, store.cloud)("convert", address, "--watch", *more)
    assert refused.exit_code in (2, 3)
    assert why in refused.error


def test_a_place_that_cannot_be_listed_any_more_is_named_once_and_looked_at_again(
    store: MediaStore, run: Run, wav: Path, destination: Path
) -> None:
    here = on_cloud(run, store.cloud)
    process = here.start("convert", f"az://{store.name}", *WATCH, "--where", "local")
    with watching(process) as said:
        store.put("a.wav", wav)
        until(lambda: names(destination) == {"a.mp3"})
        store.container.delete_container()
        line = ""
        while "there is no container" not in line:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert line, "it ended"
        assert line.rstrip().endswith("(still trying)")
        store.container.create_container()
        store.put("b.wav", wav)
        until(lambda: converted(here) == 2)
    assert not any("there is no container" in line for line in said)
    assert said[-1].endswith(": 2 converted"), said


def test_a_blob_in_the_archive_is_told_once_and_waited_for_while_it_is_rehydrated() -> None:
    now = [0.0]
    settling = StableFiles(1, lambda: now[0])
    blob = FoundFile(Source("az://account/media/a.wav", 5, 1, "etag"), "a.wav")
    told: list[object] = []
    for fault in (*3 * (ARCHIVED,), *3 * (REHYDRATING,), *3 * (None,)):
        now[0] += 1
        told += [one.fault for one in settling.complete([replace(blob, fault=fault)])]
    assert told == [ARCHIVED, None]
