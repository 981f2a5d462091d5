"""Measure the Azure engine against the stand-in cloud: overlap, bytes, and a job of 100,000 tasks.

`python -m tests.benchmarks.azure` prints the tables of this file alone; with a number the last one, of so many tasks.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue

from imageio_ffmpeg import get_ffmpeg_exe

from runner.azure.accounts import Accounts
from runner.azure.add_tasks import TaskAdder
from runner.azure.blobs import Blobs
from runner.azure.clients import batch_client, sign_in
from runner.azure.context import RunContext
from runner.azure.deployment import Deployment
from runner.azure.jobs import Jobs
from runner.azure.names import BlobNames
from runner.azure.node_reads import NodeReads
from runner.azure.pace import Pace
from runner.azure.poll import Poller
from runner.azure.resume import resume_run
from runner.azure.session import Session
from runner.azure.signing import Lifetimes, Signer
from runner.azure.stack import choose_stack
from runner.azure.stored import StoredRun
from runner.azure.submit import Submitter
from runner.azure.tasks import FinishedTask
from runner.azure.work_items import InFlightTasks, WorkItem
from runner.conversions import Conversions
from runner.media.choices import resolve_recipe
from runner.models import Conversion, Event, NodeUse, Notice, Plan, Source
from runner.options import RunOptions
from tests.benchmarks.local import MP3, RUNNER
from tests.benchmarks.slow_storage import SlowStorage
from tests.benchmarks.tables import Table
from tests.cloud import Cloud, fixed, stand_in_cloud
from tests.emulator import VirtualTasks
from tests.stand_in import stand_in_for_ffmpeg

FILES = 20
SLOTS = 2
TRANSFERS = 4
SHAPES = {
    "upload-bound": (6.0, 2.0, 1.0),
    "conversion-bound": (2.0, 3.0, 1.0),
    "download-bound": (1.0, 2.0, 6.0),
}
"""Seconds for one upload, one conversion and one download."""
TASKS = 100_000
NODES = 100
SLOTS_A_NODE = 4
SPEED = 60.0
_FOLLOWING = ("list_tasks", "get_job_task_counts", "get_job", "get_pool", "list_nodes")


def report() -> Iterator[Table]:
    """Measure everything, a table at a time."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("BENCH_DIR")) as folder:
        yield _overlap(Path(folder))
        yield _bytes(Path(folder))
        yield _scale(Path(folder))


# --- overlap -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lane:
    """One of the three things that happen to a file."""

    seconds: float
    at_a_time: int


