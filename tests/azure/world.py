"""A stand-in cloud whose nodes convert in no time, and two machines that give it commands.

The commands are the real ones, run in this process; the nodes' work is done by the test: a source
that begins with "bad" fails there, and of any other is made "made of " and its content.
"""

import hashlib
import json
import os
import re
import shlex
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from runner.azure.jobs import Jobs
from runner.azure.manifest import Manifest, read_manifest
from runner.azure.names import result_in
from runner.ledger import Ledger
from runner.media.order import ORDER, Order
from runner.media.record import RECORD
from tests.cloud import POOL, Cloud
from tests.conftest import Result, tree, until
from tests.emulator import VirtualTasks
from tests.emulator.model import Failure
from tests.emulator.virtual import VirtualExecutor
from tests.emulator.work import Work
from tests.in_process import EMULATED_PACE, run_here
from tests.warm_runner import RunningCommand, start_warm

SUCCESS = {"a.wav": b"good a", "c.wav": b"good c"}
FAILURE = {"b.wav": b"bad b"}
MIXTURE = {**SUCCESS, **FAILURE}
TASK_TAKES = 3600.0
"""Virtual seconds: until the clock is stepped, in effect."""
FOREIGN = b"somebody else's file"
_ATTACH = re.compile(r"`runner (attach ([^\s`]+)[^`]*)`")
_PLAN = "plan.jsonl.gz"


def made_of(source: bytes) -> bytes:
    """What a node makes of *source*."""
    return b"made of " + source


@dataclass
class Nodes:
    """Does what the tasks on the nodes do, when their time has passed."""

    cloud: Cloud | None = None
    _failures: dict[int, Failure] = field(default_factory=dict)

    def tasks(self) -> VirtualTasks:
        """For the emulator."""
        return VirtualTasks(
            seconds=TASK_TAKES,
            exit_code=self._convert,
            failure=lambda work: self._failures.get(work.run),
        )

    def _convert(self, work: Work) -> int:
        assert self.cloud is not None
        (source,) = (f["httpUrl"] for f in work.resource_files if "source" in f["filePath"])
        blob = "/".join(urlsplit(source).path.rsplit("/", 2)[1:])
        content = self.cloud.plain.read(self.cloud.container("input"), blob)
        if content is None:
            failure = Failure(
                category="UserError", code="BlobNotFound", message="One of the blobs is not there"
            )
            self._failures[work.run] = failure
            return 1
        order = Order.from_json(work.environment[ORDER])
        self._store(f"{blob.partition('/')[0]}/{work.name}", content, order.recipe.suffix)
        return int(content.startswith(b"bad"))

    def _store(self, folder: str, source: bytes, suffix: str) -> None:
        assert self.cloud is not None
        output = self.cloud.container("output")
        record: dict[str, object]
        if source.startswith(b"bad"):
            record = {"kind": "input", "message": "damaged", "log": "[error] damaged"}
        else:
            result = made_of(source)
            digest = hashlib.sha256(result).hexdigest()
            record = {"size": len(result), "sha256": digest, "media_seconds": 1.0}
            self.cloud.plain.put(output, f"{folder}/result{suffix}", result)
        self.cloud.plain.put(output, f"{folder}/{RECORD}", json.dumps(record).encode())


@dataclass(frozen=True)
class Machine:
    """Somewhere to give commands, with a home and a destination of its own."""

    folder: Path
    environment: dict[str, str]

    pace: dict[str, Any] = field(default_factory=dict)
    """What is other in the `Pace` of its commands."""

    def __call__(self, *words: str) -> Result:
        """Run `runner` with *words*, in this process."""
        exit_code, out, err = run_here(words, self.folder, self.environment, **self.pace)
        return Result(exit_code, out.decode(), err.decode())

    def start(self, *words: str) -> RunningCommand:
        """Start `runner` with *words* as a process of its own."""
        pace = asdict(EMULATED_PACE) | self.pace
        return start_warm(words, self.folder, self.environment, pace)

    @property
    def destination(self) -> Path:
        return self.folder / "out"


