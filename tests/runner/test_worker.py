"""The worker by itself: on any Python from 3.10, watched, stopped, and careful with its target."""

import ast
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import mutagen
import pytest

import runner.media
from runner.azure.worker_package import pack_worker
from runner.media.failures import ConversionError, Kind, Stopped
from runner.media.ffmpeg import Limits, ProcessHandle
from runner.media.hashing import sha256_of
from runner.media.source import without_tags
from runner.media.verify import tolerance
from runner.media.worker import convert
from tests.conftest import until
from tests.media import Media
from tests.runner.programs import converted, every_ffmpeg, failure_of, recipe, work
from tests.stand_in import KILLED, OWN_END, MakeStandIn

if TYPE_CHECKING:
    from runner.media.work import Progress

PACKAGE = Path(runner.media.__file__).parent
PYENV = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
OLD_PYTHONS = sorted(PYENV.glob("versions/3.10.*/bin/python"))


# ---- it runs where there is nothing but Python 3.10


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_the_worker_needs_python_3_10_and_its_standard_library_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 10))
    imported = {
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    ours = {name for name in imported if name.split(".")[0] == "runner"}
    assert all(name == "runner.media" or name.startswith("runner.media.") for name in ours)
    others = {name.split(".")[0] for name in imported - ours}
    packed = {"mutagen"} if path.parent.name == "tags" else set()
    assert others - packed <= sys.stdlib_module_names - {"tomllib"}  # that came with 3.11


def pythons() -> list[object]:
    old = next(filter(is_python_3_10, [*map(str, OLD_PYTHONS), "python3.10"]), None)
    absent = pytest.mark.skip(reason="this machine has no Python 3.10")
    return [
        pytest.param(sys.executable, id="this"),
        pytest.param(old, id="3.10", marks=() if old else (absent,)),
    ]


def is_python_3_10(program: str) -> bool:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.stdout.startswith("Python 3.10.")


@pytest.mark.parametrize("python", pythons())
def test_the_packed_worker_converts_with_a_bare_python(
    python: str, media: Media, tmp_path: Path
) -> None:
    (tmp_path / "worker.pyz").write_bytes(pack_worker()[1])
    script = (
        "import sys, pkgutil, importlib, runner.media, runner.media.tags\n"
        "for package in (runner.media, runner.media.tags):\n"
        "    for module in pkgutil.iter_modules(package.__path__):\n"
        "        importlib.import_module(package.__name__ + '.' + module.name)\n"
        "from runner.media.recipe import Recipe\n"
        "from runner.media.work import Work\nfrom runner.media.worker import convert\n"
        "source, target, ffmpeg = sys.argv[1:]\n"
        "recipe = Recipe(suffix='.wav', arguments=('-map', '0:a:0', '-c:a', 'pcm_s16le'))\n"
        "made = convert(Work(source=source, target=target, scratch='scratch', name='x',"
        " recipe=recipe, ffmpeg=ffmpeg))\n"
        "print(made.sha256, *made.notices)"
    )
    program = f"import sys; sys.path.insert(0, 'worker.pyz')\n{script}"
    arguments = (str(media("clip.mp3")), str(tmp_path / "a.wav"), media.ffmpeg)
    done = subprocess.run(
        [python, "-I", "-c", program, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == sha256_of(str(tmp_path / "a.wav"))
    assert mutagen.File(tmp_path / "a.wav")["TIT2"].text == ["Söng"]


# ---- what it tells


def test_a_result_is_described(media: Media, destination: Path) -> None:
    target = destination / "a.wav"
    made = converted(work(media("clip.mp4"), target, how=recipe("wav")))
    assert made.size == target.stat().st_size
    assert made.mtime_ns == target.stat().st_mtime_ns
    assert made.sha256 == sha256_of(str(target))
    assert made.media_seconds == pytest.approx(2, abs=0.05)
    assert "Output #0, wav" in made.log
    assert not list((destination / ".scratch").iterdir())


@pytest.mark.parametrize(
    ("preset", "name", "ends"),
    [("wav", "long.mp3", [120]), ("podcast", "talk.mp3", [4, 8])],  # that one takes two passes
)
def test_progress_rises_to_the_end(
    preset: str, name: str, ends: list[int], media: Media, destination: Path
) -> None:
    seen: list[Progress] = []
    convert(work(media(name), destination / "a", how=recipe(preset)), watch=seen.append)
    done = [progress.done for progress in seen]
    assert done == sorted(done)
    assert all(progress.total == pytest.approx(ends[-1], abs=1) for progress in seen)
    assert done[-1] == pytest.approx(ends[-1], abs=1)
    assert all(pytest.approx(end, abs=0.2) in done for end in ends)


# ---- limits

SLOW = 1 if os.name == "posix" else 5
"""A start takes seconds on Windows."""


def test_a_file_without_progress_is_given_up(
    media: Media, destination: Path, stand_in: MakeStandIn
) -> None:
    program = stand_in("time.sleep(60)")
    failure = failure_of(
        work(
            media("clip.mp3"),
            destination / "a",
            ffmpeg=str(program.path),
            limits=Limits(stall=0.3),
        )
    )
    assert failure.kind is Kind.TIMEOUT
    assert failure.message == "made no progress for 0 s"


def test_a_file_that_stops_half_way_is_given_up(
    media: Media, destination: Path, stand_in: MakeStandIn
) -> None:
    program = stand_in("report('out_time_us=1000000', 'progress=continue'); time.sleep(60)")
    failure = failure_of(
        work(
            media("clip.mp3"),
            destination / "a",
            ffmpeg=str(program.path),
            limits=Limits(stall=0.3),
        )
    )
    assert failure.kind is Kind.TIMEOUT


def test_progress_keeps_a_slow_file_alive(
    media: Media, destination: Path, stand_in: MakeStandIn
) -> None:
    program = stand_in(
        "for n in range(1, 9):\n"
        "    report(f'out_time_us={n}00', 'progress=continue')\n"
        f"    time.sleep({0.4 * SLOW})"
    )
    one = work(
        media("clip.mp3"),
        destination / "a.wav",
        how=recipe("wav"),
        ffmpeg=str(program.path),
        limits=Limits(stall=3.0 * SLOW),
    )
    started = time.monotonic()
    assert converted(one).size > 0
    assert time.monotonic() - started > 3.0 * SLOW


def test_the_time_limit_covers_both_passes(
    media: Media, destination: Path, stand_in: MakeStandIn
) -> None:
    program = stand_in("if 'print_format' not in WORDS: time.sleep(60)")
    failure = failure_of(
        work(
            media("clip.wav"),
            destination / "a",
            how=recipe("podcast"),
            ffmpeg=str(program.path),
            limits=Limits(seconds=4.0 * SLOW),  # the first pass takes a tenth of a second
        )
    )
    assert failure.kind is Kind.TIMEOUT
    assert len(program.starts) == 2


# ---- being stopped


def test_cancelling_ends_it_and_leaves_nothing(
    media: Media, destination: Path, stand_in: MakeStandIn
) -> None:
    program = stand_in("append(result(), 'half'); time.sleep(60)")
    handle, ends = ProcessHandle(), []
    one = work(media("clip.mp3"), destination / "a.wav", ffmpeg=str(program.path))

    def run() -> None:
        try:
            convert(one, handle)
        except Stopped as stopped:
            ends.append(stopped)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: list(destination.glob(".scratch/*.mp3")))
    handle.cancel()
    thread.join(60)
    assert ends
    assert not list(destination.glob("*.wav"))
    assert not list(destination.glob(".scratch/*"))


def test_a_handle_that_was_cancelled_starts_nothing(
    media: Media, destination: Path, stand_in: MakeStandIn
) -> None:
    program = stand_in()
    handle = ProcessHandle()
    handle.cancel()
    with pytest.raises(Stopped):
        convert(work(media("clip.mp3"), destination / "a", ffmpeg=str(program.path)), handle)
    assert not program.starts


# ---- the verdict


@every_ffmpeg
def test_a_result_is_decoded_when_asked_for(
    ffmpeg: str, media: Media, destination: Path, stand_in: MakeStandIn
) -> None:
    how = recipe("mp3", verify="decode")
    converted(work(media("clip.mp4"), destination / "good.mp3", how=how, ffmpeg=ffmpeg))
    # an encoder that writes nonsense behind good sound
    program = stand_in(
        f"code = start({ffmpeg!r}, *ARGUMENTS).wait()\n"
        "if not code and result().endswith('.mp3'):\n"
        "    append(result(), f'nonsense{7:900}' * 9)\n"
        "sys.exit(code)"
    )
    failure = failure_of(
        work(media("clip.mp4"), destination / "bad.mp3", how=how, ffmpeg=str(program.path))
    )
    assert failure.message.startswith("the result does not decode")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (f"{OWN_END}; sys.exit()", "ffmpeg produced no output"),
        (f"{OWN_END}; open(result(), 'w').close(); sys.exit()", "ffmpeg produced no output"),
        (
            f"{OWN_END}; append(result(), 'x'); report('out_time_us=0', 'progress=end'); sys.exit()",
            "the result contains no audio",
        ),
        (f"{OWN_END}; sys.exit(1)", "ffmpeg failed: it gave no reason"),
        ("be_ffmpeg('-t', '0.5')", "the file ends early: 0.5 s of 2.0 s are there"),
    ],
)
def test_a_lying_ffmpeg_is_not_believed(
    script: str,
    message: str,
    media: Media,
    destination: Path,
    stand_in: MakeStandIn,
) -> None:
    program = stand_in(script)
    failure = failure_of(
        work(media("clip.wav"), destination / "a", how=recipe("wav"), ffmpeg=str(program.path))
    )
    assert failure.message.split(";")[0] == message


