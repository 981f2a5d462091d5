"""Estimates: what they are made of, what they rest upon, and how far they may be off."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.estimate.basis import Basis
from runner.estimate.calibration import calibrate
from runner.estimate.contents import Contents, FileContent, open_files
from runner.estimate.extracts import Extracts
from runner.estimate.model import AssumedPipeline, SimulatedTask, simulate, time_here
from runner.estimate.on_azure import AzureEstimate
from runner.estimate.on_this_machine import LocalEstimate
from runner.estimate.report import Estimate, hint
from runner.estimate.speeds import Speeds, Timing, fit
from runner.media.failures import ConversionError, Kind
from runner.models import Conversion, Source
from runner.presets import BUILT_IN
from runner.storage_use import NOTHING
from tests.conftest import Run, tree
from tests.media import Media

MP3 = BUILT_IN["mp3"].recipe()
LINE = AssumedPipeline(
    uplink=1000, downlink=10_000, start=60, nodes=2, slots=2, first_poll=0, longest_poll=0
)


def look(
    seconds: float, *, suffix: str = ".mp4", rate: float = 1000, pixels: int = 0
) -> FileContent:
    source = Source(f"/in/{seconds}{suffix}", int(seconds * rate), 0)
    return FileContent(Conversion(source, f"{seconds}.mp3", MP3), seconds, seconds * 10, pixels)


def timing(seconds: float, took: float, *, suffix: str = ".mp4", rate: float = 1000) -> Timing:
    return Timing(suffix, rate, seconds, took, seconds * 100)


@pytest.mark.parametrize(
    ("timings", "expected"),
    [
        ([(10, 1.5), (20, 2.5), (100, 10.5)], (0.5, 0.1)),
        ([(10, 1), (12, 1.2)], (0.0, 0.1)),  # of one length: all of it is taken for speed
        ([(10, 1), (100, 10)], (0.0, 0.1)),
        ([(10, 1), (100, 0.9)], (0.95, 0.0)),  # never negative
    ],
)
def test_a_file_costs_something_once_and_something_a_second(
    timings: list[tuple[float, float]], expected: tuple[float, float]
) -> None:
    speed = fit([timing(*each) for each in timings])
    assert (speed.fixed, speed.per_second) == pytest.approx(expected)
    assert speed.result_rate == pytest.approx(100)


def test_files_count_for_those_of_their_kind_alone_unless_there_are_none() -> None:
    known = [timing(10, 1), timing(10, 5, suffix=".wav"), timing(10, 9, rate=50_000)]
    speeds = Speeds(known, any_kind=False)
    assert speeds.times([look(20), look(20, suffix=".wav")]) == pytest.approx([2, 10])
    assert speeds.of(look(20, suffix=".avi")) is None
    assert speeds.covers([look(10), look(30, suffix=".avi")]) == 0.25
    # of what is not known, the mean of the rest
    assert speeds.times([look(10), look(30, suffix=".avi")]) == pytest.approx([1, 3])
    assert Speeds(known, any_kind=True).of(look(20, suffix=".avi")) is not None


def test_two_workers_take_the_longest_first() -> None:
    assert time_here([1, 1, 4, 2], 2) == pytest.approx(4)
    assert time_here([], 2) < 1


def test_a_line_that_is_slow_decides_how_long_azure_takes() -> None:
    jobs = [SimulatedTask(sent=100_000, seconds=5, result=1000)] * 4
    went = simulate(jobs, LINE)
    assert went.uploaded == pytest.approx(400)
    assert went.total == pytest.approx(400 + 5 + 0.1)


def test_nodes_that_are_few_decide_where_the_line_is_fast() -> None:
    jobs = [SimulatedTask(sent=1, seconds=100, result=0)] * 8
    went = simulate(jobs, LINE)
    assert went.total == pytest.approx(60 + 200, abs=0.1)  # 4 slots
    assert went.node_seconds == pytest.approx(2 * 200, abs=0.1)


def test_of_a_film_that_becomes_sound_its_sound_travels() -> None:
    film = look(100, pixels=640 * 360)
    assert film.sent == 1000
    assert look(100).sent == 100_000  # no film
    there = Source("https://account.blob.core.windows.net/films/a.mp4", 100_000, 0, "0x1")
    blob = replace(film, conversion=replace(film.conversion, source=there))
    assert (film.whole, blob.whole, blob.sent) == (100_000, 0, 0)


def test_more_files_than_are_looked_into_are_a_sample_with_an_error(
    media: Media, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.estimate.contents.MOST_OPENED", 4)
    media.put("8-bit.wav", *(tmp_path / f"{number}.wav" for number in range(8)))
    sources = [Source(str(path), path.stat().st_size, 0) for path in sorted(tmp_path.iterdir())]
    files = [Conversion(source, f"{n}.mp3", MP3) for n, source in enumerate(sources)]
    found = open_files(files, media.ffmpeg, 2)
    assert (found.looked_at, len(found.files), found.unreadable) == (4, 8, 0)
    assert found.error == pytest.approx(0, abs=1e-6)  # they are all alike
    first = next(iter(found.files)).seconds
    assert found.seconds == pytest.approx(8 * first)


def test_the_error_of_a_sample_holds_what_the_rest_is_in_nearly_all_cases() -> None:
    from runner.estimate.contents import _error  # noqa: PLC0415 - the rule itself is on trial

    luck, hits = random.Random(1), 0
    for _ in range(200):
        looks = [look(luck.uniform(10, 100), rate=luck.uniform(500, 1500)) for _ in range(400)]
        sample = luck.sample(looks, 100)
        ratio = sum(k.seconds for k in sample) / sum(k.size for k in sample)
        guess = ratio * sum(k.size for k in looks)
        true = sum(k.seconds for k in looks)
        hits += abs(guess / true - 1) <= _error(sample, len(looks))
    assert hits >= 180


def test_a_plan_measures_parts_leaves_nothing_and_rests_on_runs_once_there_are_some(
    run: Run, media: Media, tmp_path: Path
) -> None:
    media.put("8-bit.wav", *(tmp_path / "in" / f"{n}.wav" for n in range(3)))
    (tmp_path / "in" / "broken.mp4").write_bytes(b"no media")
    before = tree(tmp_path)
    first = run("plan", "in", "--json")
    said = json.loads(first.stdout)
    assert first.exit_code == 0
    assert (said["files"], said["looked_at"], said["unreadable"]) == (3, 4, 1)
    assert said["here"]["basis"].startswith("measured on parts of")
    assert said["here"]["seconds"] > 0
    assert said["azure"] is None
    assert tree(tmp_path) == before
    assert not (tmp_path / "out").exists()
    assert run("convert", "in").exit_code == 1
    again = run("plan", "in", "--overwrite", "always").stderr
    assert "based on 3 files in 1 earlier run" in again
    assert "Convert here." in again


def test_a_dry_run_ends_with_the_estimate_and_measures_nothing(run: Run, media: Media) -> None:
    media.put("8-bit.wav", run.folder / "in" / "a.wav")
    said = run("convert", "in", "-n").stderr.splitlines()
    assert said[0] == "dry run: 1 of 1 files to convert, nothing done"
    assert said[2] == "on this machine: time unknown; `runner plan` measures it"


@pytest.mark.parametrize(
    ("here", "azure", "error", "words"),
    [
        (100, 300, 0.2, "this machine (--where local) would take about 1 m 40 s rather than 5 m"),
        (100, 300, 1.0, ""),  # a guess: it may be half of that
        (100, 500, 1.0, "this machine (--where local) would take about 1 m 40 s rather than 8 m"),
        (1, 50, 0.2, ""),  # less than a minute is not worth a word
        (300, 300, 0.2, "this machine (--where local) would take about as long (5 m 00 s) and cost nothing"),
        (300, 300, 1.0, ""),
        (300, 100, 0.2, ""),
    ],
)  # fmt: skip
def test_the_other_place_is_named_where_it_is_much_faster_or_as_fast_and_free(
    here: float, azure: float, error: float, words: str
) -> None:
    there = AzureEstimate(
        pool="ffmpeg", vm_size="", seconds=azure, start=0, upload=0, node_hours=0, nodes=1, kinds="",
        sent=0, received=0, amount=None, idle=None, prices=None, why_no_price="", bases=(), error=error,
        storage=NOTHING,
    )  # fmt: skip
    found = Contents((look(10),), 1, 0, 0.0)
    estimate = Estimate(found, LocalEstimate(here, 2, Basis("", 0.1)), there, "")
    assert hint(estimate, is_azure=True).startswith(words)
    assert bool(hint(estimate, is_azure=True)) is bool(words)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--max-cost", "5"), "--max-cost 5.0 is for Azure, and this run is on this machine"),
        (("--detach",), "--detach is for Azure, and this run is on this machine"),
        (("--clean-start",), "--clean-start is for Azure, and this run is on this machine"),
        (("--settle", "3"), "--settle has no effect without --watch"),
    ],
)
def test_what_would_have_no_effect_here_is_refused_where_it_is_typed(
    run: Run, media: Media, words: tuple[str, ...], why: str
) -> None:
    media.put("8-bit.wav", run.folder / "in" / "a.wav")
    result = run("convert", "in", "--where", "local", *words)
    assert (result.exit_code, result.error.startswith(why)) == (2, True), result.stderr
    variable = "RUNNER_" + words[0].removeprefix("--").replace("-", "_").upper()
    value = words[1] if len(words) > 1 else "1"
    environment: dict[str, Any] = {variable: value}
    elsewhere = run("convert", "in", "--where", "local", **environment)
    assert elsewhere.exit_code == 0, "it may be meant for other runs"


@pytest.mark.parametrize(
    ("option", "value"),
    [("--uplink", "fast"), ("--uplink", "0Mbit/s"), ("--max-cost", "-1"), ("--currency", "$")],
)
def test_options_of_an_estimate_are_checked(run: Run, option: str, value: str) -> None:
    result = run("plan", ".", option, value)
    assert result.exit_code == 2
    assert result.error.startswith(f"{option} {value}: ")


@pytest.mark.parametrize(
    "name",
    [f"clip.{suffix}" for suffix in ("mp4", "mov", "mkv", "ts", "ogg", "mp3", "flac", "wav")],
)
def test_of_a_blob_its_beginning_and_its_end_say_how_long_it_is_and_how_fast_it_is_done(
    media: Media, tmp_path: Path, name: str
) -> None:
    data = media(name).read_bytes()
    source = Source(f"https://account.blob.core.windows.net/films/{name}", len(data), 0, "0x1")
    read: list[int] = []

    def read_part(_: Source, offset: int, length: int) -> bytes:
        read.append(length)
        return data[offset : offset + length]

    extracts = Extracts(read_part, str(tmp_path), beginning=8 * 1024, end=8 * 1024)
    found = open_files([Conversion(source, "a.mp3", MP3)], media.ffmpeg, 1, extracts)
    assert sum(read) <= 16 * 1024
    assert (found.looked_at, found.unreadable) == (1, 0)
    assert found.seconds == pytest.approx(2.0, rel=0.15)
    measured = calibrate(found.files, media.ffmpeg, 2, extracts)
    assert measured.files == 1
    assert measured.timings


def test_a_blob_that_cannot_be_read_is_guessed_by_its_size_and_that_is_said(
    media: Media, tmp_path: Path
) -> None:
    def refuse(*_: object) -> bytes:
        raise ConversionError(Kind.INPUT, "in the archive tier; rehydrate it first")

    source = Source("https://account.blob.core.windows.net/films/a.wav", 1_760_000, 0, "0x1")
    files = [Conversion(source, "a.mp3", MP3)]
    found = open_files(files, media.ffmpeg, 1, Extracts(refuse, str(tmp_path)))
    assert (found.looked_at, found.seconds, found.error) == (0, 10.0, 1.0)
