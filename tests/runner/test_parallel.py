"""How many files are converted at the same time, and with how many threads each."""

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from runner.attempts_left import AttemptsLeft
from runner.azure.pools import Pool
from runner.media.recipe import Recipe
from runner.media.threads import thread_arguments, useful_threads
from runner.media.worker import convert
from runner.models import Conversion, Source
from runner.parallel import slots_for, threads_for, useful_threads_of, workers_for
from runner.presets import BUILT_IN
from tests.runner.programs import every_ffmpeg, work


@pytest.mark.parametrize(
    ("preset", "useful"),
    [
        *((name, 1) for name in ("mp3", "flac", "podcast", "thumbnail")),
        *((name, 4) for name in ("mp4", "hevc", "mkv", "webm", "av1")),
    ],
)
def test_only_encoders_of_video_use_several_threads(preset: str, useful: int) -> None:
    assert useful_threads(BUILT_IN[preset].recipe()) == useful


def test_an_unknown_encoder_is_taken_to_use_one() -> None:
    own = BUILT_IN["mp4"].recipe(arguments=("-c:v", "h264_nvenc"))
    assert useful_threads(own) == 1


@pytest.mark.parametrize(
    ("files", "cores", "useful", "workers"),
    [
        # audio: one per core
        (100, 1, 1, 1), (100, 2, 1, 2), (100, 64, 1, 64), (3, 64, 1, 3), (0, 8, 1, 1),
        # video: two at the least, so that no core waits while a file is probed or verified
        (100, 1, 4, 1), (100, 2, 4, 2), (100, 4, 4, 2), (100, 8, 4, 2), (100, 16, 4, 4),
        (100, 64, 4, 16), (5, 64, 4, 5), (1, 64, 4, 1),
    ],
)  # fmt: skip
def test_files_at_a_time(files: int, cores: int, useful: int, workers: int) -> None:
    assert workers_for(files, cores, useful) == workers


@pytest.mark.parametrize(
    ("running", "cores", "useful", "threads"),
    [
        (64, 64, 1, None),  # audio is not limited
        (16, 64, 4, 4), (8, 64, 4, 8), (2, 64, 4, 32), (1, 64, 4, None),  # the last ones get more
        (2, 8, 4, 4), (2, 6, 4, 4), (8, 8, 4, 4),  # never fewer than it uses, also with -j 8
        (2, 4, 4, None), (2, 2, 4, None), (1, 1, 4, None),
    ],
)  # fmt: skip
def test_threads_of_a_file(running: int, cores: int, useful: int, threads: int | None) -> None:
    assert threads_for(running, cores, useful) == threads


@pytest.mark.parametrize(
    ("task_slots", "vcpus", "useful", "slots"),
    [
        (4, 4, 1, 1), (4, 4, 4, 2), (8, 8, 4, 4), (16, 16, 4, 4), (1, 4, 4, 1), (2, 8, 4, 1),
        (8, 16, 4, 2), (4, 0, 4, 2), (32, 8, 4, 4),
    ],
)  # fmt: skip
def test_slots_of_a_node(task_slots: int, vcpus: int, useful: int, slots: int) -> None:
    assert slots_for(task_slots, vcpus, useful) == slots


@pytest.mark.parametrize(("minutes", "slots"), [(0, 4), (5, 1)])
def test_a_pool_that_counts_tasks_gives_each_one_slot(minutes: int, slots: int) -> None:
    pool = Pool(
        name="",
        id="p",
        vm_size="Standard_D16ads_v5",
        purpose="",
        default=True,
        task_slots=16,
        node_vcpus=16,
        max_nodes=3,
        autoscale_minutes=minutes,
    )
    assert pool.slots_for(BUILT_IN["hevc"].recipe()) == slots
    assert pool.slots_for(BUILT_IN["mp3"].recipe()) == 1


def test_mixed_recipes_go_by_the_one_that_uses_the_fewest() -> None:
    source = Source("/a", 1, 1)
    mixed = [Conversion(source, name, BUILT_IN[name].recipe()) for name in ("mp4", "mp3")]
    assert useful_threads_of(mixed) == 1
    assert useful_threads_of(mixed[:1]) == 4
    assert useful_threads_of([]) == 1


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (BUILT_IN["mp4"].recipe(), ("-threads:v", "3")),
        (BUILT_IN["webm"].recipe(), ("-threads:v", "3")),
        (BUILT_IN["hevc"].recipe(), ("-x265-params", "pools=3")),
        (BUILT_IN["av1"].recipe(), ()),
        (BUILT_IN["mp3"].recipe(), ()),
        # what is there stays there
        (
            Recipe(suffix=".mkv", media="video", arguments=("-c:v", "libx265", "-x265-params", "hdr10=1")),
            ("-x265-params", "hdr10=1:pools=3"),
        ),
        (
            Recipe(suffix=".mkv", media="video", arguments=("-c:v", "libx265", "-x265-params", "pools=9")),
            (),
        ),
        (Recipe(suffix=".mp4", media="video", arguments=("-c:v", "libx264", "-threads", "9")), ()),
        # and the user's own arguments are as they are
        (BUILT_IN["mp4"].recipe(arguments=("-c:v", "libx264")), ()),
    ],
)  # fmt: skip
def test_arguments_that_limit_an_encoder(recipe: Recipe, words: Sequence[str]) -> None:
    assert thread_arguments(recipe, 3) == tuple(words)
    assert thread_arguments(recipe, None) == ()


@every_ffmpeg
@pytest.mark.parametrize(("preset", "mark"), [("mp4", b"threads=3"), ("hevc", b"numa-pools=3")])
def test_encoders_keep_to_their_threads(
    ffmpeg: str, preset: str, mark: bytes, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.mkv", tmp_path / "out.mp4"
    picture = ("-f", "lavfi", "-i", "testsrc=s=128x160:d=0.2", "-c:v", "ffv1")
    subprocess.run([ffmpeg, "-v", "error", *picture, source], check=True)
    how = BUILT_IN[preset].recipe()
    convert(replace(work(source, target, how=how, ffmpeg=ffmpeg), threads=3))
    # both write their settings into the video
    assert mark in target.read_bytes()


def test_each_file_is_tried_once_and_what_is_tried_again_comes_last() -> None:
    three = [
        Conversion(Source(f"/in/{n}.wav", 1, n), f"{n}.mp3", BUILT_IN["mp3"].recipe())
        for n in range(3)
    ]
    left = AttemptsLeft(three)
    assert left.take() == (three[0], 1)
    left.put(three[0], 2)
    assert left.take() == (three[1], 1)
    left.put(three[1], 2)
    assert len(left) == 3
    taken = [left.take() for _ in range(3)]
    assert taken == [(three[2], 1), (three[0], 2), (three[1], 2)]
    assert len(left) == 0
    left.put(three[2], 2)
    left.clear()
    assert len(left) == 0
    left = AttemptsLeft(three)
    left.clear()
    assert len(left) == 0
