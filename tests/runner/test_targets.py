"""A result stands below its destination, whoever names it, and not among what is ours."""

import ntpath
import posixpath
from pathlib import Path
from types import ModuleType

import pytest

from runner.engine import Stop
from runner.local import LocalEngine
from runner.media.failures import ConversionError
from runner.media.target import check_name, move_into_place, target_path, writable_target
from runner.models import Conversion, Event, Kind, Plan, Source, State
from tests.conftest import Run, names, needs_links
from tests.media import Media
from tests.runner.programs import recipe

OUTSIDE = (
    "..",
    "../x",
    "../../x",
    "a/../../x",
    "a/..",
    "/x",
    "//x",
    "a//x",
    "./x",
    "a/",
    "",
    "a\0",
)


@pytest.mark.parametrize("target", OUTSIDE)
@pytest.mark.parametrize("system", [posixpath, ntpath])
def test_a_name_that_leads_out_is_refused_on_every_system(
    target: str, system: ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(ConversionError, match="outside the destination"):
        check_name(target)
    with pytest.raises(ConversionError, match="outside the destination"):
        target_path(tmp_path, target, system)


@pytest.mark.parametrize(
    ("target", "there"),
    [
        ("C:x", "C%3Ax"),
        ("C:/x", "C%3A\\x"),
        ("\\x", "%5Cx"),
        ("..\\x", "..%5Cx"),
        ("a\\..\\..\\x", "a%5C..%5C..%5Cx"),
        ("a/b:stream", "a\\b%3Astream"),
        ("...", "..%2E"),
        (".runner./ledger.sqlite", None),
    ],
)
def test_what_only_windows_takes_for_another_place_stays_in_the_destination_there(
    target: str, there: str | None
) -> None:
    if there is None:
        with pytest.raises(ConversionError):
            target_path("D:\\out", target, ntpath)
        return
    assert target_path("D:\\out", target, ntpath) == f"D:\\out\\{there}"
    assert target_path("/out", target, posixpath) == f"/out/{target}"  # a plain name here


@pytest.mark.parametrize("target", ["...", "..x", "x..", "a/.b", "-x", "~", "a b", "\udcff"])
def test_a_name_that_only_looks_odd_is_taken(target: str, tmp_path: Path) -> None:
    assert target_path(tmp_path, target, posixpath) == f"{tmp_path}/{target}"


@pytest.mark.parametrize("target", [".runner/ledger.sqlite", ".Runner/x", ".runner. /x", ".runner"])
def test_the_ledgers_folder_is_nobodys_target(target: str) -> None:
    with pytest.raises(ConversionError, match=r"in the folder \.runner"):
        check_name(target)


@needs_links
def test_a_link_is_followed_but_not_to_the_ledger(tmp_path: Path) -> None:
    inside, outside = tmp_path / "out", tmp_path / "elsewhere"
    (inside / ".runner" / "tmp").mkdir(parents=True)
    outside.mkdir()
    (inside / "films").symlink_to(outside)
    (inside / "sly").symlink_to(inside / ".runner")
    assert writable_target(inside, "films/x.mp3") == str(inside / "films" / "x.mp3")
    for target in ("sly/ledger.sqlite", "sly/tmp/x", "films/x/../../sly/x"):
        with pytest.raises(ConversionError):
            writable_target(inside, target)


@pytest.mark.parametrize("target", ["../escaped.mp3", "/tmp/escaped.mp3", ".runner/ledger.sqlite"])
def test_the_local_engine_writes_no_such_target(
    media: Media, tmp_path: Path, destination: Path, target: str
) -> None:
    source = tmp_path / "a.wav"
    media.put("8-bit.wav", source)
    conversion = Conversion(Source(str(source), 1, 1), target, recipe())
    plan = Plan("run", destination, (conversion,))
    *_, end = LocalEngine(ffmpeg=media.ffmpeg).run(plan, Stop())
    assert isinstance(end, Event)
    assert end.state is State.FAILED
    assert end.failure
    assert end.failure.kind is Kind.INPUT
    assert not [*tmp_path.rglob("escaped.mp3")]


def test_a_template_cannot_name_the_ledgers_folder(run: Run, media: Media, tmp_path: Path) -> None:
    media.put("8-bit.wav", tmp_path / "in" / "a.wav")
    result = run("convert", "in", "--name", ".runner/{name}")
    assert result.exit_code == 2
    assert "--name: a.wav: its result would be in the folder .runner" in result.error


@needs_links
def test_a_users_own_link_in_the_destination_is_followed(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("8-bit.wav", tmp_path / "in" / "films" / "a.wav")
    (tmp_path / "large disk").mkdir()
    destination.mkdir()
    (destination / "films").symlink_to(tmp_path / "large disk")
    assert run("convert", "in").exit_code == 0
    assert names(tmp_path / "large disk") == {"a.mp3"}


def test_a_copy_that_the_disk_has_no_room_for_leaves_no_part(
    tmp_path: Path, tiny_disk: Path
) -> None:
    result = tmp_path / "result"
    result.write_bytes(bytes(1 << 20))
    with pytest.raises(OSError, match="No space left"):
        move_into_place(str(result), str(tiny_disk / "sub" / "a.wav"))
    assert not [path for path in tiny_disk.rglob("*") if path.is_file()]
    assert result.stat().st_size == 1 << 20


def test_a_copy_that_cannot_get_its_name_leaves_no_part(tmp_path: Path, tiny_disk: Path) -> None:
    result = tmp_path / "result"
    result.write_bytes(b"sound")
    (tiny_disk / "a.wav").mkdir()
    with pytest.raises(IsADirectoryError):
        move_into_place(str(result), str(tiny_disk / "a.wav"))
    assert [path.name for path in tiny_disk.iterdir()] == ["a.wav"]
