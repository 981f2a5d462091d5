"""The worker on a node: unpacked once for all of its tasks, and from its zip file where that cannot be."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.azure.worker_package import pack_worker
from runner.media.launch import SHARED
from runner.media.order import ORDER, Order
from runner.media.recipe import Recipe
from runner.media.record import RECORD, Record

GONE = "the file is gone"
NAME = pack_worker()[0].removesuffix(".pyz")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    return folder


def run_task(folder: Path, shared: Path | None) -> str:
    """Run the worker for a source that is not there; return what it says in its record."""
    folder.mkdir()
    (folder / "worker.pyz").write_bytes(pack_worker()[1])
    order = Order(source="source.mp4", recipe=Recipe(suffix=".mp3", arguments=())).as_json()
    environment = {"PATH": os.environ["PATH"], ORDER: order}
    if shared is not None:
        environment[SHARED] = str(shared)
    # whether bytecode is kept is up to the environment, which is only the one above
    done = subprocess.run(
        [sys.executable, "worker.pyz"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    return Record.from_json((folder / RECORD).read_bytes()).message


def test_the_second_task_of_a_node_finds_what_the_first_one_has_compiled(
    shared: Path, tmp_path: Path
) -> None:
    said = run_task(tmp_path / "first", shared)
    assert [path.name for path in shared.iterdir()] == [NAME]
    assert list((shared / NAME / "runner/media/__pycache__").glob("node.*.pyc"))
    assert list((shared / NAME / "mutagen").glob("id3/*.py"))
    source = shared / NAME / "runner/media/source.py"
    source.write_text(source.read_text().replace(GONE, "as it was packed"))
    os.utime(source, (0, 0))  # else its bytecode might seem to be of this version
    assert (said, run_task(tmp_path / "second", shared)) == (GONE, "as it was packed")


def test_a_damaged_copy_of_the_worker_is_left_alone(shared: Path, tmp_path: Path) -> None:
    run_task(tmp_path / "first", shared)
    (shared / NAME / "runner/media/source.py").write_bytes(b"")
    assert run_task(tmp_path / "second", shared) == GONE


def nowhere(shared: Path) -> None:
    shared.rmdir()
    shared.touch()


def occupied(shared: Path) -> None:
    (shared / NAME).write_bytes(b"")


@pytest.mark.parametrize("prepare", [None, nowhere, occupied])
def test_a_task_that_cannot_unpack_the_worker_takes_it_from_the_zip_file(
    prepare: Callable[[Path], None] | None, shared: Path, tmp_path: Path
) -> None:
    if prepare is not None:
        prepare(shared)
    assert run_task(tmp_path / "task", shared if prepare else None) == GONE
    assert not (shared / NAME).is_dir()
