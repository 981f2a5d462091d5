"""One glob dialect: a pattern means the same files as a source, in `--include` and in `--exclude`."""

import ntpath
import os
import posixpath
from pathlib import Path
from types import ModuleType

import pytest

from runner.patterns import Patterns, base_of, fixed_part, path_matcher
from runner.selection import Selection, find_files

FILES = ("a.wav", "b.wav", "sub/a.wav", "sub/c.mp3", "sub/deep/a.wav", "[x].wav", "day 1/a.wav")
# What each pattern means below the folder that is searched.
BY_PATH = {
    "sub/*.wav": ("sub/a.wav",),
    "sub/*": ("sub/a.wav", "sub/c.mp3"),
    "*/*.wav": ("sub/a.wav", "day 1/a.wav"),
    "*/deep/*.wav": ("sub/deep/a.wav",),
    "sub/**/*.wav": ("sub/a.wav", "sub/deep/a.wav"),
    "**/a.wav": ("a.wav", "sub/a.wav", "sub/deep/a.wav", "day 1/a.wav"),
    "**/deep/**": ("sub/deep/a.wav",),
    "day*/[!b].wav": ("day 1/a.wav",),
    "[[]x].wav": ("[x].wav",),
    "**/*.mp3": ("sub/c.mp3",),
    "*.ogg": (),
}
# One without a slash is a name, wherever it is below the folder.
BY_NAME = {
    "*.wav": tuple(name for name in FILES if name.endswith("wav")),
    "[ab].wav": tuple(name for name in FILES if name.endswith(("a.wav", "b.wav"))),
    "a.w?v": ("a.wav", "sub/a.wav", "sub/deep/a.wav", "day 1/a.wav"),
    "*.mp3": ("sub/c.mp3",),
    "A.wav": (),
}


def meaning(pattern: str, system: ModuleType = os.path) -> tuple[str, ...]:
    if (pattern, system) == ("A.wav", ntpath):
        return BY_PATH["**/a.wav"]  # there capitals are not told apart
    return {**BY_PATH, **BY_NAME}[pattern]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in FILES:
        file = tmp_path / "in" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "in"


def found(include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> set[str]:
    return {one.relative for one in find_files(["in"], Selection(include, exclude))}


@pytest.mark.parametrize("pattern", [*BY_PATH, *BY_NAME])
def test_include_and_exclude_mean_the_same_files(folder: Path, pattern: str) -> None:
    meant = set(meaning(pattern))
    assert found(include=(pattern,)) == meant
    below = {"sub/deep/a.wav"} if pattern == "sub/*" else set()  # the folder is left out as well
    assert found(exclude=(pattern,)) == set(FILES) - meant - below


@pytest.mark.parametrize("pattern", [name for name, meant in BY_PATH.items() if meant])
def test_a_source_means_the_same_files(folder: Path, pattern: str) -> None:
    named = {Path(one.source.path) for one in find_files([f"in/{pattern}"], Selection())}
    below = {"sub/deep/a.wav"} if pattern == "sub/*" else set()  # the folder is searched as well
    assert named == {folder / name for name in {*BY_PATH[pattern], *below}}


@pytest.mark.parametrize("pattern", [*BY_PATH, *BY_NAME])
@pytest.mark.parametrize("system", [posixpath, ntpath], ids=["posix", "windows"])
def test_the_dialect_is_that_of_no_system(pattern: str, system: ModuleType) -> None:
    is_meant = Patterns([pattern], system).match
    assert tuple(name for name in FILES if is_meant(name)) == meaning(pattern, system)


def test_a_folder_that_is_meant_is_told_from_a_file() -> None:
    patterns = Patterns(["drafts/"])
    assert patterns.match("drafts", is_folder=True)
    assert not patterns.match("drafts")


@pytest.mark.parametrize(
    ("pattern", "fixed", "base"),
    [
        ("in/a.wav", "in/a.wav", "in"),
        ("in/take [1]*.wav", "in/take ", "in"),
        ("in/**/*.wav", "in/", "in"),
        ("*.wav", "", ""),
    ],
)
def test_what_all_that_match_begin_with(pattern: str, fixed: str, base: str) -> None:
    assert (fixed_part(pattern), base_of(pattern)) == (fixed, base)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("in/*.wav", "in/a.wav", True),
        ("in/*.wav", "in/deep/a.wav", False),
        ("in/**/*.wav", "in/very/deep/a.wav", True),
        ("in/**/*.wav", "in/a.wav", True),
        ("in/*.wav", "in/A.WAV", False),
        ("in/*", "in/.hidden", False),
        ("in/.*", "in/.hidden", True),
    ],
)
def test_a_pattern_matches_a_whole_path(pattern: str, path: str, matches: bool) -> None:
    assert path_matcher(pattern)(path) is matches
