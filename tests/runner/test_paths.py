"""Paths as Windows has them: drives, shares, devices, long ones, and names that it cannot have."""

import ntpath
import posixpath
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from types import ModuleType

import pytest

from runner.clashes import renamed_here
from runner.database import address_of
from runner.errors import SetupError, UsageError
from runner.formatting import display_path, printable
from runner.media.failures import Kind
from runner.media.paths import (
    below,
    extended,
    fault_on_windows,
    folder_fault,
    local_name,
    plain,
    spelled,
)
from runner.media.target import target_path
from runner.models import Conversion, Plan, Source
from runner.patterns import Patterns, base_of
from runner.plan import make_plan
from runner.selection import FoundFile, listed_as
from tests.runner.programs import recipe


@pytest.mark.parametrize(
    ("path", "folder", "relative"),
    [
        (r"C:\work\in\a.mp4", r"C:\work", r"in\a.mp4"),
        (r"c:\WORK\in\a.mp4", r"C:\work", r"in\a.mp4"),
        (r"C:\work", r"C:\work", "."),
        (r"C:\work..\a.mp4", r"C:\work", None),
        (r"C:\work\..a.mp4", r"C:\work", "..a.mp4"),
        (r"C:\elsewhere\a.mp4", r"C:\work", None),
        (r"D:\media\a.mp4", r"C:\work", None),
        (r"\\server\share\a.mp4", r"C:\work", None),
        (r"\\server\share\in\a.mp4", r"\\server\share", r"in\a.mp4"),
        (r"\\server\other\a.mp4", r"\\server\share", None),
        (r"\\?\C:\work\in\a.mp4", r"C:\work", r"in\a.mp4"),
        (r"\\?\D:\media\a.mp4", r"C:\work", None),
        (r"\\?\UNC\server\share\in\a.mp4", r"\\server\share", r"in\a.mp4"),
        (r"\\.\NUL", r"C:\work", None),
        (r"\\?\Volume{b75e2c83}\a.mp4", r"C:\work", None),
    ],
)
def test_a_path_is_shown_relative_only_inside_the_current_folder(
    path: str, folder: str, relative: str | None
) -> None:
    assert below(path, folder, ntpath) == relative


@pytest.mark.parametrize(
    ("path", "relative"), [("/w/in/a", "in/a"), ("/w", "."), ("/wx", None), ("/w/..a", "..a")]
)
def test_a_posix_path_is_too(path: str, relative: str | None) -> None:
    assert below(path, "/w", posixpath) == relative


def test_half_a_letter_can_be_shown() -> None:
    assert printable("a\ud83d.mp4") == r"a\ud83d.mp4"
    assert printable("caf\udce9.mp4") == r"caf\xe9.mp4"
    assert display_path("a\ud83d.mp4") == r"a\ud83d.mp4"


# ---- long ones

LONG = "x" * 200 + "\\" + "y" * 60


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("C:\\short.mp4", "C:\\short.mp4"),
        (f"C:\\{LONG}", f"\\\\?\\C:\\{LONG}"),
        (f"\\\\server\\share\\{LONG}", f"\\\\?\\UNC\\server\\share\\{LONG}"),
        (f"\\\\?\\C:\\{LONG}", f"\\\\?\\C:\\{LONG}"),
    ],
)
def test_a_long_path_has_the_form_that_windows_demands(path: str, there: str) -> None:
    assert extended(path, ntpath) == there
    assert plain(there) == plain(path)


def test_other_systems_keep_long_paths_unchanged() -> None:
    assert extended("/" + "x" * 5000, posixpath) == "/" + "x" * 5000


def test_a_long_target_has_it_too() -> None:
    folders = "/".join(["a folder of some length"] * 12)
    path = target_path("D:\\out", f"{folders}/x.mp3", ntpath)
    assert path.startswith("\\\\?\\D:\\out\\a folder")
    assert "/" not in path


# ---- names that are none

