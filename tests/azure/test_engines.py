"""What `Engine.run` promises, of the local engine and of Azure's, with an identity and with signed URLs."""

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from imageio_ffmpeg import get_ffmpeg_exe
from mutagen.flac import FLAC
from mutagen.id3 import ID3

from runner.engine import Engine, Stop
from runner.errors import InterruptedRunError
from runner.local import LocalEngine
from runner.media.choices import resolve_recipe
from runner.media.hashing import sha256_of
from runner.models import Event, Kind, State
from runner.options import RunOptions
from runner.presets import BUILT_IN
from tests.azure.conftest import MP3, MakeCloud, MakeEngine, drive, plan_of
from tests.conftest import names, tree
from tests.media import Media
from tests.stand_in import stand_in_for_ffmpeg

AWKWARD = (
    "with spaces.wav",
    'quote\'d "twice".wav',
    "-leading dash.wav",
    "dots..and...wav.wav",
    "ünïcödé 漢字.wav",
    "50% #1 & more?.wav",
    "new\nline.wav",
    "$(touch pwned) `touch pwned`.wav",
    "[a]*{b}.wav",
    "back\\slash.wav",
    "sub folder/under/deep.wav",
)
BAD = {
    "empty.mp4": "the file is empty",
    "text.mp4": "not a whole media file: moov atom not found",
    "truncated.mp4": "the file ends early",
    "corrupt.mp4": "damaged",
    "no-audio.mp4": "no audio stream",
    "truncated.flac": "the file ends early",
}


@dataclass(frozen=True)
class Place:
    """Where the same promises are kept."""

    make: Callable[..., Engine]
    node_ffmpeg: Callable[[str], None]
    """Put a stand-in that does this script in the place of the ffmpeg that converts."""


@pytest.fixture(params=["local", "azure", "signed"])
def place(
    request: pytest.FixtureRequest, engine_on: MakeEngine, tmp_path_factory: pytest.TempPathFactory
) -> Place:
    programs = tmp_path_factory.mktemp("programs")
    program = programs / "ffmpeg"
    program.symlink_to(get_ffmpeg_exe())

    def put_script(script: str) -> None:
        program.unlink()
        stand_in_for_ffmpeg(programs, script, get_ffmpeg_exe())

    def local(**options: Any) -> Engine:
        return LocalEngine(
            ffmpeg=str(program), options=RunOptions(**{"overwrite": "always", **options})
        )

    if request.param == "local":
        return Place(local, put_script)
    make_cloud: MakeCloud = request.getfixturevalue("make_cloud")
    cloud = make_cloud(ffmpeg=program)
    if request.param == "signed":
        cloud = cloud.without_identity()
    return Place(lambda **options: engine_on(cloud, **options), put_script)


def test_each_conversion_ends_once_and_its_last_event_is_its_result(
    place: Place, folder: Path, destination: Path
) -> None:
    told = drive(place.make(), plan_of(folder, destination))
    last = {event.conversion.target: event for event in told.events}
    assert last == told.results
    assert [event.state for event in told.events if event.state.is_final] == [State.CONVERTED] * 3
    for target, event in told.results.items():
        path = destination / target
        assert event.result is not None
        assert event.result.size == path.stat().st_size
        assert event.result.mtime_ns == path.stat().st_mtime_ns
        assert event.result.sha256 == sha256_of(str(path))
        assert event.attempt == 1
        assert event.seconds > 0
        assert event.media_total == pytest.approx(2.0, abs=0.2)
        assert "size=" in event.log


