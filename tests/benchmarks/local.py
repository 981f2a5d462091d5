"""Measure `runner convert` on this machine beside xargs, GNU parallel and a plain loop.

The ways take turns in one run, as machines differ by the minute: quote the ratios, not the seconds.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe

from runner.media.choices import resolve_recipe
from runner.parallel import usable_cores
from runner.presets import BUILT_IN
from tests.benchmarks.tables import Table, Times, compare

RUNNER = str(Path(sys.executable).with_name("runner"))
MP3 = BUILT_IN["mp3"].recipe()
CORES = usable_cores()


@dataclass(frozen=True)
class Way:
    """One way to convert the files of a folder, run in that folder."""

    name: str
    command: Sequence[str]
    names_on_stdin: bool = False

    def seconds(self, folder: Path) -> float:
        """The wall-clock time of doing it once, in seconds."""
        names = sorted(path.name for path in folder.iterdir())
        given = "\0".join(names).encode() if self.names_on_stdin else None
        started = time.monotonic()
        subprocess.run(self.command, cwd=folder, input=given, check=True, capture_output=True)
        return time.monotonic() - started


def report(rounds: int = 3) -> Iterator[Table]:
    """Measure everything, a table at a time."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("BENCH_DIR")) as folder:
        work = Path(folder)
        yield _race("100 clips of 10 s", work, [10] * 100, rounds)
        yield _race(
            "40 clips of 10 s and, last by name, one of 600 s", work, [10] * 40 + [600], rounds
        )


def _race(title: str, work: Path, lengths: list[int], rounds: int) -> Table:
    source = work / f"in-{len(lengths)}"
    make_clips(source, lengths)
    ways = list(_ways(work))
    times = [Times(way.name) for way in ways]
    for _ in range(rounds):
        for way, measured in zip(ways, times, strict=True):
            shutil.rmtree(work / "ours", ignore_errors=True)
            measured.values.append(way.seconds(source))
    times.append(_bound(source, work / "other"))
    shutil.rmtree(source)
    remark = (
        f"To MP3, {CORES} at a time, {rounds} rounds; ours with probing, checks, hashes and ledger. The bound is"
        " what no way gets under with this ffmpeg: the longest file alone, or the CPU time of all, one after"
        " the other on one core, shared out among the cores, whichever is more."
    )
    return compare(title, times[0], times[1:], remark)


def _bound(source: Path, target: Path) -> Times:
    """Measure the least time that any way can take for the files in *source*."""
    longest = max(source.iterdir(), key=lambda path: path.stat().st_size)
    alone = [word.replace("{}", longest.name) for word in _plain_ffmpeg(target)]
    started = time.monotonic()
    subprocess.run(alone, cwd=source, check=True)
    least = time.monotonic() - started
    with _one_core():
        before = cpu_of_children()
        _xargs(target, at_a_time=1).seconds(source)
    shared = (cpu_of_children() - before) / CORES
    which = "the longest file alone" if least > shared else "all CPU time, shared out"
    return Times(f"the bound: {which}", [max(least, shared)])


@contextmanager
def _one_core() -> Iterator[None]:
    """Keep to one core, where the system can: what threads hand from core to core costs CPU time."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def cpu_of_children() -> float:
    """Return the CPU seconds of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _ways(work: Path) -> Iterator[Way]:
    other = work / "other"
    other.mkdir(exist_ok=True)
    embedded = _plain_ffmpeg(other)
    yield Way("runner convert", [RUNNER, "convert", ".", "-o", str(work / "ours"), "-q"])
    yield replace(_xargs(other, at_a_time=CORES), name="xargs -P, same ffmpeg, by name")
    yield _xargs(other, at_a_time=1)
    if parallel := shutil.which("parallel"):
        start = [parallel, "--will-cite", "-0", "-q", f"-j{CORES}"]
        yield Way("GNU parallel, same ffmpeg", [*start, *embedded], names_on_stdin=True)
        if system := shutil.which("ffmpeg"):
            theirs = [system, *embedded[1:]]
            yield Way("GNU parallel, the system's ffmpeg", [*start, *theirs], names_on_stdin=True)


def _xargs(target: Path, *, at_a_time: int) -> Way:
    xargs = ["xargs", "-0", "-I{}", f"-P{at_a_time}"]
    return Way("xargs, one at a time", [*xargs, *_plain_ffmpeg(target)], names_on_stdin=True)


def _plain_ffmpeg(target: Path) -> list[str]:
    return [get_ffmpeg_exe(), *plain_arguments(target)]


def plain_arguments(target: Path) -> list[str]:
    """Return ffmpeg's arguments for xargs and the like, for results in *target*."""
    return [
        "-nostdin",
        "-v",
        "error",
        "-i",
        "{}",
        *resolve_recipe(MP3).arguments,
        "-y",
        f"{target}/{{}}.mp3",
    ]


def make_clips(folder: Path, lengths: list[int]) -> None:
    """Make a 720p30 H.264 file of 3 Mbit/s with AAC for each of *lengths*, in seconds."""
    folder.mkdir()
    second = folder.parent / "ten-seconds.mp4"
    if not second.exists():
        noise = "anoisesrc=c=pink:a=0.3,tremolo=f=5[a];sine=f=440,volume=0.5[b];[a][b]amerge=2"
        _ffmpeg(
            *("-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30,noise=alls=12:allf=t"),
            *("-f", "lavfi", "-i", noise, "-t", "10", "-c:v", "libx264", "-preset", "superfast"),
            *("-b:v", "3M", "-maxrate", "3M", "-bufsize", "3M", "-c:a", "aac", "-b:a", "128k"),
            str(second),
        )
    for number, length in enumerate(lengths):
        clip = folder / f"clip {number:03}.mp4"
        _ffmpeg("-stream_loop", str(length // 10 - 1), "-i", str(second), "-c", "copy", str(clip))


def _ffmpeg(*arguments: str) -> None:
    subprocess.run([get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *arguments], check=True)
