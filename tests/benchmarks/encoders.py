"""Measure each video encoder of the presets with 1, 2, … files at a time, and with one thread each.

`runner.parallel` decides by this how many files to convert at a time.
"""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe

from runner.media.recipe import option
from runner.media.threads import thread_arguments
from runner.parallel import usable_cores
from runner.presets import BUILT_IN
from tests.benchmarks.tables import Table

_PRESETS = ("mp4", "hevc", "webm", "av1")
_SIZE, _SECONDS = "640x360", 1


@dataclass(frozen=True)
class _Way:
    preset: str
    workers: int
    threads: int | None

    @property
    def arguments(self) -> Sequence[str]:
        recipe = BUILT_IN[self.preset].recipe()
        words = (*recipe.arguments, *thread_arguments(recipe, self.threads), "-an")
        # of no meaning for the format that throws everything away
        return words if option(words, "-movflags") is None else _without(words, "-movflags")


def _without(words: Sequence[str], name: str) -> Sequence[str]:
    at = words.index(name)
    return (*words[:at], *words[at + 2 :])


def report() -> Iterator[Table]:
    """Measure as many files as there are cores, and at least four, in each way."""
    cores = usable_cores()
    files = max(4, cores)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        clip = _make_clip(Path(folder))
        rows = [_row(way, clip, files) for preset in _PRESETS for way in _ways(preset, cores)]
    yield Table(
        "Video encoders, files at a time",
        (
            "preset",
            "at a time",
            "threads each",
            "wall s",
            "CPU s",
            "cores used",
            "peak memory each, MB",
        ),
        rows,
        f"{files} clips of {_SECONDS} s, {_SIZE}, on {cores} cores, without sound.",
    )


def _ways(preset: str, cores: int) -> Iterator[_Way]:
    workers = 1
    while workers <= cores:
        yield _Way(preset, workers, None)
        workers *= 2
    if thread_arguments(BUILT_IN[preset].recipe(), 1):
        yield _Way(preset, cores, 1)


def _make_clip(folder: Path) -> Path:
    clip = folder / "clip.mkv"
    picture = f"testsrc2=s={_SIZE}:r=25:d={_SECONDS},noise=alls=8:allf=t"
    command = [get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", picture]
    subprocess.run([*command, "-c:v", "libx264", "-crf", "16", str(clip)], check=True)
    return clip


def _row(way: _Way, clip: Path, files: int) -> list[str]:
    command = [get_ffmpeg_exe(), "-nostdin", "-v", "error", "-i", str(clip)]
    command += [*way.arguments, "-f", "null", "-"]
    left = threading.BoundedSemaphore(files)
    used: list[tuple[float, float]] = []

    def work() -> None:
        while left.acquire(blocking=False):
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == 0, command
            used.append((usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024))

    began = time.monotonic()
    workers = [threading.Thread(target=work) for _ in range(way.workers)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    wall, cpu = time.monotonic() - began, sum(seconds for seconds, _ in used)
    memory = max(peak for _, peak in used)
    threads = str(way.threads or "its own choice")
    figures = [f"{wall:.1f}", f"{cpu:.1f}", f"{cpu / wall:.2f}", f"{memory:.0f}"]
    return [way.preset, str(way.workers), threads, *figures]
