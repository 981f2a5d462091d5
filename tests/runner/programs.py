"""The ffmpegs that the worker is tested with, and a worker to test."""

import os
import sys
from pathlib import Path

import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from runner.media.failures import ConversionError, Failure
from runner.media.ffmpeg import Limits
from runner.media.recipe import Recipe
from runner.media.work import ConversionResult, Work
from runner.media.worker import convert
from runner.presets import BUILT_IN

_OTHERS = os.environ.get("RUNNER_TEST_FFMPEGS", "")
"""Further programs, such as that of a distribution, separated as in PATH."""


def _oldest() -> str | None:
    """Return the oldest version that is supported, 4.2.2, which `make test` installs beside the other."""
    folder = Path(sys.prefix, "ffmpeg-4.2", "imageio_ffmpeg", "binaries")
    return next((str(path) for path in folder.glob("ffmpeg-*")), None)


def _programs() -> list[object]:
    oldest = _oldest()
    absent = pytest.mark.skip(reason="ffmpeg 4.2.2 is not installed: run make .venv/ffmpeg-4.2")
    return [
        pytest.param(get_ffmpeg_exe(), id="embedded"),
        pytest.param(oldest, id="oldest", marks=() if oldest else (absent,)),
        *(
            pytest.param(path, id=f"given-{Path(path).name}")
            for path in _OTHERS.split(os.pathsep)
            if path
        ),
    ]


every_ffmpeg = pytest.mark.parametrize("ffmpeg", _programs())


def recipe(preset: str = "mp3", **details: object) -> Recipe:
    """The recipe of a built-in preset."""
    return BUILT_IN[preset].recipe(**details)  # type: ignore[arg-type] # passed on as they are


def work(
    source: Path,
    target: Path,
    *,
    how: Recipe | None = None,
    ffmpeg: str | None = None,
    limits: Limits | None = None,
) -> Work:
    """One file for the worker."""
    return Work(
        source=str(source),
        target=str(target),
        scratch=str(target.parent / ".scratch"),
        name="attempt",
        recipe=how or recipe(),
        ffmpeg=ffmpeg or get_ffmpeg_exe(),
        limits=limits or Limits(),
    )


def failure_of(one: Work) -> Failure:
    """The failure of *one*, which must fail and leave nothing.

    Raises:
        AssertionError: It was converted.
    """
    try:
        made = convert(one)
    except ConversionError as error:
        left = list(Path(one.scratch).glob("*"))
        assert not Path(one.target).is_file(), "a failed conversion left a target"
        assert not left, "a failed conversion left something in the scratch folder"
        return error.failure
    raise AssertionError(f"a bad file was passed: {made}")


def converted(one: Work) -> ConversionResult:
    """The result of *one*, which must not fail.

    Raises:
        AssertionError: It failed; with ffmpeg's words.
    """
    try:
        return convert(one)
    except ConversionError as error:
        raise AssertionError(f"{error.failure.message}\n{error.failure.log}") from error
