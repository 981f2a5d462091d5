"""Results with the file times of their sources, and with the ID3 of old players, by the command."""

import os
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.media import Media

LONG_AGO = 1_234_567_890
YEAR_2400 = 13_569_465_600
"""ext4 keeps times up to 2446; 64 bits of nanoseconds end in 2262."""


@pytest.fixture
def old(media: Media, tmp_path: Path) -> Path:
    """A source from 2009."""
    path = media.put("clip.flac", tmp_path / "in" / "a.flac")
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


@pytest.mark.parametrize("way", ["option", "settings", "environment"])
def test_a_result_is_as_old_as_its_source(
    way: str, old: Path, run: Run, tmp_path: Path, destination: Path
) -> None:
    if way == "settings":
        (tmp_path / ".runner.toml").write_text("[convert]\nkeep-times = true\n")
    options = ["--keep-times"] if way == "option" else []
    wish = "1" if way == "environment" else ""
    assert run("convert", "in", *options, RUNNER_KEEP_TIMES=wish).exit_code == 0
    assert (destination / "a.mp3").stat().st_mtime == LONG_AGO


@pytest.mark.parametrize("overwrite", ["never", "if-newer"])
def test_it_is_known_again_and_made_anew_once_its_source_is(
    overwrite: str, old: Path, run: Run, media: Media, destination: Path
) -> None:
    again = ("convert", "in", "--keep-times", "--overwrite", overwrite)
    assert run(*again).exit_code == 0
    assert "1 up to date" in run(*again).stderr
    os.utime(old, (LONG_AGO + 5, LONG_AGO + 5))
    assert run(*again).exit_code == (1 if overwrite == "never" else 0)
    time = LONG_AGO + (0 if overwrite == "never" else 5)
    assert (destination / "a.mp3").stat().st_mtime == time


def test_a_source_from_a_far_future_is_converted_once(
    old: Path, run: Run, destination: Path
) -> None:
    os.utime(old, (YEAR_2400, YEAR_2400))
    if old.stat().st_mtime != YEAR_2400:
        pytest.skip("this file system keeps no such times")
    again = ("convert", "in", "--keep-times")
    assert run(*again).exit_code == 0
    assert "1 up to date" in run(*again).stderr
    assert (destination / "a.mp3").exists()


def test_a_result_is_of_today_without_being_asked(old: Path, run: Run, destination: Path) -> None:
    assert run("convert", "in").exit_code == 0
    assert (destination / "a.mp3").stat().st_mtime > LONG_AGO + 1_000_000


@pytest.mark.parametrize("version", ["2.3", "2.4"])
def test_the_version_of_id3_can_be_chosen(
    version: str, old: Path, run: Run, destination: Path
) -> None:
    assert run("convert", "in", "--id3", version).exit_code == 0
    assert (destination / "a.mp3").read_bytes()[3] == int(version[-1])
    assert "1 up to date" in run("convert", "in", "--id3", version).stderr
