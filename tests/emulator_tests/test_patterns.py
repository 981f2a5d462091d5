"""Patterns of output files find what Batch would find, under the names that it would give."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.emulator.patterns import find_outputs

if TYPE_CHECKING:
    from pathlib import Path

FILES = ("out.mp3", "a[1].mp3", "b/c.mp3", "b/d/e.mp3", "b/.f.mp3", ".hidden", "../stdout.txt")


@pytest.fixture
def wd(tmp_path: Path) -> Path:
    """Give a task's working directory with FILES in it."""
    directory = tmp_path / "task/wd"
    for name in FILES:
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return directory


@pytest.mark.parametrize(
    ("pattern", "path", "blobs"),
    [
        ("out.mp3", None, ["out.mp3"]),
        ("b/c.mp3", None, ["c.mp3"]),
        ("out.mp3", "run/x.mp3", ["run/x.mp3"]),
        ("missing.mp3", "x", []),
        ("b", "x", []),
        ("*.mp3", None, ["a[1].mp3", "out.mp3"]),
        ("*.mp3", "run/", ["run/a[1].mp3", "run/out.mp3"]),
        ("a[[]1[]].mp3", None, ["a[1].mp3"]),
        ("a[1].mp3", None, []),
        ("o?t.mp[0-9]", None, ["out.mp3"]),
        ("[!a]*.mp3", None, ["out.mp3"]),
        ("b/*.mp3", None, ["c.mp3"]),
        ("b/**/*.mp3", None, ["c.mp3", "d/e.mp3"]),
        ("**/*.mp3", None, ["a[1].mp3", "b/c.mp3", "b/d/e.mp3", "out.mp3"]),
        ("b/.f*", None, [".f.mp3"]),
        ("*", None, ["a[1].mp3", "out.mp3"]),
        ("../std*.txt", "logs", ["logs/stdout.txt"]),
        ("$TASK/stdout.txt", None, ["stdout.txt"]),
        ("${TASK}/*.txt", None, ["stdout.txt"]),
    ],
)
def test_a_pattern_finds(wd: Path, pattern: str, path: str | None, blobs: list[str]) -> None:
    found = find_outputs(pattern, base=wd, environment={"TASK": str(wd.parent)}, path=path)
    assert sorted(blob for _, blob in found) == blobs
