"""Measure what a million files cost: to plan them, to see that they are up to date, and to ask about them.

`BENCH_FILES` says how many there are; the files are empty, and most of them are hard links.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from runner.errors import ExitCode
from runner.ledger import Ledger
from runner.models import Event, Result, State
from runner.options import RunOptions
from runner.plan import make_plan
from runner.recording import Recording, Words
from runner.schema import with_tables
from runner.selection import Selection, find_files
from tests.benchmarks.local import MP3, RUNNER
from tests.benchmarks.tables import Table

FILES = int(os.environ.get("BENCH_FILES", "1000000"))
_A_FOLDER = 1000
_A_NAME = "a file with a name of usual length"


def report() -> Iterator[Table]:
    """Measure everything, a table at a time."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("BENCH_DIR")) as folder:
        source, results = Path(folder) / "in", Path(folder) / "out"
        make_files(source, ".mp4", FILES)
        yield _planning(source, results)
        yield _done(source, results)


def make_files(top: Path, suffix: str, count: int) -> None:
    """Make *count* empty files, a thousand a folder, which are one file by a thousand names."""
    for number in range(0, count, _A_FOLDER):
        folder = top / f"{number // _A_FOLDER:04}"
        folder.mkdir(parents=True)
        names = [
            folder / f"{_A_NAME} {each:07}{suffix}"
            for each in range(number, min(count, number + _A_FOLDER))
        ]
        names[0].touch()
        for name in names[1:]:
            os.link(names[0], name)


@dataclass(frozen=True)
class Measured:
    """What a command took."""

    wall: float
    """Seconds; so are the next two."""
    cpu: float
    first_line: float
    memory: int
    """Bytes, at the peak."""

    def row(self, name: str, files: int, goal: str = "") -> list[str]:
        """The cells of a table."""
        each = f"{self.cpu / files * 1e6:.1f}"
        return [
            name,
            f"{self.first_line:.2f}",
            f"{self.wall:.1f}",
            f"{self.cpu:.1f}",
            each,
            self.mb,
            goal,
        ]

    @property
    def mb(self) -> str:
        """The memory in megabytes."""
        return f"{self.memory / 1e6:.0f}"


# The system counts what a process has held from its fork on, when it still is a copy of its parent.
_SMALL_PARENT = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as file:
    file.write(f"{used.ru_utime + used.ru_stime} {used.ru_maxrss}")
sys.exit(code)
"""


def measure(command: Sequence[str], environment: dict[str, str] | None = None) -> Measured:
    """Run *command*, and read all that it prints."""
    with tempfile.NamedTemporaryFile("r") as used:
        parent = [sys.executable, "-I", "-c", _SMALL_PARENT, used.name]
        started = time.monotonic()
        process = subprocess.Popen(
            [*parent, *command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdout is not None
        with process.stdout as output:
            output.readline()
            first_line = time.monotonic() - started
            while output.read(1 << 20):
                pass
        assert process.wait() == 0, command
        wall = time.monotonic() - started
        cpu, memory = used.read().split()
    return Measured(wall, float(cpu), first_line, int(memory) * 1024)


_COLUMNS = (
    *("command", "first line, s", "wall s", "CPU s", "CPU a file, µs", "peak memory, MB"),
    "goal",
)


def _planning(source: Path, results: Path) -> Table:
    dry_run = [RUNNER, "convert", str(source), "-o", str(results), "-n"]
    find = ["find", str(source), "-type", "f", "-printf", "%s %T@ %p\\n"]
    rows = [
        measure(find).row("find -printf '%s %T@ %p'", FILES),
        measure([*dry_run, "-q"]).row("runner convert -n -q", FILES, "25 µs a file, 300 MB"),
        measure([*dry_run, "--json"]).row(
            "runner convert -n --json", FILES, "first line in 1 s, 300 MB"
        ),
    ]
    return Table(
        f"{FILES:,} files, of which nothing is there yet",
        _COLUMNS,
        rows,
        "Found, named, held against each other, and looked up in the output folder. With --json each"
        " is a line, and an estimate looks into 2,000 of them.",
    )


def _done(source: Path, results: Path) -> Table:
    make_files(results, ".mp3", FILES)
    size = _write_ledger(source, results)
    convert = [RUNNER, "convert", str(source), "-o", str(results), "-q"]
    rows = [
        _opening(results),
        measure(convert).row("runner convert -q, all up to date", FILES, "60 s, 300 MB"),
    ]
    asked = str(source / "0000" / f"{_A_NAME} 0000000.mp4")
    for words in (["status"], ["runs"], ["logs", asked]):
        took = measure([RUNNER, *words, "-o", str(results)])
        rows.append(took.row(f"runner {words[0]}", FILES, "0.3 s"))
    shutil.rmtree(results)
    return Table(
        f"{FILES:,} files that are up to date",
        _COLUMNS,
        rows,
        f"Planned, looked up in the ledger, compared with the disk and left alone. The ledger has"
        f" {size / FILES:.0f} bytes a file, of which the goal is 400.",
    )


def _opening(results: Path) -> list[str]:
    started, before = time.monotonic(), time.process_time()
    with Ledger.read(results) as ledger:
        ledger.runs.all()
    took, cpu = time.monotonic() - started, time.process_time() - before
    return ["opening the ledger", "", f"{took:.3f}", f"{cpu:.3f}", "", "", "0.05 s"]


def _write_ledger(source: Path, results: Path) -> int:
    """Write down that all was converted, in one transaction; return the size of the ledger in bytes."""
    plan = make_plan(find_files([str(source)], Selection()), MP3, results)
    file, words = results / ".runner" / "ledger.sqlite", Words()
    with Ledger.open(results) as ledger:
        ledger.begin(plan, "local", "a benchmark", RunOptions())
    with closing(with_tables(sqlite3.connect(file), file)) as db, db:
        for conversion in plan.conversions:
            status = (results / conversion.target).stat()
            result = Result(size=status.st_size, mtime_ns=status.st_mtime_ns, sha256="0f" * 32)
            event = Event(conversion=conversion, state=State.CONVERTED, result=result)
            recording = Recording(db, words, plan.id, conversion)
            recording.result(event, result)
            recording.attempt(event)
    with Ledger.open(results) as ledger:
        ledger.end(plan.id, ExitCode.OK, {State.CONVERTED: len(plan.conversions)})
    return file.stat().st_size