def test_each_result_says_where_and_when_it_was_made(
    place: Place, folder: Path, destination: Path
) -> None:
    began = time.time()
    told = drive(place.make(), plan_of(folder, destination))
    assert told.results
    for event in told.results.values():
        execution = event.execution
        assert execution.worker
        assert execution.began is not None
        assert event.versions or execution.ffmpeg
        # a queue, and a way there, are Azure's
        here = execution.worker in ("worker 1", "worker 2")
        assert (execution.queued is None, execution.sent is None) == (here, here)
        if here:
            assert began - 1 < execution.began <= execution.began + event.seconds < time.time() + 1
        else:  # by a clock that is fast here
            assert (execution.queued or 0) <= execution.began
            assert 0 < (execution.sent or 0) <= event.conversion.source.size


def test_results_are_those_of_plain_ffmpeg(
    place: Place, media: Media, tmp_path: Path, destination: Path
) -> None:
    folder = tmp_path / "in"
    for name in ("clip.mp4", "clip.mov", "clip.mkv", "clip.webm", "clip.flac", "late-audio.mp4"):
        media.put(name, folder / name)
    drive(place.make(), plan_of(folder, destination, name="{name}{ext}"))
    for source in folder.iterdir():
        plain = tmp_path / "plain.mp3"
        command = [
            get_ffmpeg_exe(),
            "-v",
            "error",
            "-y",
            "-i",
            source,
            *resolve_recipe(MP3).arguments,
            plain,
        ]
        subprocess.run(command, check=True)
        assert sound_of(destination / f"{source.name}.mp3") == sound_of(plain)


def test_bad_files_fail_by_kind_and_stop_nobody_else(
    place: Place, media: Media, folder: Path, destination: Path
) -> None:
    for name in BAD:
        media.put(name, folder / name)
    told = drive(place.make(), plan_of(folder, destination, name="{name}{ext}"))
    assert set(told.failures) == {f"{name}.mp3" for name in BAD}
    for name, reason in BAD.items():
        failure = told.failures[f"{name}.mp3"]
        assert (failure.kind, failure.message[: len(reason)]) == (Kind.INPUT, reason)
        assert told.results[f"{name}.mp3"].attempt == 1, "a bad file is not tried again"
    assert names(destination) == {"a.wav.mp3", "b.wav.mp3", "c.wav.mp3"}


