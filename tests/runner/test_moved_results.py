"""`kill -9` right after a result got its name, when the ledger does not have it yet."""

import os
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Run, in_work, names, until
from tests.media import Media
from tests.stand_in import MakeStandIn

COMMAND = ("convert", "in", "--to", "wav")
ROUND = """
append("begun", "")
wait_for("go")
"""


@pytest.fixture
def killed(
    started: Callable[..., subprocess.Popen[str]],
    stand_in: MakeStandIn,
    media: Media,
    destination: Path,
    tmp_path: Path,
) -> Callable[[], None]:
    """Kill a run that moves a result into place and cannot write into its ledger that it did."""
    media.put("clip.mp3", tmp_path / "in" / "a.mp3")
    program = stand_in(ROUND)

    def kill() -> None:
        process = started(*COMMAND, "--ffmpeg", program.path)
        until(lambda: program.said("begun"))
        before = state(destination / "a.wav")
        with closing(sqlite3.connect(destination / ".runner" / "ledger.sqlite")) as ledger:
            ledger.execute("BEGIN EXCLUSIVE")
            (program.path.parent / "go").touch()
            until(lambda: state(destination / "a.wav") != before)
            process.kill()
            process.wait()
        assert in_work(destination, ".runner/tmp/*/*.moved")

    return kill


def state(path: Path) -> tuple[int, int] | None:
    if not path.exists():
        return None
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def change(source: Path, media: Media) -> None:
    media.put("clip.mp3", source)
    os.utime(source, ns=(1, source.stat().st_mtime_ns + 10**9))


def test_it_is_up_to_date_and_known_to_be_ours(
    killed: Callable[[], None], media: Media, run: Run, destination: Path, tmp_path: Path
) -> None:
    killed()
    made = state(destination / "a.wav")
    again = run(*COMMAND)
    assert (again.exit_code, again.stderr.count("1 up to date")) == (0, 1), again.stderr
    assert state(destination / "a.wav") == made
    assert names(destination) == {"a.wav"}
    assert not list(destination.glob(".runner/tmp/*"))
    # what is ours and out of date is made anew, what is somebody else's would be kept
    change(tmp_path / "in" / "a.mp3", media)
    last = run(*COMMAND)
    assert (last.exit_code, last.stderr.count("1 converted")) == (0, 1), last.stderr


def test_it_is_made_anew_if_its_source_has_changed_by_then(
    killed: Callable[[], None], media: Media, run: Run, tmp_path: Path
) -> None:
    killed()
    change(tmp_path / "in" / "a.mp3", media)
    again = run(*COMMAND)
    assert (again.exit_code, again.stderr.count("1 converted")) == (0, 1), again.stderr


def test_one_that_replaced_another_is_up_to_date(
    killed: Callable[[], None], media: Media, run: Run, tmp_path: Path
) -> None:
    assert run(*COMMAND).exit_code == 0
    change(tmp_path / "in" / "a.mp3", media)
    killed()
    again = run(*COMMAND)
    assert (again.exit_code, again.stderr.count("1 up to date")) == (0, 1), again.stderr


@pytest.mark.parametrize("what", ["changed", "gone", "note cut off", "note of nothing"])
def test_one_that_is_not_as_it_was_is_not_taken_for_ours(
    what: str, killed: Callable[[], None], run: Run, destination: Path, media: Media, tmp_path: Path
) -> None:
    killed()
    result = destination / "a.wav"
    (note,) = destination.glob(".runner/tmp/*/*.moved")
    match what:
        case "changed":
            result.write_bytes(result.read_bytes()[:-2] + b"XX")
        case "gone":
            result.unlink()
        case "note cut off":
            note.write_bytes(note.read_bytes()[:-1])
        case "note of nothing":
            note.write_bytes(b"")
    change(tmp_path / "in" / "a.mp3", media)
    again = run(*COMMAND)
    assert ("1 converted" in again.stderr) == (what == "gone"), again.stderr