def test_a_killed_process_is_a_passing_fault(
    media: Media, destination: Path, stand_in: MakeStandIn
) -> None:
    program = stand_in("end_abruptly()")
    failure = failure_of(work(media("clip.mp3"), destination / "a", ffmpeg=str(program.path)))
    assert (failure.kind, failure.message) == (Kind.TRANSIENT, f"ffmpeg {KILLED}")


def test_a_folder_on_another_disk_gets_its_result_whole(media: Media, tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has no second file system at /dev/shm")
    folder = shared / f"runner-test-{tmp_path.name}-{time.time_ns()}"
    folder.mkdir()
    try:
        one = work(media("clip.mp3"), tmp_path / "a.wav", how=recipe("wav"))
        converted(type(one)(**{**vars(one), "target": str(folder / "a.wav")}))
        assert [path.name for path in folder.iterdir()] == ["a.wav"]
    finally:
        shutil.rmtree(folder)


def test_lengths_may_differ_by_little() -> None:
    assert (tolerance(0.05), tolerance(10), tolerance(3600)) == (0.25, 0.25, 3.6)
    assert (tolerance(10, 48_000), tolerance(10, 8_000)) == (0.25, 0.384)


def test_an_os_error_is_a_failure_with_its_kind(media: Media, destination: Path) -> None:
    destination.write_text("a file where the scratch folder should be")
    with pytest.raises(ConversionError) as caught:
        convert(work(media("clip.mp3"), destination / "x" / "a.mp3"))
    assert caught.value.failure.kind is Kind.INPUT


# ---- tails


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        *(("clip.mp3", 0), ("id3v1.mp3", 0), ("clip.flac", 0), ("clip.mp4", 0), ("raw.aac", 0)),
        *(("short.wav", 0), ("text.mp4", 0), ("padded.flac", 128)),
    ],
)
def test_only_what_ffmpeg_would_stumble_over_is_left_out(
    name: str, lost: int, media: Media, tmp_path: Path
) -> None:
    source, copy = media(name), tmp_path / "copy"
    used = Path(without_tags(str(source), str(copy)))
    assert (used == copy) == (lost > 0)
    assert used.stat().st_size == source.stat().st_size - lost


@pytest.mark.parametrize(
    ("tagged", "plain"),
    [
        ("ape-tail.mp3", "clip.mp3"),
        ("padded.flac", "clip.flac"),
        ("ape-tail-constant-rate.mp3", "constant-rate.mp3"),
    ],
)
def test_a_file_without_its_tags_is_otherwise_unchanged(
    tagged: str, plain: str, media: Media, tmp_path: Path
) -> None:
    used = without_tags(str(media(tagged)), str(tmp_path / "copy"))
    assert Path(used).read_bytes() == media(plain).read_bytes()


@pytest.mark.parametrize("size", [0, 1, 3, 31, 32, 127, 128, 129])
def test_a_tiny_file_has_no_tail(size: int, tmp_path: Path) -> None:
    path = tmp_path / "tiny"
    path.write_bytes((b"\xff\xfb" + b"APETAGEX" * 40)[:size])
    assert without_tags(str(path), str(tmp_path / "copy")) == str(path)
