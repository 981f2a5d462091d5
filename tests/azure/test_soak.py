"""A runner that is killed and started again, and once more beside itself, on an Azure that misbehaves.

`make soak` does it for an hour: RUNNER_SOAK=SECONDS says how long, RUNNER_SOAK_SEED=N which faults and kills.
"""

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runner.ledger import Ledger
from runner.models import State
from tests.azure.world import TASK_TAKES, Machine, Nodes, World, made_of, make_world
from tests.cloud import Cloud, stand_in_cloud
from tests.conftest import tree
from tests.emulator.azurite import Azurite

SECONDS = float(os.environ.get("RUNNER_SOAK", "8"))
SEED = int(os.environ.get("RUNNER_SOAK_SEED", "16"))
FILES = 24
RATES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("status", {"status": 503, "rate": 0.02}),
    ("status", {"status": 429, "retry_after": 1, "rate": 0.02}),
    ("status", {"status": 500, "rate": 0.01}),
    ("reset_before", {"rate": 0.01}),
    ("reset_after", {"rate": 0.01}),
    ("slow", {"seconds": 0.2, "rate": 0.02}),
    ("add_task", {"status": 503, "rate": 0.05}),
    ("shuffle", {"rate": 0.2}),
    ("pascal_case", {"rate": 0.2}),
    ("counts_lag", {"seconds": 5, "rate": 0.1}),
)
"""Faults of the service, and how often each of them happens when it could."""


def test_nothing_is_lost_doubled_or_forgotten(storage: Azurite, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    nodes = Nodes()
    with stand_in_cloud(tmp_path / "cloud", storage=storage, virtual_tasks=nodes.tasks()) as cloud:
        nodes.cloud = cloud
        sources = {f"{n:03}.wav": content(n, 0) for n in range(FILES)}
        world = make_world(cloud, tmp_path, sources)
        with tasks_that_end(world):
            misbehave(cloud)
            deadline = time.monotonic() + SECONDS
            while time.monotonic() < deadline:
                change_something(world.here, chance)
                kill_some(world.here, chance)
            cloud.azure.faults.clear()
            last = world.here("convert", "in", "--retries", "5")
            assert last.exit_code in (0, 1), last.stderr
            again = world.here("convert", "in")
        assert again.exit_code in (0, 1), again.stderr
        assert "converted" not in again.stderr.splitlines()[-1], "all was done before"
        hold_against_each_other(world)


def content(number: int, version: int) -> bytes:
    """That of a source; every eighth is one that no node can convert."""
    word = "bad" if number % 8 == 7 else "good"
    return f"{word} {number} {version}".encode()


@contextmanager
def tasks_that_end(world: World) -> Iterator[None]:
    """Let the time of the nodes pass quickly."""
    is_over = threading.Event()

    def step() -> None:
        while not is_over.wait(0.1):
            if world.running:
                world.cloud.azure.clock.step(TASK_TAKES + 1)

    thread = threading.Thread(target=step)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def misbehave(cloud: Cloud) -> None:
    for kind, details in RATES:
        cloud.fault(kind, times=None, **details)


def change_something(machine: Machine, chance: random.Random) -> None:
    """Now and then a source is another one, or there is one more."""
    if chance.random() < 0.5:
        number = chance.randrange(FILES + 4)
        (machine.folder / "in" / f"{number:03}.wav").write_bytes(
            content(number, chance.randrange(99))
        )


def kill_some(machine: Machine, chance: random.Random) -> None:
    """Start the runner, perhaps a second one by mistake, and end both without a word."""
    running = [machine.start("convert", "in") for _ in range(chance.choice((1, 1, 2)))]
    time.sleep(chance.uniform(0.5, 3.5))
    chance.shuffle(running)
    for process in running:
        process.kill()
    for process in running:
        _, words = process.communicate()
        assert "Traceback" not in words, words


def hold_against_each_other(world: World) -> None:
    """The ledger, the destination and the storage say the same, and nothing of it is left to pay for."""
    machine = world.here
    wanted = {path.name: path.read_bytes() for path in (machine.folder / "in").iterdir()}
    results = {
        name.replace(".wav", ".mp3"): made_of(source)
        for name, source in wanted.items()
        if source.startswith(b"good")
    }
    assert tree(machine.destination) == results
    with Ledger.read(machine.destination) as ledger:
        for target in results:
            record = ledger.find(target)
            assert record
            made = wanted[Path(record.source.path).name]
            assert record.source.size == len(made)
        newest = {
            a.target: a.state
            for run in ledger.runs.all()[:2]
            for a in ledger.attempts.newest(run.id)
        }
        bad = {name.replace(".wav", ".mp3") for name, made in wanted.items() if made[:3] == b"bad"}
        assert {target for target, state in newest.items() if state is State.FAILED} == bad
    assert world.cloud.stored("input") == {}, "a plan or a source is left"
    jobs = world.cloud.jobs()
    assert set(jobs.values()) == {"completed"}, f"a job goes on: {jobs}, {world.cloud.attempts()}"
    uncollected = set(world.look().results.values()) - {*results.values()}
    assert all(is_outdated(result, wanted) for result in uncollected), "nobody knows of a result"


def is_outdated(result: bytes, wanted: dict[str, bytes]) -> bool:
    """Whether *result* was made of a source that is another one by now."""
    number = int(result.split()[-2])
    return made_of(wanted[f"{number:03}.wav"]) != result
