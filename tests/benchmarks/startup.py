"""Measure how long it takes until a command says something."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe

from tests.benchmarks.local import RUNNER, cpu_of_children
from tests.benchmarks.tables import Table, Times


def report(rounds: int = 12) -> Iterator[Table]:
    """Measure everything, a table at a time."""
    yield _start_up(rounds)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("BENCH_DIR")) as folder:
        yield _first_line(Path(folder), rounds)


def _start_up(rounds: int) -> Table:
    names = {
        "runner --help": [RUNNER, "--help"],
        "python -c pass": [sys.executable, "-c", "pass"],
        "ffmpeg -version, embedded": [get_ffmpeg_exe(), "-version"],
    }
    times = [Times(name) for name in names]
    cpu = [Times(name) for name in names]
    for _ in range(rounds):
        for command, measured, used in zip(names.values(), times, cpu, strict=True):
            started, before = time.monotonic(), cpu_of_children()
            subprocess.run(command, check=True, capture_output=True)
            measured.values.append((time.monotonic() - started) * 1000)
            used.values.append((cpu_of_children() - before) * 1000)
    rows = [
        [t.name, f"{t.median:.0f}", f"{c.median:.0f}", f"{cpu[0].median / c.median:.1f}"]
        for t, c in zip(times, cpu, strict=True)
    ]
    return Table(
        "Start-up",
        ("command", "wall ms, median", "CPU ms, median", "CPU of runner --help / this"),
        rows,
        "The goal is that `runner --help` takes at most 3.5 times as long as `python -c pass`.",
    )


def _first_line(work: Path, rounds: int) -> Table:
    """Measure when somebody with 10,000 files sees the first line."""
    source = work / "many"
    source.mkdir()
    for number in range(10_000):
        (source / f"{number:05}.mp4").touch()
    wall, cpu = Times("wall"), Times("CPU")
    for _ in range(rounds):
        started, before = time.monotonic(), cpu_of_children()
        command = [RUNNER, "convert", str(source), "-o", str(work / "none"), "-n"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as run:
            assert run.stderr is not None
            run.stderr.readline()
            wall.values.append((time.monotonic() - started) * 1000)
            run.kill()
        cpu.values.append((cpu_of_children() - before) * 1000)
    shutil.rmtree(source)
    best = f"{min(wall.values):.0f}"
    row = ["runner convert -n", f"{wall.median:.0f}", best, f"{cpu.median:.0f}", "150"]
    columns = ("command", "wall ms, median", "wall ms, least", "CPU ms, median", "goal, ms")
    return Table("The first line with 10,000 files", columns, [row])
