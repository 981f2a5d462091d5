"""Media that are in the cloud already: read where they are, by nodes or by this machine."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.azure.conftest import on_cloud
from tests.azure.media_store import MediaStore, media_store
from tests.cloud import Cloud
from tests.conftest import Run, names
from tests.media import Media


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