@dataclass
class World:
    """A cloud, two machines with the same sources, and what was said so far."""

    cloud: Cloud
    here: Machine
    there: Machine
    run: str = "20260101-0000-no-such"
    """The run that commands are about: the first one."""
    said: list[str] = field(default_factory=list)
    cleaned: set[str] = field(default_factory=set)
    """The runs that `clean` was asked to delete."""
    brought: set[bytes] = field(default_factory=set)
    """All results that ever lay in a destination: whoever writes over one has had it."""

    def do(self, machine: Machine, *words: str) -> Result:
        """Give a command, and hold what is always promised against what it leaves."""
        before = self.files
        result = machine(*words)
        after, newest = self.files, self._made_now
        for path, content in before.items():
            is_kept = content == FOREIGN or after.get(path) == content
            assert is_kept or after.get(path) in newest, "a command took a result away"
        self.said.append(result.stderr + result.stdout)
        assert result.exit_code in (0, 1, 2, 3, 4, 5, 130), result.stderr
        assert "Traceback" not in result.stderr
        if words[0] == "clean":
            self.cleaned.add(self.run)
        stored = self.check()
        if words[0] in ("convert", "attach") and "Error: " not in result.stderr:
            self._check_that_the_plan_is_needed(machine, result, stored.plans)
        return result

    def follow(self, machine: Machine, *words: str) -> Result:
        """Give a command while all tasks that come to run come to their end."""
        left = threading.Event()

        def end_what_comes() -> None:
            while not left.wait(0.1):
                if self.running:
                    self.cloud.azure.clock.step(TASK_TAKES + 1)

        ending = threading.Thread(target=end_what_comes)
        ending.start()
        try:
            return self.do(machine, *words)
        finally:
            left.set()
            ending.join()

    def end_tasks(self) -> None:
        """Let all tasks that may run come to their end."""
        jobs = Jobs(self.cloud.batch, POOL)
        for _ in range(20):
            going = [job for job, state in self.cloud.jobs().items() if state == "active"]
            counts = [jobs.counts(job) for job in going]
            if not any(count.active + count.running for count in counts):
                return
            self.end_some_tasks()
        raise AssertionError("tasks do not come to their end")

    def end_some_tasks(self, least: int = 1) -> None:
        """Let those tasks come to their end that run, which are two at the most, once so many do."""
        until(lambda: self.running >= least)
        self.cloud.azure.clock.step(TASK_TAKES + 1)

    @property
    def running(self) -> int:
        """How many tasks run, by the nodes' word: no request is made for it."""
        executor = self.cloud.azure._executor
        assert isinstance(executor, VirtualExecutor)
        return executor.running

    def look(self) -> "InStorage":
        """See what lies in storage: each listing is a request that takes its time."""
        listed = self.cloud.listed("input")
        read = self.cloud.read(
            "input", {n: e for n, e in listed.items() if n.endswith(f"/{_PLAN}")}
        )
        runs = {name.partition("/")[0]: content for name, content in read.items()}
        results = self.cloud.stored("output", result_in)
        return InStorage(
            sources=tuple(name for name in listed if name not in read),
            plans={run: read_manifest(content, run, Path()) for run, content in runs.items()},
            results={
                (name.partition("/")[0], task.conversion): content
                for name, content in results.items()
                if (task := result_in(name))
            },
        )

    @property
    def files(self) -> dict[Path, bytes]:
        """What lies in the destinations, by where it lies."""
        return {
            machine.destination / name: content
            for machine in (self.here, self.there)
            if machine.destination.exists()
            for name, content in tree(machine.destination).items()
        }

    @property
    def _made_now(self) -> set[bytes]:
        """What is made of the sources as they are now."""
        machines = (self.here, self.there)
        sources = (file for machine in machines for file in machine.folder.glob("in/*"))
        return {made_of(source.read_bytes()) for source in sources}

    @property
    def collected(self) -> set[bytes]:
        """What lies in the destinations."""
        machines = (self.here, self.there)
        return {
            content
            for machine in machines
            if machine.destination.exists()
            for content in tree(machine.destination).values()
        }

    def check(self) -> "InStorage":
        """Hold what is promised against what is; returns what lies in storage."""
        self.brought |= self.collected
        stored = self.look()
        self._check_that_results_are_reachable(stored)
        stored.check_that_no_source_is_left_behind()
        for machine in (self.here, self.there):
            _check_ledger(machine)
        return stored

    def _check_that_results_are_reachable(self, stored: "InStorage") -> None:
        named = {found[2] for text in self.said for found in _ATTACH.finditer(text)}
        for (run, conversion), content in stored.results.items():
            if content not in self.brought and run not in self.cleaned:
                assert conversion in stored.planned(run), f"a result of {run} is out of reach"
                assert run in named, f"nobody was told how to collect {run}"

    def _check_that_the_plan_is_needed(
        self, machine: Machine, result: Result, plans: Mapping[str, Manifest]
    ) -> None:
        """After a run that came to its end: what it has collected is not in its plan any more."""
        found = re.search(r"^run (\S+)", result.stderr, re.MULTILINE)
        assert found is not None
        manifest = plans.get(found[1])
        if manifest is None or (
            result.stdout and manifest.options.overwrite in ("if-newer", "always")
        ):
            return  # detached: what is there is being made anew
        for conversion in manifest.plan.conversions:
            target = machine.destination / conversion.target
            made = made_of(Path(conversion.source.path).read_bytes())
            assert not (target.exists() and target.read_bytes() == made), f"{target} is collected"

    def collect_all(self) -> None:
        """Do what was said of how the rest is collected; after that nothing is left."""
        self.end_tasks()
        stored = self.check()
        for _ in range(2):  # the second time to replace what was kept
            for run in stored.plans:
                said = [m for text in self.said for m in _ATTACH.finditer(text) if m[2] == run]
                if said:
                    self.do(self.here, *shlex.split(said[-1][1]))
            if stored.plans:
                stored = self.check()
        lost = {
            content for (run, _), content in stored.results.items() if run not in self.cleaned
        } - self.brought
        assert not lost
        assert not stored.sources, "all is collected, and something is left"
        assert not stored.plans, "all is collected, and something is left"


