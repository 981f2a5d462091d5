"""What will be converted into what: pure, and refused as a whole or not at all."""

import os
import posixpath
import re
import unicodedata
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import gethostname

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import NothingToConvertError, UsageError
from runner.formatting import display_path
from runner.models import Kind, Plan, Source
from runner.plan import DEFAULT_NAME, make_plan, new_run_id
from runner.selection import FoundFile
from tests.conftest import needs_links
from tests.runner.programs import recipe

DESTINATION = Path("/nowhere/out")


def plan_of(
    *relatives: str, name: str = DEFAULT_NAME, preset: str = "mp3", on_clash: str = "report"
) -> Plan:
    found = [FoundFile(Source(f"/nowhere/in/{r}", 10, 20), r) for r in relatives]
    return make_plan(found, recipe(preset), DESTINATION, name, on_clash, posixpath)


def targets(*relatives: str, **options: str) -> list[str]:
    return [conversion.target for conversion in plan_of(*relatives, **options).conversions]


def test_a_target_keeps_the_tree_and_takes_the_presets_suffix() -> None:
    assert targets("a.mp4", "x/y.v2.mkv", "z") == ["a.mp3", "x/y.v2.mp3", "z.mp3"]
    assert targets("a.mp4", preset="thumbnail") == ["a.jpg"]


def test_an_empty_plan_is_refused() -> None:
    with pytest.raises(NothingToConvertError):
        plan_of()


def test_a_file_that_was_named_twice_is_converted_once() -> None:
    assert targets("a.mp4", "b.mp4", "a.mp4") == ["a.mp3", "b.mp3"]


def test_a_file_that_was_named_twice_with_other_capitals_is_converted_once(tmp_path: Path) -> None:
    (tmp_path / "A.wav").touch()
    if not (
        tmp_path / "a.wav"
    ).exists():  # another file here, unless it is a second name for the first one
        (tmp_path / "a.wav").hardlink_to(tmp_path / "A.wav")
    found = [FoundFile(Source(str(tmp_path / name), 10, 20), name) for name in ("A.wav", "a.wav")]
    plan = make_plan(found, recipe("mp3"), DESTINATION)
    assert [conversion.target for conversion in plan.conversions] == ["A.mp3"]
    assert not plan.left_out


def test_files_that_share_a_name_are_left_out_and_the_rest_is_planned() -> None:
    plan = plan_of("a.flac", "b.mp4", "A.wav", "x/a.flac")
    assert [c.target for c in plan.conversions] == ["b.mp3", "x/a.mp3"]
    assert {one.conversion.source.path for one in plan.left_out} == {
        "/nowhere/in/a.flac",
        "/nowhere/in/A.wav",
    }
    assert {one.failure.kind for one in plan.left_out} == {Kind.NAME}
    assert plan.left_out[0].failure.message == (
        f"{display_path('/nowhere/in/A.wav')} would be written to the same name, a.mp3; "
        "--on-clash suffix keeps them apart"
    )
    assert plan.files == 4


def test_a_clash_of_many_names_one_of_them_and_counts_the_others() -> None:
    plan = plan_of("a.flac", "a.wav", "a.ogg")
    assert (
        f"{display_path('/nowhere/in/a.wav')} and 1 more would be"
        in plan.left_out[0].failure.message
    )


def test_on_clash_suffix_keeps_all_apart_by_names_that_do_not_depend_on_their_neighbours() -> None:
    alone = targets("a.flac", on_clash="suffix")
    together = targets("a.wav", "a.flac", "b.mp4", on_clash="suffix")
    assert alone == ["a.flac.mp3"]
    assert together == ["a.wav.mp3", "a.flac.mp3", "b.mp4.mp3"]


def test_on_clash_suffix_also_keeps_apart_what_differs_in_case_or_folder_only() -> None:
    found = [
        FoundFile(Source(f"/nowhere/{folder}/{name}", 1, 1), name)
        for folder, name in (("x", "a.mp4"), ("y", "a.mp4"), ("x", "A.MP4"))
    ]
    plan = make_plan(found, recipe(), DESTINATION, on_clash="suffix")
    made = [c.target for c in plan.conversions]
    assert len({name.casefold() for name in made}) == 3
    assert all(re.fullmatch(r"a\.mp4~[0-9a-f]{6}\.mp3", name.lower()) for name in made)
    assert not plan.left_out


def test_on_clash_error_refuses_the_run_and_shows_some_of_many() -> None:
    with pytest.raises(UsageError) as caught:
        plan_of(*(f"{n}.{suffix}" for n in range(9) for suffix in ("mp4", "mov")), on_clash="error")
    lines = str(caught.value).splitlines()
    assert lines[0] == "these files would be written to names that are taken:"
    assert lines[1].startswith(f"  /nowhere/in/0.mp4: {display_path('/nowhere/in/0.mov')} would be")
    assert lines[-1] == "  and 13 more"


