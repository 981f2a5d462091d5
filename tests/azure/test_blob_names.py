"""Names that blobs can have and files cannot, or should not: on a real storage, here and on nodes."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.azure.conftest import on_cloud
from tests.azure.media_store import MediaStore, media_store
from tests.azure.test_cloud_results import Laptops, results_in
from tests.cloud import Cloud
from tests.conftest import Run, names
from tests.media import Media

NAMES = {
    "/lead.wav": "lead.mp3",
    "a//b.wav": "a/b.mp3",
    "dot./a.wav": "dot./a.mp3",
    "dots...wav": "dots...mp3",
    "end.wav.": "end.wav.mp3",
    "space .wav": "space .mp3",
    "last.wav ": "last.mp3",
    "🎧.wav": "🎧.mp3",
    "%2e%2e%2fup.wav": "%2e%2e%2fup.mp3",
    "q?a=b&c.wav": "q?a=b&c.mp3",
    "hash#.wav": "hash#.mp3",
    "'\"`$(touch pwned)`;.wav": "'\"`$(touch pwned)`;.mp3",
    "new\nline.wav": "new\nline.mp3",
    "tab\t.wav": "tab\t.mp3",
    "-y.wav": "-y.mp3",
    "~/a\u202eb.wav": "~/a\u202eb.mp3",
    # Azurite makes a / of it, as it says Azure does; so no blob there has a \ in its name
    "back\\slash.wav": "back/slash.mp3",
    "x" * 1020 + ".wav": "",  # no result can be called so, be it a file, or a blob below a prefix
}
"""The result of each, below the destination. Azurite takes no others: it cannot list control characters."""
_ENCODED = {
    "dot./a.mp3": "dot%2E/a.mp3",
    "new\nline.mp3": "new%0Aline.mp3",
    "tab\t.mp3": "tab%09.mp3",
}


@pytest.fixture
def store(cloud: Cloud, media: Media) -> Iterator[MediaStore]:
    with media_store(cloud) as made:
        for name in NAMES:
            made.put(name, media("8-bit.wav"))
        made.put("x/.runner/ledger.wav", media("8-bit.wav"))
        yield made


def test_blobs_of_any_name_are_converted_here_inside_of_the_destination(
    store: MediaStore, run: Run, tmp_path: Path, destination: Path
) -> None:
    words = ("--include", "*", "--where", "local")
    done = on_cloud(run, store.cloud)("convert", f"az://{store.name}", *words)
    assert done.exit_code == 1, done.stderr
    assert names(destination) == set(filter(None, NAMES.values()))
    assert [len(done.failures), done.stderr.count("  name: ")] == [1, 1], done.stderr
    assert not list(tmp_path.rglob("pwned"))
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


def test_blobs_of_any_name_are_converted_on_nodes_below_the_prefix(
    store: MediaStore, run: Run, tmp_path: Path
) -> None:
    laptops = Laptops(store.cloud, on_cloud(run, store.cloud), tmp_path)
    done = laptops("convert", f"az://{store.name}", "--include", "*")
    assert done.exit_code == 1, done.stderr
    expected = {_ENCODED.get(name, name) for name in filter(None, NAMES.values())}
    assert set(results_in(store.cloud)) == expected
    others = [name for name in store.cloud.stored("output") if not name.startswith("kept/mp3/")]
    assert len({name.partition("/")[0] for name in others}) <= 1, "all others are of the run"
    assert not [name for name in others if name.endswith(".mp3")]
    again = laptops("convert", f"az://{store.name}", "--include", "*", home="second")
    assert f"{len(expected)} up to date" in again.stderr, again.stderr


@pytest.mark.parametrize("name", ["../{other}/a.wav", "./a.wav", "b/../a.wav", "%2e%2e/a.wav"])
def test_an_address_leads_into_no_other_container(
    store: MediaStore, run: Run, media: Media, name: str
) -> None:
    with media_store(store.cloud) as other:
        other.put("a.wav", media("8-bit.wav"))
        address = f"az://{store.name}/{name.format(other=other.name)}"
        done = on_cloud(run, store.cloud)("convert", address, "-n")
    assert done.exit_code == 3, done.stderr + done.stdout
    assert "no such blob, folder or container" in done.error


@pytest.mark.parametrize("where", ["local", "azure"])
def test_the_folders_of_a_hierarchical_namespace_are_taken_for_no_media(
    cloud: Cloud, run: Run, media: Media, tmp_path: Path, where: str
) -> None:
    with media_store(cloud) as store:
        for folder in ("films", "films/sub.wav", "films/empty.wav"):
            # so are they listed by the blob endpoint
            store.container.upload_blob(folder, b"", metadata={"hdi_isfolder": "true"})
        store.put("films/sub.wav/a.wav", media("8-bit.wav"))
        here = on_cloud(run, store.cloud)
        for words, found in {
            (f"az://{store.name}", "--include", "*"): {"films/sub.wav/a.mp3"},
            (f"az://{store.name}/films/*.wav",): {"sub.wav/a.mp3"},
            (f"az://{store.name}/films/sub.wav",): {"a.mp3"},
        }.items():
            done = here("convert", *words, "--where", where, "-o", "out")
            assert done.exit_code == 0, done.stderr
            assert names(tmp_path / "out") == found
            shutil.rmtree(tmp_path / "out")
        (tmp_path / "list").write_text(f"az://{store.name}/films/sub.wav\n")
        listed = here("convert", "--files-from", "list", "--where", where)
        (why,) = listed.failures
        assert why.endswith("it is a folder: a list names blobs"), listed.stderr