IMPOSSIBLE = {
    "a:b.mp3": "a%3Ab.mp3",
    "what?.mp3": "what%3F.mp3",
    'say "hi".mp3': "say %22hi%22.mp3",
    "a<b>|c*.mp3": "a%3Cb%3E%7Cc%2A.mp3",
    "back\\slash.mp3": "back%5Cslash.mp3",
    "line\nbreak.mp3": "line%0Abreak.mp3",
    "dot.": "dot%2E",
    "blank ": "blank%20",
    "dots..": "dots.%2E",
    "con": "%63on",
    "CON.mp3": "%43ON.mp3",
    "aux.tar.gz": "%61ux.tar.gz",
    "nul .mp3": "%6Eul .mp3",
    "com1.mp3": "%63om1.mp3",
    "LPT\u00b2.mp3": "%4CPT\u00b2.mp3",
    "CONIN$": "%43ONIN$",
}
POSSIBLE = (
    *("a.mp3", ".hidden", "it's live $(now) & 100%.mp3", "a%3Ab.mp3", "-dash", "日本語 🎧.mp3"),
    *("console.mp3", "com.mp3", "com10.mp3", "auxiliary", "a.con", "conin", "…", "a  b", "#;,=+[]"),
)


@pytest.mark.parametrize(("name", "there"), IMPOSSIBLE.items())
def test_a_name_that_windows_cannot_have_is_another_one_there(name: str, there: str) -> None:
    assert fault_on_windows(name)
    assert local_name(name, ntpath) == there
    assert not fault_on_windows(there)
    assert local_name(there, ntpath) == there
    assert local_name(name, posixpath) == name


@pytest.mark.parametrize("name", POSSIBLE)
def test_a_name_that_windows_can_have_stays(name: str) -> None:
    assert not fault_on_windows(name)
    assert local_name(name, ntpath) == name


@pytest.mark.parametrize(
    "path",
    [
        "aux\\x",
        "D:\\media/con",
        "\\\\?\\C:\\x\\nul.d",
        "\\\\server\\share\\a|b",
        "D:a:b",
        "x\\con \\y",
        # what ntpath.abspath makes of NUL and of x\\com1
        "\\\\.\\NUL",
        "\\\\.\\com1",
    ],
)
def test_no_folder_can_be_where_windows_has_none(path: str) -> None:
    assert "Windows does not allow the name " in folder_fault(path, ntpath)
    assert not folder_fault(path, posixpath)


@pytest.mark.parametrize(
    "path",
    [
        "out",
        ".",
        "..\\..\\x/",
        "D:",
        "D:\\",
        "D:..\\x",
        "\\\\?\\D:\\x",
        "\\\\.\\D:\\x",
        "\\\\?\\Volume{b75e2c83}\\x",
        "\\\\server\\c$\\out.",
        "",
    ],
)
def test_a_folder_can_be_where_windows_has_one(path: str) -> None:
    assert not folder_fault(path, ntpath)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("\\\\?\\D:\\x", "D:\\x"),
        ("\\\\?\\UNC\\server\\share\\x", "\\\\server\\share\\x"),
        ("\\\\?\\Volume{b75e2c83}\\x", "\\\\?\\Volume{b75e2c83}\\x"),
    ],
)
def test_only_what_has_another_form_is_shown_in_it(path: str, shown: str) -> None:
    assert plain(path) == shown


def test_a_name_may_be_as_long_as_windows_counts() -> None:
    assert not fault_on_windows("x" * 255)
    assert fault_on_windows("x" * 256)
    assert fault_on_windows("🎧" * 128)  # each of them counts two


@pytest.mark.parametrize(
    ("template", "word"),
    [
        ("{stem}:x{ext}", "names there cannot contain :"),
        ("{stem}?{ext}", "names there cannot contain ?"),
        ("aux/{stem}{ext}", "aux is a device there"),
        ("{dir}/{stem}{ext}.", "end with a dot or a space"),
        ("{dir} /{stem}{ext}", "end with a dot or a space"),
    ],
)
def test_windows_refuses_a_template_before_anything_starts(template: str, word: str) -> None:
    found = [FoundFile(Source("D:\\in\\day 1\\a.mp4", 1, 1), "day 1/a.mp4")]
    with pytest.raises(UsageError, match="Windows does not allow the name") as caught:
        make_plan(found, recipe(), Path("/out"), template, system=ntpath)
    assert word in str(caught.value)
    assert str(caught.value).startswith("--name ")
    assert (
        len(make_plan(found, recipe(), Path("/out"), template, system=posixpath).conversions) == 1
    )