def bound(lanes: list[Lane], files: int) -> float:
    """The least time for *files* that pass all *lanes*: the slowest is never idle once it began."""
    return max(
        -(-files // lane.at_a_time) * lane.seconds
        + sum(other.seconds for other in lanes if other is not lane)
        for lane in lanes
    )


def _overlap(work: Path) -> Table:
    rows = []
    with (
        SlowStorage() as storage,
        stand_in_cloud(
            work, storage=storage, speed=1.0, ffmpeg=_slow_ffmpeg(work), taskSlotsPerNode=SLOTS
        ) as cloud,
    ):
        source = work / "in"
        source.mkdir()
        for number in range(FILES):
            _ffmpeg("-f", "lavfi", "-i", "sine=d=1", "-ar", "8000", source / f"{number:02}.wav")
        for name, (up, convert, down) in SHAPES.items():
            storage.up, storage.down = up, down
            (work / "seconds").write_text(str(convert))
            rows.append([name, *_one_shape(cloud, work, name, (up, convert, down))])
    return Table(
        f"Overlap of upload, conversion and download, {FILES} files",
        (
            "shape",
            "one upload, s",
            "one task on its node, s",
            "one download, s",
            "all, s",
            "pipelined bound, s",
            "all / bound",
            "one after the other, s",
        ),
        rows,
        f"The time of `runner convert` from its first upload to its end, with {TRANSFERS} transfers a "
        f"way and {SLOTS} slots. Uploads and downloads take as long as a proxy lets them; a task's time "
        "is what Batch measured. The bound: the slowest stage is busy all the time, the others once.",
    )


SLOW = """
if '-progress' in ARGUMENTS:
    with open(os.path.join(HERE, 'seconds')) as file:
        end = time.monotonic() + float(file.read())
    code = start(REAL, *ARGUMENTS).wait()
    time.sleep(max(0, end - time.monotonic()))
    sys.exit(code)
"""


def _slow_ffmpeg(work: Path) -> Path:
    """An ffmpeg that converts, and then waits for as long as the file "seconds" says."""
    return stand_in_for_ffmpeg(work, SLOW, get_ffmpeg_exe()).path


def _one_shape(
    cloud: Cloud, work: Path, name: str, delays: tuple[float, float, float]
) -> list[str]:
    up, _, down = delays
    jobs = set(cloud.jobs())
    command = [RUNNER, "convert", str(work / "in"), "-o", str(work / name), "--json"]
    command += ["--transfers", str(TRANSFERS)]
    done = subprocess.run(
        command, env=cloud.environment(work), check=True, capture_output=True, text=True
    )
    seconds = json.loads(done.stdout.splitlines()[-1])["seconds"]
    (job,) = set(cloud.jobs()) - jobs
    infos = [task.execution_info for task in cloud.batch.list_tasks(job)]
    times = [
        (i.end_time - i.start_time).total_seconds()
        for i in infos
        if i and i.end_time and i.start_time
    ]
    task = sum(times) / len(times)
    least = bound([Lane(up, TRANSFERS), Lane(task, SLOTS), Lane(down, TRANSFERS)], FILES)
    phases = FILES * (up / TRANSFERS + task / SLOTS + down / TRANSFERS)
    cells = (up, task, down, seconds, least)
    return [*(f"{cell:.1f}" for cell in cells), f"{seconds / least:.2f}", f"{phases:.1f}"]


# --- bytes ---------------------------------------------------------------------------------------


def _bytes(work: Path) -> Table:
    rows = []
    with stand_in_cloud(work / "bytes") as cloud:
        for name, rate, suffix in (
            ("5 Mbit/s, AAC 128k, mp4", "5M", ".mp4"),
            ("5 Mbit/s, AAC 128k, mkv", "5M", ".mkv"),
            ("25 Mbit/s, AAC 128k, mp4", "25M", ".mp4"),
        ):
            folder = work / name.replace("/", " ")
            film = _film(folder / "in", rate, suffix)
            target = folder / "out" / "film.mp3"
            command = [RUNNER, "convert", str(folder / "in"), "-o", str(folder / "out"), "-q"]
            subprocess.run([*command, "--keep"], env=cloud.environment(work), check=True)
            sent = sum(len(d) for n, d in cloud.stored("input").items() if "plan" not in n)
            plain = folder / "plain.mp3"
            _ffmpeg("-i", film, *resolve_recipe(MP3).arguments, plain)
            same = "yes" if _sound(plain) == _sound(target) else "NO"
            size = film.stat().st_size
            rows.append(
                [name, f"{size / 1e6:.1f}", f"{sent / 1e6:.2f}", f"{100 * sent / size:.1f}%", same]
            )
            for blob in cloud.stored("input"):
                cloud.blobs.get_blob_client(cloud.container("input"), blob).delete_blob()
    return Table(
        "Bytes that travel for the sound of a film of 30 s",
        ("film", "MB of the source", "MB sent", "share", "same decoded sound as ffmpeg's own MP3"),
        rows,
    )


def _film(folder: Path, rate: str, suffix: str) -> Path:
    folder.mkdir(parents=True)
    path = folder / f"film{suffix}"
    inputs = ("-f", "lavfi", "-i", "testsrc2=s=640x360:r=25,noise=alls=40:allf=t")
    sound = ("-f", "lavfi", "-i", "anoisesrc=c=pink:a=0.3", "-t", "30")
    rates = ("-b:v", rate, "-minrate", rate, "-maxrate", rate, "-bufsize", rate)
    coding = ("-c:v", "libx264", "-preset", "ultrafast", "-x264-params", "nal-hrd=cbr")
    _ffmpeg(*inputs, *sound, *coding, *rates, "-c:a", "aac", "-b:a", "128k", path)
    return path


def _sound(path: Path) -> str:
    command = [get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-map", "0:a", "-f", "md5", "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _ffmpeg(*arguments: object) -> None:
    command = [get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True)


# --- scale ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Measured:
    """A job of many tasks, submitted and followed, and its run resumed after its end."""

    tasks: int
    told: dict[str, float]
    again: dict[str, float]
    calls: int
    adding: int


def _scale(work: Path, tasks: int = TASKS) -> Table:
    few, many = (_measure(work / f"{n}", n) for n in (tasks // 3, tasks))
    told, again = many.told, many.again
    rows = [
        ["tasks that ended, and were noticed once each", f"{told['ended']:,.0f}"],
        ["submission", f"{tasks / told['submitted']:,.0f} tasks/s, {many.adding:,} calls"],
        ["CPU of the runner until then", f"{1000 * told['worked'] / tasks:.2f} ms a task"],
        ["from the first task to the last end", f"{told['seconds']:.0f} s"],
        [
            "calls of Batch to follow, a task",
            f"{many.calls / tasks:.4f} ({many.calls:,} in all)",
        ],
        ["memory at its peak, of which is imported", _two(told["memory"], told["imports"])],
        [
            "memory at the peak of a command that resumes the run, of which is imported",
            _two(again["memory"], again["imports"]),
        ],
        ["CPU until that knows all tasks", f"{1000 * again['resumed'] / tasks:.2f} ms a task"],
        [
            "bytes that each task more takes when submitted and followed, and when resumed",
            f"{_growth(few, many, 'told'):.0f}, {_growth(few, many, 'again'):.0f}",
        ],
        ["of these for the plan", f"{_growth(few, many, 'told', 'plan'):.0f}"],
        [
            "a million tasks by these figures",
            _two(_million(few, many, "told"), _million(few, many, "again")),
        ],
    ]
    return Table(
        f"A job of {tasks:,} tasks",
        ("what", "measured"),
        rows,
        "The runner's own Submitter and Poller in a process of their own, by HTTPS with tokens, on an "
        f"emulated pool of {NODES} nodes with {SLOTS_A_NODE} slots whose tasks take 30 virtual seconds, "
        f"at {SPEED:.0f} times the speed; then another process that resumes the run, when all tasks have "
        "ended and none was collected. Nothing is staged or collected: such tasks have no blobs. What each "
        f"task takes is the difference to a job of {tasks // 3:,}.",
    )


def _measure(work: Path, tasks: int) -> _Measured:
    with stand_in_cloud(
        work,
        speed=SPEED,
        virtual_tasks=VirtualTasks(seconds=30),
        taskSlotsPerNode=SLOTS_A_NODE,
        scaleSettings=fixed(NODES),
    ) as cloud:
        told = _part(cloud, work, "follow", tasks)
        calls, adding = cloud.calls(*_FOLLOWING), cloud.calls("create_task_collection")
        again = _part(cloud, work, "resume", tasks)
    assert told["ended"] == again["ended"] == tasks
    return _Measured(tasks, told, again, calls, adding)


def _growth(few: _Measured, many: _Measured, part: str, what: str = "memory") -> float:
    """The bytes that each task more takes."""
    more = getattr(many, part)[what] - getattr(few, part)[what]
    return float(more) / (many.tasks - few.tasks)


def _million(few: _Measured, many: _Measured, part: str) -> float:
    held = getattr(many, part)["memory"]
    return float(held + (1_000_000 - many.tasks) * _growth(few, many, part))


def _two(first: float, second: float) -> str:
    return f"{first / 1e6:.0f} MB, {second / 1e6:.0f} MB"


def _part(cloud: Cloud, work: Path, part: str, tasks: int) -> dict[str, float]:
    """What a process of its own measured."""
    command = [sys.executable, "-m", "tests.benchmarks.azure", part, str(tasks)]
    done = subprocess.run(
        command, env=cloud.environment(work), check=True, stdout=subprocess.PIPE, text=True
    )
    told: dict[str, float] = json.loads(done.stdout)
    return told


def be_a_part(part: str, tasks: int) -> None:
    """Be the runner: submit *tasks* or resume their run, follow them to their ends, and print what that took."""
    deployment = choose_stack(None, os.environ["RUNNER_OUTPUTS"]).deployment
    assert deployment is not None
    imports = _memory()
    scale = _Scale(deployment, tasks)
    told = scale.submit() if part == "follow" else scale.resume()
    print(json.dumps({"imports": imports, **told}))  # noqa: T201


class _Scale:
    """A run without transfers."""

    def __init__(self, deployment: Deployment, tasks: int) -> None:
        self._news: SimpleQueue[Event | Notice | NodeUse | BaseException] = SimpleQueue()
        self._ended = 0
        self._all = threading.Event()
        self._tasks = tasks
        conversions = Conversions.of(map(_conversion, range(tasks)))
        self._context = _context(deployment, self._news, conversions)
        self._jobs = [self._context.run]
        self._submitter = Submitter(self._context, self._jobs, lambda: None, self._news.put)
        self._follower = Poller(self._context, self._jobs, self._end, lambda: None)

    def resume(self) -> dict[str, float]:
        began = time.process_time()
        threading.Thread(target=self._listen, daemon=True).start()
        conversions = self._context.in_flight.conversions
        todo, _ = resume_run(self._context, Plan("run", Path("out"), conversions), self._jobs)
        assert not todo
        resumed = time.process_time() - began
        threading.Thread(target=self._follower.run, daemon=True).start()
        self._all.wait()
        self._context.stopped.set()
        return {"ended": self._ended, "resumed": resumed, "memory": _memory()}

    def submit(self) -> dict[str, float]:
        plan = _memory()
        self._context.jobs.create(self._context.run)
        self._submitter.expect(self._tasks)
        started, began = time.monotonic(), time.process_time()
        threads = [
            threading.Thread(target=loop, daemon=True)
            for loop in (self._submitter.run, self._follower.run, self._listen)
        ]
        for thread in threads:
            thread.start()
        for place, conversion in enumerate(self._context.in_flight.conversions):
            while self._submitter.is_behind:  # as the threads that upload wait
                time.sleep(0.01)
            item = WorkItem(
                self._context.in_flight.conversions, place, blob=f"run/{conversion.id}.mp4"
            )
            self._submitter.put(item)
        while not self._submitter.is_done:
            time.sleep(0.05)
        submitted, worked = time.monotonic() - started, time.process_time() - began
        self._all.wait()
        seconds = time.monotonic() - started
        self._context.stopped.set()
        return {
            "ended": self._ended,
            "submitted": submitted,
            "worked": worked,
            "seconds": seconds,
            "memory": _memory(),
            "plan": plan,
        }

    def _end(self, item: WorkItem, end: FinishedTask) -> None:
        assert end.succeeded
        assert end.task == item.task
        self._ended += 1
        if self._ended == self._tasks:
            self._all.set()

    def _listen(self) -> None:
        while True:
            news = self._news.get()
            if isinstance(news, Notice) and news.message:
                sys.stderr.write(f"{news.message}\n")


def _context(
    deployment: Deployment,
    news: SimpleQueue[Event | Notice | NodeUse | BaseException],
    conversions: Conversions,
) -> RunContext:
    over = threading.Event()
    batch = batch_client(deployment, sign_in())
    signer = Signer(Session(deployment).storage, deployment, Lifetimes(timedelta(), timedelta()))
    reads = NodeReads(Accounts(deployment), deployment, Lifetimes(timedelta(), timedelta()))
    blob_names = BlobNames("run", deployment, signer.readable, signer.writable, reads.url)
    blobs = Blobs(Session(deployment).storage)
    return RunContext(
        run="run",
        destination=Path("out"),
        scratch=Path("out"),
        deployment=deployment,
        options=RunOptions(),
        pace=Pace(),
        ffmpeg="ffmpeg",
        jobs=Jobs(batch, deployment.pool.id, over),
        adder=TaskAdder(batch, over),
        blobs=blobs,
        stored=StoredRun(blobs, deployment.input_container, "run"),
        blob_names=blob_names,
        reads=reads,
        report=news.put,
        stopped=over,
        in_flight=InFlightTasks("run", conversions),
    )


def _conversion(number: int) -> Conversion:
    name = f"a folder/a file with a name of usual length {number:06}"
    return Conversion(Source(f"/home/somebody/media/{name}.mp4", 1000, number), f"{name}.mp3", MP3)


def _memory() -> int:
    """The most that this process has held, in bytes.

    Not by `getrusage`, in which a process begins with what the one held that started it.
    """
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) * 1024


def main() -> None:
    """Print the tables, or be a part of one."""
    if sys.argv[1:2] in (["follow"], ["resume"]):
        be_a_part(sys.argv[1], int(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        tables = (_scale(Path(folder), int(n)) for n in sys.argv[1:])
        for table in tables if sys.argv[1:] else report():
            print(table, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
