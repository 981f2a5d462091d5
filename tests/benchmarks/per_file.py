"""Measure what `runner convert` costs beyond ffmpeg, for each file, and say where it goes."""

import cProfile
import os
import pstats
import resource
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe

from runner.attempt import Attempt
from runner.conversions import Conversion
from runner.ledger import Ledger
from runner.media.ffmpeg import Limits, ProcessHandle
from runner.media.target import writable_target
from runner.media.work import Work
from runner.media.worker import convert
from runner.models import Event, Execution, Plan
from runner.options import RunOptions
from runner.plan import make_plan
from runner.scratch import make_scratch
from runner.selection import Selection, find_files
from tests.benchmarks.local import CORES, MP3, RUNNER, plain_arguments
from tests.benchmarks.tables import Table

_FILES = 200
_STAGES = {
    "start ffmpeg": ("process.py", "__init__"),
    "follow its progress": ("ffmpeg.py", "_follow"),
    "read its log": ("probe.py", "parse_log"),
    "carry tags": ("__init__.py", "carry"),
    "check the length": ("verify.py", "check_length"),
    "hash": ("hashing.py", "sha256_of"),
    "move into place": ("target.py", "move_into_place"),
    "ledger": ("ledger.py", "record"),
}
"""By the file and the name of the function that does it."""


def report() -> Iterator[Table]:
    """Measure everything, a table at a time."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("BENCH_DIR")) as folder:
        source = Path(folder) / "in"
        _make_clips(source)
        yield _beside_xargs(source, Path(folder))
        yield _stages(source, Path(folder))


def _make_clips(folder: Path) -> None:
    folder.mkdir()
    first = folder / "clip 000.mp4"
    inputs = ("-f", "lavfi", "-i", "testsrc2=s=320x240:r=30", "-f", "lavfi", "-i", "sine=f=440")
    encoders = ("-t", "1", "-c:v", "libx264", "-c:a", "aac")
    command = [get_ffmpeg_exe(), "-nostdin", "-v", "error", *inputs, *encoders, str(first)]
    subprocess.run(command, check=True)
    for number in range(1, _FILES):
        shutil.copy(first, folder / f"clip {number:03}.mp4")


def _beside_xargs(source: Path, work: Path) -> Table:
    names = "\0".join(sorted(path.name for path in source.iterdir())).encode()
    other = work / "other"
    other.mkdir()
    xargs = ["xargs", "-0", "-I{}", f"-P{CORES}", get_ffmpeg_exe(), *plain_arguments(other)]
    ours = [RUNNER, "convert", ".", "-o", str(work / "ours"), "-q"]
    one = [RUNNER, "convert", "clip 000.mp4", "-o", str(work / "one"), "-q"]
    whole, theirs = _cpu(ours, source), _cpu(xargs, source, names)
    start = _cpu(one, source) - theirs / _FILES
    each = (whole - theirs - start) / _FILES
    rows = [
        ["xargs -P, same ffmpeg", f"{theirs:.2f}", f"{1000 * theirs / _FILES:.1f}"],
        ["runner convert", f"{whole:.2f}", f"{1000 * whole / _FILES:.1f}"],
        ["of these the start of runner", f"{start:.2f}", ""],
        ["of these runner's own work for a file", f"{each * _FILES:.2f}", f"{1000 * each:.1f}"],
    ]
    remark = "In CPU seconds, which a busy machine changes less than the time by the clock."
    columns = ("way", "CPU s", "CPU ms a file")
    return Table(f"{_FILES} clips of 1 s, to MP3", columns, rows, remark)


def _cpu(command: list[str], folder: Path, given: bytes | None = None) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, input=given, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _stages(source: Path, work: Path) -> Table:
    """Convert in this thread, and share out the CPU time that the profiler finds."""
    plan = make_plan(find_files([str(source)], Selection()), MP3, work / "profiled")
    profile = cProfile.Profile(time.thread_time)
    began = time.thread_time()
    profile.runcall(_convert_all, plan)
    profiled = time.thread_time() - began
    shutil.rmtree(plan.destination)
    began = time.thread_time()
    _convert_all(plan)
    plain = time.thread_time() - began
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined] # typeshed has it not
    shares = {
        stage: max(
            found[3] for (file, _, name), found in stats.items() if (Path(file).name, name) == where
        )
        / profiled
        for stage, where in _STAGES.items()
    }
    shares["the rest: arguments, events, files of the scratch folder"] = 1 - sum(shares.values())
    rows = [
        [stage, f"{share:.0%}", f"{1000 * plain * share / _FILES:.2f}"]
        for stage, share in shares.items()
    ]
    remark = (
        f"All together {1000 * plain / _FILES:.1f} ms of CPU a file. Nothing waits for the disk: results are"
        " synced only before their sources are taken away, and the ledger survives the end of the process."
        " One process is started for each file, ffmpeg; what it logs tells what the source contains."
    )
    return Table(
        "Where runner's own work for a file goes", ("stage", "share", "CPU ms a file"), rows, remark
    )


def _convert_all(plan: Plan) -> None:
    scratch = make_scratch(plan.destination)
    with Ledger.open(plan.destination) as ledger:
        ledger.begin(plan, "local", "a benchmark", RunOptions())
        for conversion in plan.conversions:
            for event in _events(plan, conversion, scratch):
                if event.state.is_final:
                    ledger.record(plan.id, event)


def _events(plan: Plan, conversion: Conversion, scratch: Path) -> list[Event]:
    events: list[Event] = []
    attempt = Attempt(
        conversion, 1, events.append, Execution(worker=threading.current_thread().name)
    )
    work = Work(
        source=conversion.source.path,
        target=writable_target(plan.destination, conversion.target),
        scratch=str(scratch),
        name=f"{conversion.id}-1",
        recipe=conversion.recipe,
        ffmpeg=get_ffmpeg_exe(),
        limits=Limits(),
        replaceable=RunOptions().replaceable(None),
        expected=conversion.source.state,
    )
    attempt.converted(convert(work, ProcessHandle(), attempt.progress))
    return events