@dataclass(frozen=True)
class InStorage:
    """What lies in storage."""

    sources: tuple[str, ...]
    """The names of what lies with the sources, without the plans."""
    plans: Mapping[str, Manifest]
    """By run."""
    results: Mapping[tuple[str, str], bytes]
    """What is paid for, by run and conversion."""

    def planned(self, run: str) -> set[str]:
        """The ids of the conversions in the plan of *run*."""
        return {c.id for c in self.plans[run].plan.conversions} if run in self.plans else set()

    def check_that_no_source_is_left_behind(self) -> None:
        for blob in self.sources:
            run, _, name = blob.partition("/")
            assert name.partition(".")[0] in self.planned(run), f"{blob} is left"


def _check_ledger(machine: Machine) -> None:
    if not Ledger.exists(machine.destination):
        return
    files = tree(machine.destination)
    with Ledger.read(machine.destination) as ledger:
        for target, content in files.items():
            known = ledger.find(target)
            if known is not None and content != FOREIGN:
                assert known.result.sha256 in ("", hashlib.sha256(content).hexdigest())
        for run in ledger.runs.all():
            ends = run.converted + run.up_to_date + run.failed
            if run.exit_code in (0, 1) and not run.unfinished:
                assert ends == run.files, run
            assert ends <= run.files


def make_world(cloud: Cloud, folder: Path, sources: dict[str, bytes]) -> World:
    """Two machines with *sources* in a folder `in`."""
    machines: list[Machine] = []
    for name in ("here", "there"):
        home = folder / name
        for source, content in sources.items():
            (home / "in").mkdir(parents=True, exist_ok=True)
            (home / "in" / source).write_bytes(content)
        (home / "home").mkdir()
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "TMPDIR")}
        outputs = cloud.environment(home / "home")["RUNNER_OUTPUTS"]
        own = {"HOME": str(home / "home"), "RUNNER_OUTPUTS": outputs}
        own["XDG_CONFIG_HOME"] = str(home / "home")
        machines.append(Machine(home, {**kept, **cloud.azure.environment, **own}))
    return World(cloud, machines[0], machines[1])