def test_names_of_all_kinds_work(
    place: Place, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("8-bit.wav", *(tmp_path / "in" / name for name in AWKWARD))
    told = drive(place.make(), plan_of(tmp_path / "in", destination))
    assert not told.failures
    assert names(destination) == {name.removesuffix(".wav") + ".mp3" for name in AWKWARD}
    assert not list(tmp_path.rglob("pwned"))


def test_nothing_unfinished_is_left_behind(
    place: Place, media: Media, folder: Path, destination: Path
) -> None:
    media.put("clip.mp4", folder / "film.mp4")
    media.put("truncated.mp4", folder / "bad.mp4")
    drive(place.make(), plan_of(folder, destination))
    scratch = destination / ".runner" / "tmp"
    assert not scratch.exists() or not list(scratch.iterdir())


def test_a_passing_fault_is_tried_again_under_a_new_attempt(
    place: Place, one: Path, destination: Path
) -> None:
    place.node_ffmpeg(KILLED_AT_FIRST)
    told = drive(place.make(), plan_of(one, destination))
    assert told.states.count(State.RETRYING) == 2
    assert [e.attempt for e in told.events if e.state is State.RETRYING] == [1, 2]
    assert told.results["a.mp3"].state is State.CONVERTED
    assert told.results["a.mp3"].attempt == 3


def test_a_fault_that_does_not_pass_ends_after_the_retries(
    place: Place, one: Path, destination: Path
) -> None:
    place.node_ffmpeg(KILLED_ALWAYS)
    told = drive(place.make(retries=1), plan_of(one, destination))
    assert told.states.count(State.RETRYING) == 1
    failure = told.failures["a.mp3"]
    assert (failure.kind, failure.message) == (Kind.TRANSIENT, "ffmpeg was killed by signal 9")
    assert told.results["a.mp3"].attempt == 2


def test_what_takes_too_long_is_given_up_and_not_tried_again(
    place: Place, one: Path, destination: Path
) -> None:
    place.node_ffmpeg("if '-version' not in ARGUMENTS: time.sleep(60)")
    told = drive(place.make(timeout=0.5), plan_of(one, destination))
    failure = told.failures["a.mp3"]
    assert (failure.kind, failure.message) == (Kind.TIMEOUT, "took longer than its time limit")
    assert State.RETRYING not in told.states


def test_settings_that_ffmpeg_does_not_know_are_named(
    place: Place, folder: Path, destination: Path
) -> None:
    bad = replace(MP3, arguments=("-map", "0:a:0", "-c:a", "no_such_encoder"))
    told = drive(place.make(), plan_of(folder, destination, bad))
    assert {f.kind for f in told.failures.values()} == {Kind.SETTINGS}
    assert {f.message for f in told.failures.values()} == {
        "this ffmpeg has no encoder 'no_such_encoder'"
    }


def test_a_source_that_has_gone_fails_alone(place: Place, folder: Path, destination: Path) -> None:
    plan = plan_of(folder, destination)
    (folder / "b.wav").unlink()
    told = drive(place.make(), plan)
    assert told.failures["b.mp3"].message == "the file is gone"
    assert names(destination) == {"a.mp3", "c.mp3"}


def test_tags_arrive(place: Place, media: Media, tmp_path: Path, destination: Path) -> None:
    media.put("cover.flac", tmp_path / "in" / "a.flac")
    file = FLAC(tmp_path / "in" / "a.flac")
    file["ARTIST"] = ["Änn", "Ben"]
    file["OWN NAME"] = ["one", "two"]
    file.pictures[0].type = 4
    file.save()
    told = drive(place.make(), plan_of(tmp_path / "in", destination))
    assert told.results["a.mp3"].notices == ()
    tags = ID3(destination / "a.mp3")
    assert tags["TPE1"].text == ["Änn", "Ben"]
    assert tags["TXXX:OWN NAME"].text == ["one", "two"]
    assert tags.getall("APIC")[0].type == 4


def test_results_have_the_times_of_their_sources_where_that_is_wanted(
    place: Place, one: Path, destination: Path
) -> None:
    os.utime(one / "a.wav", ns=(1, 1_500_000_000_123_456_000))
    told = drive(place.make(keep_times=True), plan_of(one, destination))
    time = (destination / "a.mp3").stat().st_mtime_ns
    assert time == (one / "a.wav").stat().st_mtime_ns
    result = told.results["a.mp3"].result
    assert result is not None
    assert result.mtime_ns == time  # or it would not be known again


def test_what_appeared_meanwhile_is_kept(place: Place, one: Path, destination: Path) -> None:
    plan = plan_of(one, destination)
    destination.mkdir(exist_ok=True)
    (destination / "a.mp3").write_text("mine")
    told = drive(place.make(overwrite="never"), plan)
    assert told.failures["a.mp3"].message.startswith("not replaced: another program")
    assert (destination / "a.mp3").read_text() == "mine"


def test_what_may_be_replaced_is_replaced(place: Place, one: Path, destination: Path) -> None:
    plan = plan_of(one, destination)
    destination.mkdir(exist_ok=True)
    (destination / "a.mp3").write_text("old")
    told = drive(place.make(overwrite="always"), plan)
    assert told.results["a.mp3"].state is State.CONVERTED
    assert (destination / "a.mp3").stat().st_size > 500


@pytest.mark.parametrize("is_changed", [False, True], ids=["as it was", "changed meanwhile"])
def test_what_was_planned_to_be_replaced_is_if_it_is_as_it_was(
    place: Place, one: Path, destination: Path, *, is_changed: bool
) -> None:
    target = destination / "a.mp3"
    destination.mkdir(exist_ok=True)
    target.write_text("old")
    status = target.stat()
    replaces = {"a.mp3": (status.st_size, status.st_mtime_ns)}
    plan = replace(plan_of(one, destination), replaces=replaces)
    seen = destination.parent / "seen"
    copy = f"open({str(seen)!r}, 'w').write(open({str(target)!r}).read())"
    change = f"append({str(target)!r}, 'mine')" if is_changed else ""
    place.node_ffmpeg(f"{copy}\n{change}")
    told = drive(place.make(overwrite="auto"), plan)
    if is_changed:
        message = told.failures["a.mp3"].message
        assert message == "not replaced: another program changed the result during the run"
        assert target.read_text().startswith("oldmine")
    else:
        assert told.results["a.mp3"].state is State.CONVERTED
        assert seen.read_text() == "old", "it was there until the new one was verified"
        assert target.stat().st_size > 500


def test_a_run_that_is_stopped_ends_early_and_leaves_whole_files_only(
    place: Place, media: Media, tmp_path: Path, destination: Path
) -> None:
    folder = tmp_path / "in"
    media.put("8-bit.wav", *(folder / f"{number}.wav" for number in range(12)))
    events, stop = stopped_after_the_first_result(place.make(), folder, destination)
    finals = {event.conversion.target for event in events if event.state.is_final}
    assert stop.gently
    assert len(finals) < 12
    # what was being fetched when the stop came may be there as well, and whole
    assert finals <= names(destination)
    assert all(data.startswith(b"ID3") for data in tree(destination).values())
    assert all((destination / name).stat().st_size > 500 for name in finals)


def test_closing_the_generator_ends_the_run(place: Place, folder: Path, destination: Path) -> None:
    events = place.make().run(plan_of(folder, destination), Stop())
    next(events)
    events.close()
    assert all((destination / name).stat().st_size > 500 for name in names(destination))


def test_a_film_becomes_another_film(
    place: Place, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("clip.mp4", tmp_path / "in" / "film.mp4")
    told = drive(place.make(), plan_of(tmp_path / "in", destination, BUILT_IN["mp4"].recipe()))
    assert not told.failures
    assert names(destination) == {"film.mp4"}


KILLED_ALWAYS = "if '-progress' in ARGUMENTS: end_abruptly()"
KILLED_AT_FIRST = (
    "if '-progress' in ARGUMENTS and (is_first('one') or is_first('two')): end_abruptly()"
)


def stopped_after_the_first_result(
    engine: Engine, folder: Path, destination: Path
) -> tuple[list[Event], Stop]:
    stop, events = Stop(), []
    try:
        for event in engine.run(plan_of(folder, destination), stop):
            if isinstance(event, Event):
                events.append(event)
                if event.state.is_final and not stop.gently:
                    stop.request()
    except InterruptedRunError:
        pass  # what goes on elsewhere is said by the engine that has an elsewhere
    return events, stop


def sound_of(path: Path) -> str:
    """The MD5 of the decoded sound of *path*."""
    command = [get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-map", "0:a", "-f", "md5", "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_what_is_chosen_and_what_is_left_out_is_the_same_everywhere(
    place: Place, media: Media, tmp_path: Path, destination: Path
) -> None:
    folder = tmp_path / "in"
    media.put("two-tracks.mp4", folder / "a.mp4")
    media.put("everything.mkv", folder / "b.mkv")
    told = drive(place.make(), plan_of(folder, destination))
    assert {target: event.notices for target, event in told.results.items()} == {
        "a.mp3": ("audio track 1 was used; --audio-stream N selects another one: 0",),
        "b.mp3": (
            "audio track 1 (eng, Commentary) was used; --audio-stream N selects another one: 0 (jpn)",
        ),
    }
    film = BUILT_IN["mp4"].recipe(audio_language="ja", input_arguments=("-t", "1"))
    told = drive(place.make(), plan_of(folder, destination / "films", film))
    assert told.results["a.mp4"].state is State.CONVERTED
    assert "left out for MP4: 1 attachment" in told.results["b.mp4"].notices[0]
