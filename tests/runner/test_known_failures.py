"""A file that failed for a reason of its own is not tried again by the same command."""

from pathlib import Path

import pytest

from tests.conftest import Run, names
from tests.media import Media
from tests.runner.old_ledgers import write_as_of
from tests.stand_in import MakeStandIn, StandIn


@pytest.fixture
def program(stand_in: MakeStandIn) -> StandIn:
    return stand_in()


@pytest.fixture
def failed(run: Run, media: Media, tmp_path: Path, program: StandIn) -> Path:
    """A source that failed once, converted by *program*, beside one that was converted."""
    media.put("clip.mp3", tmp_path / "in" / "good.mp3")
    bad = media.put("text.mp4", tmp_path / "in" / "bad.mp4")
    assert run("convert", "in", "--ffmpeg", program.path).exit_code == 1
    program.starts_file.unlink()
    return bad


def said_of_bad(run: Run) -> list[str]:
    return [line for line in run("status").stdout.splitlines() if "bad.mp4" in line]


def test_the_same_command_again_says_so_and_starts_no_ffmpeg(
    run: Run, failed: Path, program: StandIn
) -> None:
    first = said_of_bad(run)
    for _ in range(2):
        again = run("convert", "in", "--ffmpeg", program.path)
        assert again.exit_code == 1
        assert "2 files: 1 up to date, 1 failed" in again.stderr
        assert (
            "not tried again, because neither the file nor the settings changed"
            in again.failures[0]
        )
        assert not program.starts
    # what is known about it is known of the newest run too
    assert said_of_bad(run) == first
    assert "[error]" in run("logs").stdout


def test_retry_tries_it_again(run: Run, failed: Path, program: StandIn, media: Media) -> None:
    assert run("convert", "in", "--ffmpeg", program.path).exit_code == 1
    assert run("retry", "--ffmpeg", program.path).exit_code == 1
    assert program.starts


def test_a_changed_source_is_tried_again(
    run: Run, failed: Path, program: StandIn, media: Media, destination: Path
) -> None:
    media.put("clip.mp4", failed)
    assert run("convert", "in", "--ffmpeg", program.path).exit_code == 0
    assert names(destination) == {"good.mp3", "bad.mp3"}


@pytest.mark.parametrize(
    "options", [("--verify", "none"), ("--to", "flac"), ("--strict",), ("--overwrite", "always")]
)
def test_other_settings_are_tried(
    options: tuple[str, ...], run: Run, failed: Path, program: StandIn
) -> None:
    run("convert", "in", "--ffmpeg", program.path, *options)
    assert any("bad.mp4" in line for line in program.starts)


def test_another_ffmpeg_tries_it(run: Run, failed: Path, stand_in: MakeStandIn) -> None:
    other = stand_in("# another one")
    assert run("convert", "in", "--ffmpeg", other.path).exit_code == 1
    assert other.starts


def test_what_lay_outside_of_the_file_is_tried_again(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("clip.mp3", tmp_path / "in" / "a.mp3")
    in_its_way = destination / "a.wav"
    in_its_way.mkdir(parents=True)
    assert run("convert", "in", "--to", "wav").exit_code == 1
    in_its_way.rmdir()
    assert run("convert", "in", "--to", "wav").exit_code == 0


def test_a_cleaned_run_is_not_remembered(run: Run, failed: Path, program: StandIn) -> None:
    assert run("clean", "--older-than", "0d").exit_code == 0
    assert run("convert", "in", "--ffmpeg", program.path).exit_code == 1
    assert program.starts


def test_a_ledger_of_the_version_before_is_taken_over(
    run: Run, failed: Path, program: StandIn, destination: Path
) -> None:
    write_as_of(3, destination / ".runner" / "ledger.sqlite")
    assert "bad.mp4" in run("status").stdout
    again = run("convert", "in", "--ffmpeg", program.path)
    assert "2 files: 1 up to date, 1 failed" in again.stderr
    assert len(program.starts) == 1
