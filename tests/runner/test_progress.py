"""What is said while a run goes on: once a minute, when somebody asks, and how it moves on Azure."""

import signal
import subprocess
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from runner.cloud_progress import CloudProgress
from runner.models import CloudStatus, Conversion, Event, Plan, Source, State
from runner.progress import JsonLines, Lines
from runner.tally import Tally
from runner.terminal import Terminal
from tests.conftest import names, posix_only, until
from tests.media import Media
from tests.runner.programs import recipe
from tests.stand_in import MakeStandIn


@pytest.fixture
def plan() -> Plan:
    sources = (Source(f"/in/{number}.wav", 10**6, 1) for number in range(3))
    conversions = (Conversion(source, f"{source.path[4]}.mp3", recipe()) for source in sources)
    return Plan("20261122-1412-mossy-otter", Path("/out"), tuple(conversions))


LOOKS = (
    CloudStatus("", at=100.0),
    CloudStatus("", sent=40_000_000, received=100_000, at=110.0, nodes=()),
    CloudStatus("", sent=90_000_000, received=200_000, at=120.0, nodes=(("running", 2),)),
    CloudStatus(
        "", sent=90_000_000, received=900_000, at=160.0, nodes=(("idle", 1), ("starting", 3))
    ),
)


@pytest.mark.parametrize(
    ("looks", "line"),
    [
        (0, ""),
        (1, ""),
        (2, "up 4.0 MB/s  down 10.0 kB/s  nodes: none yet"),
        (3, "up 4.5 MB/s  down 10.0 kB/s  nodes: 2 running"),
        (4, "down 17.5 kB/s  nodes: 1 idle, 3 starting"),
    ],
)
def test_rates_are_those_of_the_last_half_minute(looks: int, line: str) -> None:
    progress = CloudProgress()
    for look in LOOKS[:looks]:
        progress.observe(look)
    assert progress.line == line


@pytest.mark.parametrize("width", [60, 120])
def test_a_terminal_shows_how_a_run_on_azure_moves(plan: Plan, width: int) -> None:
    terminal = Terminal(plan)
    for look in LOOKS[:3]:
        terminal(look)
    terminal(Event(conversion=plan.conversions[0], state=State.QUEUED))
    console = Console(width=width, file=StringIO(), force_terminal=True)
    console.print(terminal._render())
    shown = console.file.getvalue()  # type: ignore[attr-defined] # it is a StringIO
    assert "up 4.5 MB/s  down 10.0 kB/s  nodes: 2 running" in shown
    assert "1 waiting for a node" in shown


UP, WAITS, RUNS, DOWN = State.UPLOADING, State.QUEUED, State.RUNNING, State.DOWNLOADING
AGAIN, DONE, FAILED = State.RETRYING, State.CONVERTED, State.FAILED


@pytest.mark.parametrize(
    ("states", "waiting"),
    [
        ([UP], 0),
        ([UP, WAITS], 1),
        ([WAITS], 1),
        ([UP, WAITS, RUNS], 0),
        ([UP, WAITS, RUNS, RUNS, DOWN, DOWN, DONE], 0),
        ([UP, WAITS, DOWN, DONE], 0),
        ([UP, RUNS, WAITS], 0),
        ([UP, RUNS, WAITS, RUNS, DOWN, DONE], 0),
        ([UP, DOWN, WAITS, DONE], 0),
        ([UP, WAITS, DOWN, AGAIN, WAITS], 1),
        ([UP, WAITS, RUNS, DOWN, AGAIN, WAITS, DOWN, FAILED], 0),
        ([UP, FAILED], 0),
    ],
    ids=lambda value: " ".join(s.value for s in value) if isinstance(value, list) else None,
)
def test_those_that_wait_for_a_node_are_counted_whatever_is_told_first(
    plan: Plan, states: list[State], waiting: int
) -> None:
    tally = Tally(plan)
    others = [Event(conversion=one, state=WAITS) for one in plan.conversions[1:]]
    for event in (*others, *(Event(conversion=plan.conversions[0], state=s) for s in states)):
        tally.observe(event)
    assert tally.waiting == len(others) + waiting


def test_there_is_a_status_line_now_and_then(plan: Plan, capfd: pytest.CaptureFixture[str]) -> None:
    said = ""

    def says(words: str) -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return words in said

    with Lines(plan, every=0.01) as lines:
        for look in LOOKS[:3]:
            lines(look)
        lines(Event(conversion=plan.conversions[0], state=State.FAILED))
        until(lambda: says("1 failed  2 left  0x  up 4.5 MB/s  down 10.0 kB/s  nodes: 2"))
    capfd.readouterr()  # of the last line
    said = ""
    with Lines(plan, every=0.01, quiet=True), pytest.raises(AssertionError):
        until(lambda: says("left"), patience=0.3)


def test_json_says_nothing_about_transfers(plan: Plan, capfd: pytest.CaptureFixture[str]) -> None:
    out = StringIO()
    json_lines = JsonLines(plan, "azure", "", out)
    json_lines(LOOKS[0])
    assert out.getvalue().count("\n") == 1, "the beginning alone"
    json_lines.tell()
    assert "3 left" in capfd.readouterr().err


@posix_only
def test_who_asks_by_a_signal_is_told_and_the_run_goes_on(
    started: Callable[..., subprocess.Popen[str]],
    media: Media,
    stand_in: MakeStandIn,
    tmp_path: Path,
) -> None:
    program = stand_in('append("runs", "1")\nwait_for("go")')
    media.put("clip.mp3", tmp_path / "in" / "a.mp3", tmp_path / "in" / "b.mp3")
    process = started("convert", "in", "--ffmpeg", program.path, "-j1", "--json")
    until(lambda: program.said("runs"))
    assert process.stderr is not None
    for _ in range(2):
        process.send_signal(signal.SIGUSR1)
        assert process.stderr.readline().startswith("0.0%  2 left")
    (program.path.parent / "go").touch()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert names(tmp_path / "out") == {"a.mp3", "b.mp3"}
