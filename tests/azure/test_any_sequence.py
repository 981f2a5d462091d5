"""Any sequence of commands, on two machines: nothing that is paid for gets out of reach.

`RUNNER_SEQUENCES=200` tries so many other ones.
"""

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.azure.world import FOREIGN, MIXTURE, Nodes, World, make_world
from tests.cloud import stand_in_cloud
from tests.emulator.azurite import Azurite

MACHINES = st.sampled_from(["here", "there"])
SEQUENCES = os.environ.get("RUNNER_SEQUENCES", "")
PARTS = st.sampled_from([(), ("--include", "a.*"), ("--include", "b.*")])


class _Commands(RuleBasedStateMachine):
    """Gives commands in any order; `World.do` holds the promises against each."""

    storage: Azurite

    @initialize()
    def begin(self) -> None:
        nodes = Nodes()
        self.stack = ExitStack()
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        nodes.cloud = self.stack.enter_context(
            stand_in_cloud(folder / "cloud", storage=self.storage, virtual_tasks=nodes.tasks())
        )
        self.world: World = make_world(nodes.cloud, folder, MIXTURE)

    @rule(where=MACHINES, part=PARTS, overwrite=st.sampled_from(["never", "always"]))
    def detach(self, where: str, part: tuple[str, ...], overwrite: str) -> None:
        words = ("convert", "in", "--detach", "--overwrite", overwrite, *part)
        done = self.world.do(getattr(self.world, where), *words)
        assert done.exit_code in (0, 1)
        self.world.run = done.stdout.strip()

    @rule(where=MACHINES, part=PARTS)
    def convert(self, where: str, part: tuple[str, ...]) -> None:
        done = self.world.follow(getattr(self.world, where), "convert", "in", *part)
        assert done.exit_code in (0, 1)

    @rule(where=MACHINES, overwrite=st.sampled_from([(), ("--overwrite", "always")]))
    def attach(self, where: str, overwrite: tuple[str, ...]) -> None:
        run = min(self.world.look().plans, default="20260101-0000-no-such")
        done = self.world.follow(getattr(self.world, where), "attach", run, *overwrite)
        assert done.exit_code in (0, 1, 4), "4: there is nothing to collect"

    @rule(where=MACHINES)
    def cancel(self, where: str) -> None:
        done = self.world.do(getattr(self.world, where), "cancel", self._oldest_run)
        assert done.exit_code in (0, 4), "4: there is no run"

    @rule(where=MACHINES)
    def retry(self, where: str) -> None:
        done = self.world.follow(getattr(self.world, where), "retry")
        assert done.exit_code in (0, 1, 2, 3), "it worked, or there is nothing to do"

    @rule()
    def clean(self) -> None:
        self.world.run = self._oldest_run
        done = self.world.do(self.world.here, "clean", self.world.run)
        assert done.exit_code in (0, 2), "2: no run of this destination"

    @rule()
    def let_tasks_end(self) -> None:
        # whether some run is no condition of the rule: it would depend on how fast this machine is
        if self.world.running:
            self.world.end_some_tasks()

    @rule(where=MACHINES)
    def put_another_file_there(self, where: str) -> None:
        destination = getattr(self.world, where).destination
        destination.mkdir(exist_ok=True)
        (destination / "c.mp3").write_bytes(FOREIGN)

    @property
    def _oldest_run(self) -> str:
        jobs = self.world.cloud.jobs()
        return min(jobs, default="20260101-0000-no-such").partition("--")[0]

    def teardown(self) -> None:
        with self.stack:
            self.world.collect_all()


def test_nothing_that_is_paid_for_gets_out_of_reach(storage: Azurite) -> None:
    class Commands(_Commands):
        pass

    Commands.storage = storage
    Commands.TestCase.settings = settings(
        max_examples=int(SEQUENCES or 3),
        stateful_step_count=7 if SEQUENCES else 6,
        derandomize=not SEQUENCES,
        # what fails is repeated as it is: to make it shorter would take minutes
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    Commands.TestCase("runTest").runTest()
