"""Which blobs an address stands for: as it is with files, whatever the blobs are called."""

import ntpath
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from runner.addresses import BlobAddress, readings
from runner.blob_selection import ARCHIVED, BlobFacts, safe_relative
from runner.errors import NothingToConvertError, UsageError
from runner.media.failures import Kind
from runner.plan import make_plan
from runner.presets import BUILT_IN
from runner.selection import Selection, find_files, list_files
from tests.runner.test_patterns import BY_PATH, FILES

ENDPOINT = "https://store.blob.core.windows.net"


@dataclass
class Names:
    """A container that has these blobs."""

    blobs: dict[str, BlobFacts]

    def resolve(self, text: str) -> BlobAddress:
        return readings(text, ENDPOINT)[0]

    def look_up(self, addresses: Iterable[BlobAddress]) -> Iterator[BlobFacts | None]:
        return (self.blobs.get(address.name) for address in addresses)

    def listed(self, address: BlobAddress) -> Iterator[BlobFacts]:
        found = sorted(name for name in self.blobs if name.startswith(address.name))
        return (self.blobs[name] for name in found)


def having(*names: str) -> Names:
    """A container with blobs of these names; those that end with a slash have no content."""
    return Names({n: BlobFacts(n, 0 if n.endswith("/") else 5, 7, "0x1") for n in names})


def found(
    text: str, store: Names, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()
) -> set[str]:
    return {f.relative for f in find_files([text], Selection(include, exclude), lambda: store)}


TREE = ("a.mp4", "2026/b.wav", "2026/deep/c.flac", "2026/notes.txt", "2026/.x/d.mp4", "2027/e.mp4")


@pytest.mark.parametrize(
    ("address", "relative"),
    [
        ("az://films", {"a.mp4", "2026/b.wav", "2026/deep/c.flac", "2027/e.mp4"}),
        ("az://films/2026", {"b.wav", "deep/c.flac"}),
        ("az://films/2026/", {"b.wav", "deep/c.flac"}),
        ("az://films/2026/notes.txt", {"notes.txt"}),
        ("az://films/2026/.x/d.mp4", {"d.mp4"}),
        ("az://films/202?/*.mp4", {"2027/e.mp4"}),
        ("az://films/202*", {"2026/b.wav", "2026/deep/c.flac", "2027/e.mp4"}),
        ("az://films/**/*.flac", {"2026/deep/c.flac"}),
        (f"{ENDPOINT}/films/2027", {"e.mp4"}),
    ],
)
def test_an_address_stands_for_a_blob_a_folder_or_a_pattern(
    address: str, relative: set[str]
) -> None:
    assert found(address, having(*TREE)) == relative


@pytest.mark.parametrize("pattern", [p for p, names in BY_PATH.items() if names])
def test_a_pattern_means_the_blobs_that_it_would_mean_as_files(pattern: str) -> None:
    store = having(*(f"top/{name}" for name in FILES))
    everything = find_files([f"az://films/top/{pattern}"], Selection(), lambda: store)
    below = {"sub/deep/a.wav"} if pattern == "sub/*" else set()  # the folder is searched as well
    meant = {*BY_PATH[pattern], *below}
    assert {one.source.path for one in everything} == {f"az://store/films/top/{n}" for n in meant}


def test_include_and_exclude_count_below_the_folder_that_is_named() -> None:
    store = having(*TREE, "2026/drafts/f.wav", "2026/drafts/more/g.wav")
    assert found("az://films/2026", store, ("*.txt",)) == {"notes.txt"}
    assert found("az://films/2026", store, (), ("drafts/",)) == {"b.wav", "deep/c.flac"}
    assert found("az://films/2026", store, (), ("**/deep/**", "drafts/more/*")) == {
        *("b.wav", "drafts/f.wav")
    }


def test_what_only_marks_a_folder_is_no_blob() -> None:
    store = having("2026/", "2026/b.wav", "2026/film.mp4", "2026/film.mp4/c.wav")
    store.blobs["2026/film.mp4"] = BlobFacts("2026/film.mp4", 0, 7, "0x1", is_folder=True)
    assert found("az://films", store, ("*",)) == {"2026/b.wav", "2026/film.mp4/c.wav"}
    assert found("az://films/2026/film.mp4", store) == {"c.wav"}


