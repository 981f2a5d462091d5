"""Which files are taken: folders, globs, single files and lists."""

import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.errors import NothingToConvertError
from runner.media.paths import fault_on_windows
from runner.selection import MEDIA_SUFFIXES, Selection, find_files, list_files, read_list
from tests.conftest import Run, names, needs_links, posix_only
from tests.media import Media


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree of empty files, and the current folder is the one above it."""
    for name in (
        *("b.mp4", "a.mp3", "C.WAV", "notes.txt", "cover.jpg", ".hidden.mp3", "no suffix"),
        *("sub/d.mkv", "sub/.git/e.mp3", "sub/deep/f.flac", "drafts/g.mp3", "x.mp4.part"),
    ):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "in"


def found(*sources: str, **selection: object) -> list[str]:
    chosen = Selection(**selection)  # type: ignore[arg-type] # each test names its fields
    return [one.relative for one in find_files(sources, chosen)]


def test_a_folder_gives_its_media_files_by_name_and_keeps_its_tree(folder: Path) -> None:
    wanted = ["C.WAV", "a.mp3", "b.mp4", "drafts/g.mp3", "sub/d.mkv", "sub/deep/f.flac"]
    assert found("in") == wanted
    assert found(str(folder)) == wanted
    assert found("in/") == wanted
    assert found("./in/../in") == wanted


def test_a_file_that_is_named_is_taken_whatever_it_is(folder: Path) -> None:
    assert found("in/notes.txt", "in/.hidden.mp3", "in/no suffix") == [
        "notes.txt",
        ".hidden.mp3",
        "no suffix",
    ]


def test_a_folder_of_no_media_gives_nothing(folder: Path) -> None:
    assert found("in/sub/.git") == ["e.mp3"]
    (folder / "empty").mkdir()
    assert found("in/empty") == []


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("in/*.mp4", ["b.mp4"]),
        ("in/s*", ["sub/d.mkv", "sub/deep/f.flac"]),
        ("in/**/*.mp3", ["a.mp3", "drafts/g.mp3"]),
        ("in/**/*.m??", ["a.mp3", "b.mp4", "drafts/g.mp3", "sub/d.mkv"]),
        ("in/[ab].mp?", ["a.mp3", "b.mp4"]),
        ("i?/sub/*.mkv", ["in/sub/d.mkv"]),
    ],
)
def test_a_glob_that_no_shell_expanded_is_expanded(
    folder: Path, pattern: str, wanted: list[str]
) -> None:
    assert found(pattern) == wanted


def test_a_name_that_looks_like_a_glob_is_itself_first(folder: Path) -> None:
    (folder / "[ab].mp4").touch()
    assert found("in/[ab].mp4") == ["[ab].mp4"]


@pytest.mark.parametrize("source", ["nowhere", "nowhere/*.mp4", "in/*.avi"])
def test_a_name_that_matches_nothing_is_refused(folder: Path, source: str) -> None:
    with pytest.raises(NothingToConvertError, match=source.replace("*", r"\*")):
        found(source)


@pytest.mark.parametrize(
    ("include", "wanted"),
    [
        (("*.mp3",), ["a.mp3", "drafts/g.mp3"]),
        (("*.txt", "no*"), ["no suffix", "notes.txt"]),
        (("sub/*",), ["sub/d.mkv"]),
        (("sub/**",), ["sub/d.mkv", "sub/deep/f.flac"]),
        (("**/deep/**",), ["sub/deep/f.flac"]),
        (("*.avi",), []),
    ],
)
def test_include_says_what_is_taken(
    folder: Path, include: tuple[str, ...], wanted: list[str]
) -> None:
    assert found("in", include=include) == wanted


@pytest.mark.parametrize(
    ("exclude", "gone"),
    [
        (("*.mp3",), {"a.mp3", "drafts/g.mp3"}),
        (("drafts",), {"drafts/g.mp3"}),
        (("**/drafts/**",), {"drafts/g.mp3"}),
        (("sub/*",), {"sub/d.mkv", "sub/deep/f.flac"}),
        (("sub/*.*",), {"sub/d.mkv"}),
        (("sub",), {"sub/d.mkv", "sub/deep/f.flac"}),
        (("deep", "b.*"), {"sub/deep/f.flac", "b.mp4"}),
    ],
)
def test_exclude_says_what_is_left_out(
    folder: Path, exclude: tuple[str, ...], gone: set[str]
) -> None:
    assert set(found("in")) - set(found("in", exclude=exclude)) == gone


def test_include_does_not_bring_hidden_files_back(folder: Path) -> None:
    assert ".hidden.mp3" not in found("in", include=("*",))
    assert not any(".git" in relative for relative in found("in", include=("*",)))


@needs_links
def test_the_destination_is_never_searched(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "made.mp3").touch()
    assert "out/made.mp3" in found("in")
    assert "out/made.mp3" not in found("in", excluded_folder=folder / "out")
    (folder.parent / "link").symlink_to(folder / "out")
    assert "out/made.mp3" not in found("in", excluded_folder=folder.parent / "link")


@needs_links
def test_links_to_files_are_taken_and_links_to_folders_are_not_followed(folder: Path) -> None:
    (folder / "link.mp3").symlink_to("a.mp3")
    (folder / "linked").symlink_to("sub")
    (folder / "loop").symlink_to(".")
    (folder / "loop.mp4").symlink_to(".")
    relative = found("in")
    assert "link.mp3" in relative
    assert not any(name.startswith(("linked", "loop")) for name in relative)
    # a link that is named itself is what it leads to
    assert found("in/linked") == ["d.mkv", "deep/f.flac"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"in/a.mp3\nin/b.mp4\n", ["in/a.mp3", "in/b.mp4"]),
        (b"in/a.mp3\r\nin/b.mp4", ["in/a.mp3", "in/b.mp4"]),
        (b"in/a.mp3\0in/new\nline.mp4\0", ["in/a.mp3", "in/new\nline.mp4"]),
        (b"\n\nin/a.mp3\n\n", ["in/a.mp3"]),
        (b"\xef\xbb\xbfin/a.mp3\n", ["in/a.mp3"]),
        pytest.param(b"in/caf\xe9.mp3\n", ["in/caf\udce9.mp3"], marks=posix_only),
        (b"", []),
    ],
    ids=["lines", "CRLF", "NUL", "empty lines", "byte order mark", "invalid UTF-8", "empty"],
)
def test_a_list_is_read(tmp_path: Path, text: bytes, wanted: list[str]) -> None:
    (tmp_path / "list").write_bytes(text)
    assert read_list(str(tmp_path / "list")) == wanted


def test_a_list_keeps_the_tree_below_the_current_folder(folder: Path) -> None:
    outside = str(folder / "sub" / "d.mkv")
    relative = [one.relative for one in list_files(["in/sub/d.mkv", "./in/a.mp3", outside, "../x"])]
    assert relative == ["in/sub/d.mkv", "in/a.mp3", "d.mkv", "x"]


@posix_only  # as to a name of two lines
def test_files_from_takes_a_file_or_standard_input(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("clip.mp3", tmp_path / "x" / "a.mp3", tmp_path / "x" / "new\nline.mp3")
    (tmp_path / "list").write_bytes(b"x/a.mp3\0x/new\nline.mp3\0x/nowhere.mp3\0")
    result = run("convert", "--files-from", "list", "--to", "wav")
    assert result.exit_code == 1
    assert "input: the file is gone" in result.failures[0]
    assert names(destination) == {"x/a.wav", "x/new\nline.wav"}
    piped = run("convert", "--files-from", "-", "--to", "wav", stdin=b"x/a.mp3\n")
    assert piped.exit_code == 0
    assert "1 up to date" in piped.stderr


def test_an_unreadable_list_is_4_and_an_empty_one_3(run: Run, tmp_path: Path) -> None:
    assert run("convert", "--files-from", "nowhere").exit_code == 4
    (tmp_path / "list").touch()
    assert run("convert", "--files-from", "list").exit_code == 3


NAME = st.text(string.ascii_letters + "äÄ.- '%", min_size=1, max_size=12).filter(
    # no system has these names, and no Windows "nul" and its like
    lambda name: name.strip(".") and not name.startswith(".") and not fault_on_windows(f"{name}.x")
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(files=st.sets(st.tuples(st.lists(NAME, max_size=2).map(tuple), NAME), max_size=6))
def test_what_is_found_is_what_has_a_media_suffix(
    files: set[tuple[tuple[str, ...], str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    top = tmp_path_factory.mktemp("tree")
    made = set()
    for folders, stem in files:
        path = top.joinpath(*(f"{folder}_" for folder in folders), f"{stem}.mp4")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.with_name(f"{stem}.notes").touch()
        made.add(path.relative_to(top).as_posix())
    taken = list(find_files([str(top)], Selection()))
    assert {one.relative for one in taken} == made
    assert all(str(top / one.relative) == one.source.path for one in taken)
    assert all(Path(one.relative).suffix in MEDIA_SUFFIXES for one in taken)
