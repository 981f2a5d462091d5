"""While every core has a worker, each ffmpeg keeps to a core of its own; the last ones use them all."""

import os
import sys
import threading
from pathlib import Path

import pytest

from runner.media.ffmpeg import ProcessHandle
from runner.own_cores import OwnCores, cores_for
from runner.parallel import usable_cores
from tests.conftest import Run
from tests.media import Media
from tests.runner.programs import recipe
from tests.stand_in import MakeStandIn

CORES = usable_cores()
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or CORES < 2, reason="only Linux keeps programs on one of several cores"
)

_SAY_CORES = f"""
def cores():
    return len(os.sched_getaffinity(0))

def each_has_started():
    with open(os.path.join(HERE, "cores")) as file:
        return len(file.readlines()) >= {CORES}

if "-progress" in ARGUMENTS:
    append("policies", str(os.sched_getscheduler(0)))
    append("cores", " ".join(map(str, sorted(os.sched_getaffinity(0)))))
    while not each_has_started():
        time.sleep(0.02)
"""
_LAST = f"""
def wait_for_all_cores(name):
    until = time.monotonic() + 60
    while cores() < {CORES} and time.monotonic() < until:
        time.sleep(0.02)
    append(name, str(cores()))

if "-progress" in ARGUMENTS and "longest" in WORDS:
    import threading
    other = threading.Thread(target=wait_for_all_cores, args=("thread",))
    other.start()
    wait_for_all_cores("process")
    other.join()
"""


@pytest.fixture
def folder(media: Media, tmp_path: Path) -> Path:
    """One file more than there are cores, one of them longer than the others."""
    folder = tmp_path / "in"
    folder.mkdir()
    short = media("clip.wav").read_bytes()
    (folder / "longest.wav").write_bytes(media("talk.wav").read_bytes())
    for number in range(CORES):
        (folder / f"{number}.wav").write_bytes(short)
    return folder


def test_the_first_ones_are_on_different_cores(
    run: Run, folder: Path, destination: Path, stand_in: MakeStandIn
) -> None:
    ffmpeg = stand_in(_SAY_CORES)
    done = run("convert", folder, "-o", destination, "--ffmpeg", ffmpeg.path)
    assert done.exit_code == 0, done.error
    first = ffmpeg.said("cores")[:CORES]
    assert sorted(map(int, first)) == sorted(os.sched_getaffinity(0))
    assert set(ffmpeg.said("policies")[:CORES]) == {str(os.SCHED_BATCH)}


def test_the_last_one_gets_all_cores_with_all_its_threads(
    run: Run, folder: Path, destination: Path, stand_in: MakeStandIn
) -> None:
    ffmpeg = stand_in(_SAY_CORES + _LAST)
    done = run("convert", folder, "-o", destination, "--ffmpeg", ffmpeg.path)
    assert done.exit_code == 0, done.error
    assert (ffmpeg.said("process"), ffmpeg.said("thread")) == ([str(CORES)], [str(CORES)])


def test_who_asks_for_fewer_at_a_time_leaves_it_to_the_system(
    run: Run, folder: Path, destination: Path, stand_in: MakeStandIn
) -> None:
    ffmpeg = stand_in(_SAY_CORES.replace(f">= {CORES}", ">= 1"))
    done = run("convert", folder, "-o", destination, "--ffmpeg", ffmpeg.path, "-j", CORES - 1)
    assert done.exit_code == 0, done.error
    assert {len(cores.split()) for cores in ffmpeg.said("cores")} == {CORES}
    assert set(ffmpeg.said("policies")) == {str(os.SCHED_OTHER)}


def test_an_estimate_measures_as_a_run_converts(
    run: Run, folder: Path, destination: Path, stand_in: MakeStandIn
) -> None:
    ffmpeg = stand_in(
        'if "-progress" in ARGUMENTS: append("cores", str(len(os.sched_getaffinity(0))))'
    )
    done = run("plan", folder, "-o", destination, "--ffmpeg", ffmpeg.path, "--where", "local")
    assert done.exit_code == 0, done.error
    # the first one comes alone, as it takes longer
    first, *measured = ffmpeg.said("cores")
    assert first == str(CORES)
    assert set(measured) == {"1"}


@pytest.mark.parametrize(
    ("workers", "presets", "is_ours"),
    [
        (CORES, ("mp3",), True),
        (CORES, ("flac", "podcast"), True),
        # more would wait for each other while another core has nothing to do
        (CORES + 1, ("mp3",), False),
        (CORES, ("mp3", "mp4"), False),
        (CORES, ("thumbnail",), False),
    ],
)
def test_only_as_many_files_with_sound_alone_as_there_are_cores(
    workers: int, presets: tuple[str, ...], *, is_ours: bool
) -> None:
    expected = os.sched_getaffinity(0) if is_ours else frozenset()
    assert cores_for(workers, map(recipe, presets)) == expected


@pytest.mark.parametrize(
    ("before", "during"),
    [
        ("SCHED_OTHER", "SCHED_BATCH"),
        ("SCHED_BATCH", "SCHED_BATCH"),
        ("SCHED_IDLE", "SCHED_IDLE"),  # `chrt --idle 0 runner …`
    ],
)
def test_a_worker_is_afterwards_as_it_was(before: str, during: str) -> None:
    seen = []

    def see() -> None:
        seen.append((os.sched_getscheduler(0), len(os.sched_getaffinity(0))))

    def work() -> None:
        os.sched_setscheduler(0, getattr(os, before), os.sched_param(0))
        with own_cores.one(ProcessHandle()):
            see()
        see()

    own_cores = OwnCores(os.sched_getaffinity(0))
    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert seen == [(getattr(os, during), 1), (getattr(os, before), CORES)]


def test_a_core_serves_one_file_after_the_other_until_all_may_use_it() -> None:
    seen = []
    own_cores = OwnCores(os.sched_getaffinity(0))

    def see() -> None:
        seen.append(len(os.sched_getaffinity(0)))

    def work() -> None:
        for _ in range(CORES + 1):
            with own_cores.one(ProcessHandle()):
                see()
        with own_cores.one(ProcessHandle()):
            own_cores.open()
            see()
        with own_cores.one(ProcessHandle()):
            see()

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert seen == [1] * (CORES + 1) + [CORES, CORES]
