"""The stand-in cloud, a sign-in to it, and runs on it: in this process, or by the real command."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from runner.azure.engine import AzureEngine
from runner.azure.pace import Pace
from runner.azure.session import Session
from runner.engine import Engine, Stop
from runner.media.recipe import Recipe
from runner.models import CloudStatus, Event, Failure, NodeUse, Notice, Plan, State
from runner.options import RunOptions
from runner.plan import DEFAULT_NAME, make_plan
from runner.presets import BUILT_IN
from runner.selection import Selection, find_files
from tests.azure.world import Nodes, World, make_world
from tests.cloud import Cloud, stand_in_cloud
from tests.conftest import Run
from tests.emulator.azurite import Azurite
from tests.in_process import EMULATED_PACE
from tests.media import Media
from tests.stand_in import MakeStandIn, StandIn, stand_in_for_ffmpeg
from tests.warm_python import WarmPython

MP3 = BUILT_IN["mp3"].recipe()


@dataclass
class EventLog:
    """What an engine told of a run."""

    events: list[Event] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    nodes: dict[str, NodeUse] = field(default_factory=dict)
    """The newest of each node."""

    @property
    def results(self) -> dict[str, Event]:
        """The final event of each conversion, by its target."""
        return {e.conversion.target: e for e in self.events if e.state.is_final}

    @property
    def states(self) -> list[State]:
        """What was said, in order."""
        return [event.state for event in self.events]

    @property
    def failures(self) -> dict[str, Failure]:
        """Why each target that is not there is not there."""
        return {target: e.failure for target, e in self.results.items() if e.failure}


def drive(
    engine: Engine, plan: Plan, on_event: Callable[[Event], None] = lambda _: None
) -> EventLog:
    """Run *plan* to its end, showing *on_event* each event."""
    told = EventLog()
    for news in engine.run(plan, Stop()):
        if isinstance(news, CloudStatus):
            continue  # it is shown, and says nothing
        if isinstance(news, Notice):
            told.notices.append(news.message)
        elif isinstance(news, NodeUse):
            told.nodes[news.node] = news
        else:
            told.events.append(news)
            on_event(news)
    return told


def plan_of(
    folder: Path, destination: Path, recipe: Recipe = MP3, name: str = DEFAULT_NAME
) -> Plan:
    """The plan for all that is in *folder*."""
    found = find_files([str(folder)], Selection(include=("*",)))
    return make_plan(found, recipe, destination, name)


MakeCloud = Callable[..., Cloud]


@pytest.fixture
def make_cloud(
    storage: Azurite,
    warm_python: WarmPython,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[MakeCloud]:
    """Start a cloud that this process trusts and can sign in to."""
    with ExitStack() as stack:

        def make(**how: Any) -> Cloud:
            work = tmp_path_factory.mktemp("cloud")
            cloud = stack.enter_context(
                stand_in_cloud(work, **{"storage": storage, "start": warm_python.start, **how})
            )
            for name, value in cloud.azure.environment.items():
                monkeypatch.setenv(name, value)
            return cloud

        yield make


MakeWorld = Callable[[dict[str, bytes]], World]


@pytest.fixture
def make_a_world(make_cloud: MakeCloud, tmp_path: Path) -> MakeWorld:
    """Make a cloud whose nodes convert in no time, and two machines with some sources."""

    def make(sources: dict[str, bytes]) -> World:
        nodes = Nodes()
        nodes.cloud = make_cloud(virtual_tasks=nodes.tasks())
        return make_world(nodes.cloud, tmp_path, sources)

    return make


@dataclass(frozen=True)
class Gate:
    """An ffmpeg for the nodes that converts nothing until it is let."""

    stand_in: StandIn

    @property
    def program(self) -> Path:
        return self.stand_in.path

    def open(self) -> None:
        """Let all conversions go on."""
        (self.program.parent / "open").touch()

    @property
    def waiting(self) -> int:
        """How many conversions have come so far."""
        return len(self.stand_in.said("waiting"))


@pytest.fixture
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    folder = tmp_path_factory.mktemp("gate")
    waits = "if '-progress' in ARGUMENTS:\n    append('waiting', WORDS)\n    wait_for('open')"
    gate = Gate(stand_in_for_ffmpeg(folder, waits, get_ffmpeg_exe()))
    yield gate
    gate.open()


@pytest.fixture
def stuck(stand_in: MakeStandIn) -> Path:
    """An ffmpeg for this machine that looks at three files (of more than a few kB), and then stands still."""
    return stand_in("if not any(is_first(f'look {n}') for n in range(3)): time.sleep(60)").path


@pytest.fixture
def cloud(make_cloud: MakeCloud) -> Cloud:
    return make_cloud()


MakeEngine = Callable[..., AzureEngine]


@pytest.fixture
def engine_on() -> Iterator[MakeEngine]:
    """Make an engine on a cloud, which looks often."""
    with ExitStack() as stack:

        def make(cloud: Cloud, **options: Any) -> AzureEngine:
            session = Session(cloud.deployment)
            stack.callback(session.batch.close)
            stack.callback(session.storage.close)
            paces = {f.name: options.pop(f.name) for f in fields(Pace) if f.name in options}
            pace = replace(
                replace(EMULATED_PACE, longest_poll=0.2, submit_delay=Pace.submit_delay),
                **paces,
            )
            detach = options.pop("detach", False)
            chosen = RunOptions(**{"overwrite": "always", **options})
            engine = session.engine(get_ffmpeg_exe(), chosen, detach=detach)
            return replace(engine, pace=pace)

        yield make


@pytest.fixture
def folder(media: Media, tmp_path: Path) -> Path:
    """Three short good files."""
    folder = tmp_path / "in"
    media.put("8-bit.wav", folder / "a.wav", folder / "b.wav", folder / "c.wav")
    return folder


@pytest.fixture
def one(media: Media, tmp_path: Path) -> Path:
    """A folder with one short good file."""
    media.put("8-bit.wav", tmp_path / "in" / "a.wav")
    return tmp_path / "in"


@pytest.fixture
def azure_run(run: Run, cloud: Cloud) -> Run:
    """The real command, which finds the cloud by its environment."""
    return on_cloud(run, cloud)


def on_cloud(run: Run, cloud: Cloud) -> Run:
    """*run* with what it takes to find and to trust *cloud*, and what it takes long to load."""
    home = Path(run.environment["HOME"])
    found = cloud.environment(home)
    needed = {**cloud.azure.environment, "RUNNER_OUTPUTS": found["RUNNER_OUTPUTS"]}
    return replace(run, environment={**run.environment, **needed}, warm=True)