@pytest.mark.parametrize("address", ["az://films/nothing", "az://films/*.mp4", "az://films"])
def test_an_address_that_stands_for_nothing_is_said(address: str) -> None:
    with pytest.raises(NothingToConvertError, match="az://films"):
        found(address, having())


def test_without_a_store_an_address_is_refused() -> None:
    with pytest.raises(UsageError):
        list(find_files(["az://films"], Selection()))


def test_a_list_keeps_the_names_in_the_container_and_the_order() -> None:
    store = having("2026/b.wav", "x.mp4")
    named = ["az://films/x.mp4", "az://films/2026/b.wav", "az://films/gone.mp4"]
    listed = list(list_files(named, lambda: store))
    assert [one.relative for one in listed] == ["x.mp4", "2026/b.wav", "gone.mp4"]
    assert listed[0].source.path == "az://store/films/x.mp4"
    faults = [one.fault for one in listed]
    assert (faults[:2], faults[2] and faults[2].message) == ([None, None], "there is no such blob")


HOSTILE = (
    *("../x.mp4", "a/../../x.mp4", "a/./b.mp4", "/etc/x.mp4", "a//b.mp4", "./x.mp4", "..", "..mp4"),
    *("a.mp4.", "a\\..\\..\\x.mp4", "\\\\server\\x.mp4", "C:\\x.mp4", "c:x.mp4", "-rf.mp4"),
    *("$(touch pwned).mp4", "`id`.mp4", "new\nline.mp4", "tab\t.mp4", "\x01.mp4", "🎬/ü.mp4"),
    *(
        "a" * 1020 + ".mp4",
        "/".join("d" * 200),
        "x.mp4/",
        ".runner/ledger.mp4",
        "con.mp4",
        "a .mp4",
    ),
)


@pytest.mark.parametrize("system", [posixpath, ntpath])
@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_of_a_blob_leads_out_of_the_destination(name: str, system: ModuleType) -> None:
    relative, _ = safe_relative(name, system)
    parts = system.normpath(relative).split(system.sep)
    assert system.pardir not in parts
    assert not system.isabs(relative)
    assert not system.splitdrive(relative)[0]
    store = having("fine.mp4")
    store.blobs[name] = BlobFacts(name, 5, 7, "0x1")
    everything = list(find_files(["az://films"], Selection(include=("*",)), lambda: store))
    plan = make_plan(everything, BUILT_IN["mp3"].recipe(), Path("out"))
    assert "fine.mp3" in [conversion.target for conversion in plan.conversions]
    for target in (
        c.target for c in (*plan.conversions, *(one.conversion for one in plan.left_out))
    ):
        assert posixpath.normpath(target) == target
        assert not target.startswith(("/", "../"))


@pytest.mark.parametrize(
    ("name", "word"),
    [("a/../x.mp4", "'.' or '..'"), ("./x.mp4", "'.' or '..'"), ("x.mp4/", "ends with a slash")],
)
def test_a_blob_that_no_address_can_carry_is_left_out_by_itself(name: str, word: str) -> None:
    store = having("fine.mp4")
    store.blobs[name] = BlobFacts(name, 5, 7, "0x1")
    everything = find_files(["az://films"], Selection(include=("*",)), lambda: store)
    plan = make_plan(everything, BUILT_IN["mp3"].recipe(), Path("out"))
    (left,) = plan.left_out
    assert (left.failure.kind, word in left.failure.message) == (Kind.NAME, True)


def test_an_archived_blob_is_left_out_by_itself() -> None:
    store = having("fine.mp4")
    store.blobs["old.mp4"] = BlobFacts("old.mp4", 5, 7, "0x1", fault=ARCHIVED)
    everything = find_files(["az://films"], Selection(), lambda: store)
    plan = make_plan(everything, BUILT_IN["mp3"].recipe(), Path("out"))
    assert [one.failure.message for one in plan.left_out] == [
        "in the archive tier; rehydrate it first"
    ]
    assert [conversion.target for conversion in plan.conversions] == ["fine.mp3"]


def test_two_names_that_come_to_one_target_are_a_clash() -> None:
    store = having("a//b.mp4", "a/b.mp4", "/c.mp4", "c.mp4")
    everything = find_files(["az://films"], Selection(), lambda: store)
    plan = make_plan(everything, BUILT_IN["mp3"].recipe(), Path("out"))
    assert not plan.conversions
    assert len(plan.left_out) == 4
