"""Only the audio travels where that is all that is wanted, and it is the same audio."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from imageio_ffmpeg import get_ffmpeg_exe
from mutagen.flac import FLAC
from mutagen.mp4 import MP4

from runner.media.audio_copy import extract_audio
from runner.media.choices import resolve_recipe
from runner.models import State
from runner.options import RunOptions
from runner.presets import BUILT_IN
from tests.azure.conftest import MP3, EventLog, MakeEngine, drive, plan_of
from tests.azure.test_engines import sound_of
from tests.cloud import Cloud
from tests.conftest import names, until
from tests.media import Media
from tests.runner.programs import converted, recipe, work
from tests.stand_in import MakeStandIn

FFMPEG = get_ffmpeg_exe()


def copied(source: Path, folder: Path) -> Path | None:
    """The slim copy of *source*."""
    made = extract_audio(FFMPEG, str(source), MP3, str(folder / "copy"))
    return Path(made) if made else None


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("clip.mp4", ".mp4"),
        ("two-tracks.mp4", ".mp4"),
        ("edit-list.mp4", ".mp4"),
        ("late-audio.mp4", ".mp4"),
        ("fragmented.mp4", ".mp4"),
        ("surround.mp4", ".mp4"),
        ("cover.mp4", ".mp4"),
        ("clip.3gp", ".mp4"),
        ("clip.mkv", ".mka"),
        ("clip.avi", ".mka"),
        ("clip.flv", ".mka"),
        ("chapters.mkv", ".mka"),
    ],
)
def test_a_copy_stays_in_the_family_and_sounds_the_same(
    media: Media, tmp_path: Path, name: str, suffix: str
) -> None:
    big = with_more_picture(media(name), tmp_path)
    copy = copied(big, tmp_path)
    assert copy is not None
    assert copy.suffix == suffix
    assert copy.stat().st_size < 0.8 * big.stat().st_size
    assert mp3_sound(copy, tmp_path) == mp3_sound(big, tmp_path)


@pytest.mark.parametrize("name", ["clip.mp4", "cover.mp4", "clip.mkv"])
def test_a_copy_says_all_that_the_film_says(media: Media, tmp_path: Path, name: str) -> None:
    dated = tmp_path / f"dated{Path(name).suffix}"
    words = "-map 0 -c copy -map_metadata 0 -metadata creation_time=2019-05-06T07:08:09Z"
    media.run("-i", str(media(name)), *words.split(), str(dated))
    if name.endswith("mp4"):
        file = MP4(dated)
        file["----:com.apple.iTunes:OWN"] = [b"one", b"two"]
        file.save()
    copy = copied(with_more_picture(dated, tmp_path), tmp_path)
    assert copy is not None
    said = []
    for source in (dated, copy):
        target = tmp_path / f"{source.stem}.flac"
        converted(work(source, target, how=recipe("flac")))
        said.append(sorted((name, *values) for name, values in FLAC(target).items()))
    assert said[0] == said[1]
    assert ("creation_time", "2019-05-06T07:08:09.000000Z") in said[0]
    assert not name.endswith("mp4") or ("own", "one", "two") in said[0]


def with_more_picture(source: Path, folder: Path) -> Path:
    """*source* padded to what a film weighs beside its sound; players skip such padding."""
    big = folder / f"big{source.suffix}"
    if source.suffix in (".mp4", ".3gp", ".mov"):
        # a `free` box
        padding = (300_000).to_bytes(4, "big") + b"free" + bytes(299_992)
    else:
        padding = b""
    big.write_bytes(source.read_bytes() + padding)
    return big


def mp3_sound(source: Path, folder: Path) -> str:
    """The sound of the MP3 that our recipe makes of *source*."""
    target = folder / "sound.mp3"
    command = [
        FFMPEG,
        "-v",
        "error",
        "-y",
        "-i",
        str(source),
        *resolve_recipe(MP3).arguments,
        str(target),
    ]
    subprocess.run(command, check=True)
    return sound_of(target)


def test_pcm_in_a_mov_finds_a_container(media: Media, tmp_path: Path) -> None:
    big = with_more_picture(media("clip.mov"), tmp_path)
    big.write_bytes(big.read_bytes() + (900_000).to_bytes(4, "big") + b"free" + bytes(899_992))
    copy = copied(big, tmp_path)
    assert copy is not None
    assert copy.suffix in (".mp4", ".mov")
    assert mp3_sound(copy, tmp_path) == mp3_sound(big, tmp_path)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("clip.mp3", "there is no film"),
        ("clip.wav", "there is no film"),
        ("cover.m4a", "a cover is no film"),
        ("no-audio.mp4", "there is no sound"),
        ("truncated.mp4", "it is damaged: the node is to see it"),
        ("truncated.mkv", "it is damaged: the node is to see it"),
        ("text.mp4", "it is no film"),
        ("empty.mp4", "it is empty"),
        ("cover.mkv", "Matroska would make a film of the cover"),
        ("late-audio.mkv", "it would not save enough"),
        ("talk.webm", "it would not save enough"),
    ],
)
def test_on_any_doubt_there_is_no_copy(media: Media, tmp_path: Path, name: str, why: str) -> None:
    assert copied(media(name), tmp_path) is None, why
    assert not list(tmp_path.glob("copy*"))


@pytest.mark.parametrize(
    "recipe",
    [
        BUILT_IN["mp4"].recipe(),
        replace(MP3, is_preset=False),
        BUILT_IN["mp3"].recipe(arguments=("-map", "0:v")),
        BUILT_IN["mp3"].recipe(input_arguments=("-ss", "1")),
    ],
    ids=[
        "a film is wanted",
        "the user's own arguments",
        "arguments on the command line",
        "input options",
    ],
)
def test_what_may_want_the_picture_gets_the_whole_file(
    media: Media, tmp_path: Path, recipe: object
) -> None:
    big = with_more_picture(media("clip.mp4"), tmp_path)
    assert extract_audio(FFMPEG, str(big), recipe, str(tmp_path / "copy")) is None  # type: ignore[arg-type] # a recipe


def film(folder: Path, seconds: int = 8) -> Path:
    """A film of 5 Mbit/s with 128 kbit/s of sound, as cameras make them."""
    folder.mkdir(exist_ok=True)
    path = folder / "film.mp4"
    picture = f"testsrc2=s=640x360:r=25:d={seconds},noise=alls=40:allf=t"
    sound = f"anoisesrc=c=pink:a=0.3:d={seconds}"
    rate = ("-b:v", "5M", "-minrate", "5M", "-maxrate", "5M", "-bufsize", "5M")
    coding = ("-c:v", "libx264", "-preset", "ultrafast", "-x264-params", "nal-hrd=cbr")
    inputs = ("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound)
    subprocess.run(
        [FFMPEG, "-v", "error", *inputs, *coding, *rate, "-c:a", "aac", "-b:a", "128k", str(path)],
        check=True,
    )
    return path


def uploaded(cloud: Cloud) -> int:
    """The bytes of sources in storage."""
    return sum(len(data) for name, data in cloud.stored("input").items() if "plan" not in name)


def test_of_a_film_a_twentieth_travels_and_the_result_is_the_same(
    cloud: Cloud, engine_on: MakeEngine, tmp_path: Path, destination: Path
) -> None:
    source = film(tmp_path / "in")
    told = drive(engine_on(cloud, keep=True), plan_of(source.parent, destination))
    assert not told.failures
    assert uploaded(cloud) <= 0.05 * source.stat().st_size
    whole = tmp_path / "whole"
    told = drive(engine_on(cloud, upload="whole", keep=True), plan_of(source.parent, whole))
    assert uploaded(cloud) > source.stat().st_size
    assert sound_of(destination / "film.mp3") == sound_of(whole / "film.mp3")
    assert mp3_sound(source, tmp_path) == sound_of(destination / "film.mp3")


def test_audio_only_refuses_what_cannot_travel_so(
    cloud: Cloud, engine_on: MakeEngine, media: Media, tmp_path: Path, destination: Path
) -> None:
    film(tmp_path / "in", seconds=2)
    media.put("clip.mp3", tmp_path / "in" / "sound.mp3")
    plan = plan_of(tmp_path / "in", destination, name="{name}{ext}")
    told = drive(engine_on(cloud, upload="audio-only"), plan)
    message = told.failures["sound.mp3.mp3"].message
    assert message.startswith("its audio cannot be sent alone without loss")
    assert names(destination) == {"film.mp4.mp3"}


def test_the_second_track_is_found_in_the_copy(
    cloud: Cloud, engine_on: MakeEngine, media: Media, tmp_path: Path, destination: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    big = with_more_picture(media("two-tracks.mp4"), folder)
    second = BUILT_IN["mp3"].recipe(audio_stream=1)
    told: EventLog = drive(engine_on(cloud), plan_of(folder, destination, second))
    assert told.results["big.mp3"].state is State.CONVERTED
    plain = tmp_path / "plain.mp3"
    command = [FFMPEG, "-v", "error", "-i", str(big), *resolve_recipe(second).arguments, str(plain)]
    subprocess.run(command, check=True)
    assert sound_of(destination / "big.mp3") == sound_of(plain)


def test_the_first_copies_are_made_before_batch_has_answered(
    cloud: Cloud,
    engine_on: MakeEngine,
    stand_in: MakeStandIn,
    media: Media,
    tmp_path: Path,
    destination: Path,
) -> None:
    big = with_more_picture(media("clip.mp4"), tmp_path)
    (tmp_path / "in").mkdir()
    for name in "abcdef":
        (tmp_path / "in" / f"{name}.mp4").write_bytes(big.read_bytes())
    ffmpeg = stand_in("if 'streamhash' in ARGUMENTS: append('copies', WORDS)")
    engine = replace(engine_on(cloud), ffmpeg=str(ffmpeg.path))
    cloud.fault("status", "get_pool", times=None)
    with ThreadPoolExecutor() as pool:
        run = pool.submit(drive, engine, plan_of(tmp_path / "in", destination))
        until(lambda: len(ffmpeg.said("copies")) >= 2 * RunOptions().transfers)
        early = ffmpeg.said("copies")
        assert len(cloud.stored("input")) == 0
        cloud.azure.faults.clear()
        told = run.result()
    assert {event.state for event in told.results.values()} == {State.CONVERTED}
    # one run of ffmpeg to copy and one to check, and none of them a second time
    assert len(early) == 2 * RunOptions().transfers
    assert len(ffmpeg.said("copies")) == 2 * 6


def test_a_file_that_is_sent_sooner_than_copied_is_sent_as_it_is(
    cloud: Cloud,
    engine_on: MakeEngine,
    stand_in: MakeStandIn,
    media: Media,
    tmp_path: Path,
    destination: Path,
) -> None:
    source = tmp_path / "in" / "a.mkv"
    media.put("clip.mkv", source)
    ffmpeg = stand_in()
    engine = replace(engine_on(cloud, keep=True), ffmpeg=str(ffmpeg.path))
    told = drive(engine, plan_of(source.parent, destination))
    assert {event.state for event in told.results.values()} == {State.CONVERTED}
    assert source.read_bytes() in cloud.stored("input").values()
    assert not ffmpeg.starts


def test_no_more_copies_lie_on_this_disk_than_files_travel(
    cloud: Cloud, engine_on: MakeEngine, tmp_path: Path, destination: Path
) -> None:
    source = film(tmp_path / "in", seconds=2)
    for number in range(5):
        (source.parent / f"{number}.mp4").write_bytes(source.read_bytes())
    scratch = destination / ".runner" / "tmp"
    most = 0

    def count(_: object) -> None:
        nonlocal most
        most = max(most, len(list(scratch.glob("*/*-audio*"))))

    drive(engine_on(cloud, transfers=2), plan_of(source.parent, destination), count)
    assert most <= 2
    assert not list(scratch.glob("*"))