@pytest.mark.parametrize(
    ("template", "relative"),
    [
        ("{dir}/{stem}{ext}", f"{'n' * 251}.ts"),
        ("{dir}/{stem}{ext}", "what?.mp4"),
        ("{dir}/{stem}{ext}", "aux/b.mp4"),
        ("{dir}/{stem}{ext}", "con.tar.mp4"),
        ("{stem}", "b..mp4"),
        ("{name}", "b.mp4 "),
        ("{stem:.3}{ext}", "conduct.mp4"),
        ("{stem:.3}/{name}", "con.mp4"),
    ],
)
def test_windows_leaves_out_the_files_alone_whose_names_it_cannot_have(
    template: str, relative: str
) -> None:
    found = [FoundFile(Source(f"D:\\in\\{one}", 1, 1), one) for one in ("fine.mp4", relative)]
    plan = make_plan(found, recipe("opus"), Path("/out"), template, system=ntpath)
    assert [c.source.path for c in plan.conversions] == ["D:\\in\\fine.mp4"]
    [left_out] = plan.left_out
    assert left_out.failure.kind is Kind.NAME
    assert left_out.failure.message.startswith("Windows does not allow the name ")
    assert left_out.failure.message.endswith("; see --name")
    with pytest.raises(UsageError, match="Windows does not allow the name"):
        make_plan(found, recipe("opus"), Path("/out"), template, "error", system=ntpath)
    assert not make_plan(found, recipe(), Path("/out"), template, system=posixpath).left_out


def test_an_impossible_name_does_not_affect_other_files() -> None:
    found = [
        FoundFile(Source(f"D:\\{n}\\{one}", 1, 1), one)
        for n, one in enumerate(["a?.mp4", "A?.mov"])
    ]
    plan = make_plan(found, recipe(), Path("/out"), system=ntpath)
    assert all("names there cannot contain ?" in one.failure.message for one in plan.left_out)
    assert not plan.conversions


@pytest.mark.parametrize(
    "template",
    [
        *("../{stem}{ext}", "..\\{stem}{ext}", "x\\..\\../{name}"),
        *(
            "\\{stem}{ext}",
            "/{stem}{ext}",
            "D:\\x\\{name}",
            "C:{stem}{ext}",
            "\\\\a\\share\\{name}",
        ),
    ],
)
def test_on_windows_too_a_template_stays_in_the_destination(template: str) -> None:
    found = [FoundFile(Source("C:\\a.mp4", 1, 1), "a.mp4")]
    with pytest.raises(UsageError, match="outside the destination"):
        make_plan(found, recipe(), Path("/out"), template, system=ntpath)


def plan_of(*targets: str) -> Plan:
    conversions = (Conversion(Source(f"/in/{n}", 1, 1), t, recipe()) for n, t in enumerate(targets))
    return Plan("run", Path("/out"), tuple(conversions))


def test_a_run_made_elsewhere_says_what_its_results_are_called_here() -> None:
    plan = plan_of("a.mp3", "day 1/what?.mp3", "aux/b.mp3")
    [notice] = renamed_here(plan, ntpath)
    assert notice.message == (
        "Windows does not allow all of these names: "
        "day 1/what?.mp3 is day 1/what%3F.mp3, aux/b.mp3 is %61ux/b.mp3"
    )
    assert target_path("D:\\out", "day 1/what?.mp3", ntpath) == "D:\\out\\day 1\\what%3F.mp3"
    assert not [*renamed_here(plan, posixpath)]
    assert not [*renamed_here(plan_of("a.mp3"), ntpath)]


@pytest.mark.parametrize("other", ["a%3F.mp3", "A%3f.MP3"])
def test_two_results_never_become_one(other: str) -> None:
    with pytest.raises(SetupError, match="another result would both be called"):
        list(renamed_here(plan_of(other, "a?.mp3"), ntpath))


def test_two_results_that_are_both_renamed_never_become_one() -> None:
    with pytest.raises(SetupError, match="another result would both be called"):
        list(renamed_here(plan_of("a?.mp3", "A?.mp3"), ntpath))