@pytest.mark.parametrize(
    "name", ["", "x", "{}", "{0}", "{stem.__class__}", "{stem", "}{stem}", "{stem:>9q}", "{STEM}"]
)
def test_a_template_that_makes_no_sense_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        plan_of("a.mp4", name=name)


@pytest.mark.parametrize("name", ["/{stem}", "../{stem}", "{dir}/../../{stem}", "x/../../{name}"])
def test_a_template_leads_nowhere_but_below_the_destination(name: str) -> None:
    with pytest.raises(UsageError, match="outside the destination"):
        plan_of("a.mp4", name=name)


@pytest.mark.parametrize(
    ("name", "destination"),
    [("a.mp3", "in"), pytest.param("a.mp3", "link", marks=needs_links), ("A.MP3", "in")],
)
def test_a_source_is_never_written_over(name: str, destination: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    if destination == "link":
        (tmp_path / "link").symlink_to("in")
    found = [FoundFile(Source(str(tmp_path / "in" / each), 1, 1), each) for each in (name, "b.mp4")]
    plan = make_plan(found, recipe(), tmp_path / destination)
    assert [c.target for c in plan.conversions] == ["b.mp3"]
    assert "would overwrite the source" in plan.left_out[0].failure.message
    with pytest.raises(UsageError, match="choose another folder with -o"):
        make_plan(found, recipe(), tmp_path / destination, on_clash="error")


def test_an_id_is_stable_and_tells_conversions_apart() -> None:
    one = plan_of("a.mp4").conversions[0]
    assert one.id == plan_of("a.mp4").conversions[0].id
    others = [
        plan_of("b.mp4").conversions[0],
        plan_of("a.mp4", preset="wav").conversions[0],
        plan_of("a.mp4", name="{stem}-x{ext}").conversions[0],
        make_plan(
            [FoundFile(Source("/nowhere/in/a.mp4", 11, 20), "a.mp4")], recipe(), DESTINATION
        ).conversions[0],
    ]
    assert len({one.id, *(other.id for other in others)}) == 5


def test_names_of_runs_sort_by_time_and_are_never_given_twice() -> None:
    start = datetime(2026, 11, 22, 14, 12, tzinfo=UTC)
    moments = [start + timedelta(milliseconds=20 * n) for n in range(3000)]
    runs = [new_run_id(DESTINATION, moment) for moment in moments]
    assert len(set(runs)) == 3000
    assert re.fullmatch("20261122-1412-[a-z]+-[a-z]+", runs[0])
    assert runs[0] < new_run_id(DESTINATION, start + timedelta(minutes=1))


def test_runs_that_begin_at_once_on_many_machines_have_names_of_their_own() -> None:
    start = datetime(2026, 11, 22, 3, tzinfo=UTC)
    runs = {new_run_id(DESTINATION, start, f"machine {n}") for n in range(10)}
    assert len(runs) == 10
    assert new_run_id(DESTINATION / "other", start, "machine 1") not in runs
    assert new_run_id(DESTINATION, start) == new_run_id(DESTINATION, start, gethostname())


RELATIVE = st.lists(
    st.text(
        st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8
    ).filter(lambda part: part not in (".", "..")),
    min_size=1,
    max_size=3,
).map("/".join)


@settings(max_examples=300, deadline=None)
@given(relatives=st.lists(RELATIVE, min_size=1, max_size=6, unique=True))
def test_a_plan_holds_just_the_files_that_have_a_name_of_their_own(relatives: list[str]) -> None:
    def folded(name: str) -> str:
        return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())

    stems = [os.path.splitext(r)[0] for r in relatives]  # noqa: PTH122 - Path sees dots otherwise
    wanted = [posixpath.normpath(f"{stem}.mp3") for stem in stems]
    counts = Counter(map(folded, wanted))
    assert targets(*relatives) == [name for name in wanted if counts[folded(name)] == 1]
    assert plan_of(*relatives).files == len(relatives)


@settings(max_examples=300, deadline=None)
@given(
    relative=RELATIVE,
    name=st.lists(
        st.sampled_from(["{dir}", "{stem}", "{ext}", "{name}", "/", "..", ".", "x", "{", "}"]),
        max_size=6,
    ).map("".join),
)
def test_no_template_leads_outside_of_the_destination(relative: str, name: str) -> None:
    try:
        (target,) = targets(relative, name=name)
    except UsageError:
        return
    assert posixpath.normpath(f"/destination/{target}").startswith("/destination")
    assert not Path(target).is_absolute()
