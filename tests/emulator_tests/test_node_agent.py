"""The nodes' agents, closed and taken away while they work."""

from __future__ import annotations

import shutil
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.emulator.faults import Faults
from tests.emulator.node_agent import SYSTEM_PATH, Execution, ProcessExecutor
from tests.emulator.process import ProcessTree
from tests.emulator.storage import Roles
from tests.emulator.transfers import Transfers
from tests.emulator.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def work(run: int = 1, command: str = "true") -> Work:
    output = {"uploadOptions": {"uploadCondition": "TaskCompletion"}}
    return Work(
        run=run,
        name="task",
        node="node",
        directory=f"task-{run}",
        command_line=command,
        environment={},
        output_files=(output,),
    )


class TakenAway(Transfers):
    """Transfers in the middle of which something happens."""

    def __init__(self, happens: Callable[[], None]) -> None:
        super().__init__(Roles(), Faults(), None)
        self.happens = happens

    def upload(self, *_: object) -> Iterator[str]:
        self.happens()
        yield "result.mp3"


@pytest.mark.parametrize("preempted", [True, False])
def test_a_node_that_goes_while_it_stores_outputs_ends_its_task_without_a_word(
    preempted: bool, tmp_path: Path
) -> None:
    tree = ProcessTree()

    def take_away() -> None:
        if preempted:
            tree.kill()
        shutil.rmtree(tmp_path / "node")

    execution = Execution(work(), tmp_path / "node", SYSTEM_PATH, TakenAway(take_away))
    if preempted:
        outcome = execution.run(tree)
        assert (outcome.exit_code, outcome.failure) == (0, None)
        return
    with pytest.raises(FileNotFoundError):  # else a fault of the emulator's own would be hidden
        execution.run(tree)


@pytest.fixture
def hasty() -> Iterator[None]:
    """Have threads take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty")
def test_an_executor_may_be_closed_while_it_starts_something(tmp_path: Path) -> None:
    for _ in range(30):
        executor = ProcessExecutor(tmp_path, TakenAway(lambda: None), lambda act: act())

        def start(executor: ProcessExecutor = executor) -> None:
            for run in range(20):
                executor.start(work(run, "no-such-program"), lambda _: None)

        starting = threading.Thread(target=start)
        starting.start()
        executor.close()
        starting.join()
