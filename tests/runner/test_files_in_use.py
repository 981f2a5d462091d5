"""A file that another program has open fails alone, and only when that lasts."""

import os
import threading
from pathlib import Path

import pytest

from runner.media.failures import ConversionError, Kind
from runner.media.files_in_use import is_in_use, retry_while_in_use
from runner.media.target import ANYTHING, check_target
from tests.conftest import Run, names
from tests.media import Media

windows = pytest.mark.skipif(os.name != "nt", reason="elsewhere an open file can be replaced")


def held(code: int | None) -> OSError:
    """The error that Windows gives, with its own code."""
    error = PermissionError(13, "Access denied")
    error.winerror = code  # type: ignore[attr-defined] # Windows' alone
    return error


@pytest.mark.parametrize(
    ("code", "there"), [(5, True), (32, True), (33, True), (112, False), (3, False)]
)
def test_a_file_in_use_is_recognised_by_windows_error_codes(code: int, there: bool) -> None:
    assert is_in_use(held(code), windows=True) == there


def test_what_open_says_is_taken_for_it_on_windows_alone() -> None:
    assert is_in_use(PermissionError(13, "Permission denied"), windows=True)
    assert not is_in_use(PermissionError(13, "Permission denied"), windows=False)
    assert not is_in_use(FileNotFoundError(2, "gone"), windows=True)


def test_a_file_that_is_let_go_is_waited_for() -> None:
    errors = [held(32), held(5), held(33)]

    def act() -> str:
        if errors:
            raise errors.pop()
        return "done"

    assert retry_while_in_use(act) == "done"


def test_patience_has_an_end() -> None:
    calls = []

    def act() -> None:
        calls.append(1)
        raise held(32)

    with pytest.raises(PermissionError):
        retry_while_in_use(act, patience=0.2)
    assert len(calls) > 1


def test_other_errors_are_reported_at_once() -> None:
    calls = []

    def act() -> None:
        calls.append(1)
        raise FileNotFoundError(2, "gone")

    with pytest.raises(FileNotFoundError):
        retry_while_in_use(act)
    assert len(calls) == 1


@pytest.mark.parametrize("below", ["a.mp3", "deep/er/a.mp3"])
def test_a_file_where_a_folder_should_be_is_told_on_every_system(
    below: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        ConversionError, match="there is a file where its folder should be"
    ) as caught:
        check_target(str(tmp_path / "file" / below), ANYTHING)
    assert caught.value.failure.kind is Kind.INPUT
    check_target(str(tmp_path / "folder" / below), ANYTHING)


@windows
def test_a_result_that_is_open_elsewhere_fails_alone(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("8-bit.wav", *(tmp_path / "in" / f"{letter}.wav" for letter in "abc"))
    assert run("convert", "in").exit_code == 0
    with (destination / "b.mp3").open("rb"):
        result = run("convert", "in", "--overwrite", "always")
    assert result.exit_code == 1
    assert "2 converted, 1 failed" in result.stderr
    assert "another program has it open" in result.failures[0]
    assert run("retry").exit_code == 0
    assert names(destination) == {"a.mp3", "b.mp3", "c.mp3"}


@windows
def test_a_result_that_is_closed_in_time_is_replaced(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("8-bit.wav", tmp_path / "in" / "a.wav")
    assert run("convert", "in").exit_code == 0
    file = (destination / "a.mp3").open("rb")
    timer = threading.Timer(4, file.close)
    timer.start()
    assert run("convert", "in", "--overwrite", "always").exit_code == 0
    timer.cancel()
    file.close()
