"""Standard streams that are closed, full or gone decide nothing; what is shown controls no terminal."""

import os
import re
import shlex
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runner.engine import Stop
from runner.formatting import printable_text
from runner.ledger import Ledger
from runner.local import LocalEngine
from runner.models import Conversion, Event, Notice, Plan, State
from runner.options import RunOptions
from runner.overwrite import OverwritePolicy
from runner.runs import Run as RunOfPlan
from runner.runs import convert
from runner.selection import stat_source
from tests.conftest import RUNNER, Run, names, until
from tests.media import Media
from tests.runner.programs import recipe
from tests.stand_in import MakeStandIn

if TYPE_CHECKING or os.name == "posix":
    import pty

in_a_shell = pytest.mark.skipif(
    os.name != "posix", reason="no shell closes a stream there, or has a /dev/full"
)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def folder(media: Media, tmp_path: Path) -> Path:
    """Three good files."""
    folder = tmp_path / "in"
    media.put("clip.mp3", *(folder / f"{letter}.mp3" for letter in "abc"))
    return folder


def in_shell(run: Run, script: str) -> tuple[int, str]:
    """The exit code of a shell's *script*, in which `runner` is the command, and what it shows."""
    done = subprocess.run(
        [
            "bash",
            "-c",
            f'set -o pipefail; runner() {{ {shlex.quote(str(RUNNER))} "$@"; }}; {script}',
        ],
        cwd=run.folder,
        env=run.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@in_a_shell
@pytest.mark.parametrize(
    ("streams", "exit_code"),
    [
        ("2>&-", 0),
        ("-v >&- 2>&- <&-", 0),
        ("--json >&-", 0),
        ("2>/dev/full", 0),
        ("--json >/dev/full", 4),
        ("2>&1 | head -1", 0),
        ("--json | head -1", 0),
        ("--json | true", 0),
    ],
)
def test_a_run_goes_on_whoever_listens(
    run: Run, folder: Path, destination: Path, streams: str, exit_code: int
) -> None:
    code, shown = in_shell(run, f"runner convert in --to wav {streams}")
    assert code == exit_code, shown
    assert names(destination) == {"a.wav", "b.wav", "c.wav"}
    assert "3 converted" in run("runs").stdout
    assert ("cannot write to standard output: No space left" in shown) is (exit_code == 4)
    assert "Traceback" not in shown


@in_a_shell
@pytest.mark.parametrize(
    ("command", "exit_code"),
    [
        ("runner presets >/dev/full", 4),
        ("runner --help >/dev/full", 4),
        ("runner presets | head -1", 0),
        ("runner presets >&-", 0),
        ("runner nonsense 2>&-", 2),
        ("runner convert nowhere 2>/dev/full", 3),
        ("runner convert --files-from - <&-", 4),
        ("runner convert in -n >/dev/full", 4),
    ],
)
def test_a_command_that_only_shows_ends_as_others_do(
    run: Run, folder: Path, command: str, exit_code: int
) -> None:
    code, shown = in_shell(run, command)
    assert code == exit_code, shown
    assert "Traceback" not in shown
    assert "bug" not in shown


@in_a_shell
def test_a_closed_input_is_named(run: Run) -> None:
    _, shown = in_shell(run, "runner convert --files-from - <&-")
    assert shown == "Error: cannot read the list -: standard input is closed\n"


@in_a_shell
def test_no_file_takes_the_number_of_a_closed_stream(
    run: Run, folder: Path, stand_in: MakeStandIn, destination: Path
) -> None:
    # were the ledger number 2, this would go into it
    program = stand_in(
        "for n in '012':\n"
        "    append('files', f'{n} -> ' + os.readlink(f'/proc/{os.getppid()}/fd/{n}'))"
    )
    closed = "<&- >&- 2>&-"
    code, _ = in_shell(run, f"runner convert in --to wav -j 1 --ffmpeg {program.path} {closed}")
    assert code == 0
    assert program.said("files")[:3] == [f"{n} -> /dev/null" for n in "012"]


@pytest.mark.skipif(os.name != "posix", reason="there are no such terminals")
def test_a_terminal_that_is_closed_stops_the_run_in_order(
    run: Run, folder: Path, stand_in: MakeStandIn, destination: Path
) -> None:
    program = stand_in("time.sleep(1)")
    mine, theirs = pty.openpty()
    process = subprocess.Popen(
        [RUNNER, "convert", "in", "--to", "wav", "-j", "1", "--ffmpeg", program.path],
        cwd=run.folder,
        env={**run.environment, "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    until(lambda: len(program.starts) > 1)
    os.close(mine)
    process.send_signal(signal.SIGHUP)  # which the terminal of a session sends
    assert process.wait(timeout=60) == 130
    assert names(destination) < {"a.wav", "b.wav", "c.wav"}
    assert run("runs").stdout.count("interrupted") == 1
    assert run("convert", "in", "--to", "wav").exit_code == 0


def test_what_happened_is_written_down_before_it_is_shown(
    media: Media, folder: Path, destination: Path
) -> None:
    class UnwatchableError(Exception):
        pass

    def on_event(event: Event | Notice) -> None:
        if isinstance(event, Event) and event.state is State.CONVERTED:
            raise UnwatchableError

    conversion = Conversion(stat_source(str(folder / "a.mp3")), "a.wav", recipe("wav"))
    plan = Plan("20261122-1412-mossy-otter", destination, (conversion,))
    with Ledger.open(destination) as ledger:
        run = RunOfPlan(plan=plan, backend="local", command="", options=RunOptions())
        existing = OverwritePolicy(ledger, media.ffmpeg)
        with pytest.raises(UnwatchableError):
            convert(run, LocalEngine(ffmpeg=media.ffmpeg), existing, on_event, Stop())
        assert ledger.find("a.wav")


# --- what would control a terminal ---------------------------------------------------------------

SLY = "\x1b]52;c;ZXZpbA==\x07 \x9b31m \u202egnp.exe\u2066 \x08\x7f\r"


def test_nothing_that_controls_a_terminal_is_shown_but_lines_and_tabs() -> None:
    shown = printable_text(f"a\tb\n{SLY}\udcff")
    assert not CONTROL.search(shown)
    assert shown.startswith("a\tb\n\\x1b]52;c;")
    assert "\\x9b31m \\u202egnp.exe\\u2066 \\x08\\x7f\\r\\xff" in shown


def test_a_log_cannot_control_the_terminal_it_is_shown_on(
    run: Run, folder: Path, stand_in: MakeStandIn, tmp_path: Path
) -> None:
    said = f"[error] {SLY}\n\t[info] more"
    program = stand_in(f"say({said!r}); sys.exit(1)")
    first = run("convert", "in/a.mp3", "--ffmpeg", program.path, "-v")
    shown = run("logs").stdout
    assert "x1b]52;c;ZXZpbA==" in shown
    assert "\n\t[info] more\n" in shown
    for text in (shown, run("status").stdout, first.stderr):
        assert not CONTROL.search(text.replace("\t", ""))


def test_a_settings_file_cannot_control_it_either(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / ".runner.toml").write_text('[convert]\nname = "\\u001b[2J{what}"\n')
    result = run("convert", "in")
    assert result.exit_code == 2
    assert not CONTROL.search(result.stderr)