def test_only_a_few_of_many_names_are_shown() -> None:
    [notice] = renamed_here(plan_of(*(f"{n}?.mp3" for n in range(7))), ntpath)
    assert notice.message.endswith("4?.mp3 is 4%3F.mp3, and 2 more")


# ---- names that are given


@pytest.mark.parametrize(
    ("name", "tree", "system"),
    [
        ("day 1/a.mp4", "day 1/a.mp4", posixpath),
        ("./day 1//a.mp4", "day 1/a.mp4", posixpath),
        ("/media/day 1/a.mp4", "a.mp4", posixpath),
        ("../a.mp4", "a.mp4", posixpath),
        ("..a.mp4", "..a.mp4", posixpath),
        ("..b/a.mp4", "..b/a.mp4", posixpath),
        ("day 1\\a.mp4", "day 1/a.mp4", ntpath),
        ("day 1/a.mp4", "day 1/a.mp4", ntpath),
        (".\\a.mp4", "a.mp4", ntpath),
        ("..\\a.mp4", "a.mp4", ntpath),
        ("D:\\media\\a.mp4", "a.mp4", ntpath),
        ("D:day 1\\a.mp4", "a.mp4", ntpath),
        ("\\media\\a.mp4", "a.mp4", ntpath),
        ("\\\\server\\share\\day 1\\a.mp4", "a.mp4", ntpath),
        ("\\\\?\\C:\\day 1\\a.mp4", "a.mp4", ntpath),
    ],
)
def test_the_tree_of_a_listed_name_is_kept_where_it_leads_no_elsewhere(
    name: str, tree: str, system: ModuleType
) -> None:
    assert listed_as(name, system) == tree


@pytest.mark.parametrize(
    ("pattern", "base", "system"),
    [
        ("in/day */x.mp4", "in", posixpath),
        ("*.mp4", "", posixpath),
        ("in\\day *\\x.mp4", "in", ntpath),
        ("D:\\media\\[a]*.mp4", "D:\\media", ntpath),
        ("\\\\?\\C:\\media\\*.mp4", "\\\\?\\C:\\media", ntpath),
        ("\\\\server\\share\\x\\**\\*.mp4", "\\\\server\\share\\x", ntpath),
    ],
)
def test_the_tree_of_a_glob_starts_at_its_first_wildcard(
    pattern: str, base: str, system: ModuleType
) -> None:
    assert base_of(pattern, system) == base


@pytest.mark.parametrize(
    ("pattern", "there", "here"),
    [
        ("drafts\\*", True, False),
        ("**\\drafts\\**", True, False),
        ("DRAFTS/*", True, False),
        ("*.MP4", True, False),
        ("drafts/*", True, True),
        ("final/*", False, False),
    ],
)
def test_on_windows_a_pattern_tells_neither_capitals_nor_slashes_apart(
    pattern: str, there: bool, here: bool
) -> None:
    for system, taken in ((ntpath, there), (posixpath, here)):
        assert Patterns([pattern], system).match("drafts/a.mp4") == taken


def test_a_name_in_other_letters_is_the_one_that_is_known() -> None:
    known = ["day 1/Cut Short.mp3", r"D:\in\day 1\Cut Short.mp4", r"\\?\D:\deep\x.mp4"]
    assert spelled(r"DAY 1\cut short.MP3", known, ntpath) == known[0]
    assert spelled("d:/in/day 1/cut short.mp4", known, ntpath) == known[1]
    assert spelled(r"D:\deep\X.mp4", known, ntpath) == known[2]
    assert spelled("x", known, ntpath) == "x"


@pytest.mark.parametrize(
    ("path", "address"),
    [
        (PureWindowsPath(r"C:\day 1\out#2"), "file:///C:/day%201/out%232"),
        (PureWindowsPath(r"\\server\share\out"), "file:////server/share/out"),
        (PurePosixPath("/day 1/out?"), "file:///day%201/out%3F"),
    ],
)
def test_a_ledger_has_an_address_on_a_share_too(path: PurePath, address: str) -> None:
    assert address_of(path) == address
