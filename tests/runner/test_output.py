"""What is seen: data on standard output, talk on standard error, and nothing slow for `--help`."""

import json
import os
import re
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import pytest

from tests.conftest import RUNNER, Run
from tests.media import Media


@pytest.fixture
def folder(media: Media, tmp_path: Path) -> Path:
    media.put("clip.mp3", tmp_path / "in" / "a.mp3", tmp_path / "in" / "b.mp3")
    media.put("truncated.mp4", tmp_path / "in" / "bad.mp4")
    return tmp_path / "in"


def test_standard_output_is_empty_without_json(run: Run, folder: Path) -> None:
    for words in ([], ["-v"], ["-vv"], ["-q"], ["--no-progress"]):
        assert run("convert", "in", "--to", "wav", *words).stdout == ""


def test_json_is_one_object_a_line_of_a_known_shape(run: Run, folder: Path) -> None:
    result = run("convert", "in", "--to", "wav", "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert {line["v"] for line in lines} == {1}
    head, *files, summary = lines
    assert head == {
        "v": 1,
        "event": "run",
        "run": head["run"],
        "where": "local",
        "pool": None,
        "destination": str(folder.parent / "out"),
        "files": 3,
    }
    assert {line["event"] for line in files} == {"file"}
    assert all(
        set(line)
        == {
            *("v", "event", "source", "target", "state", "attempt", "seconds", "in", "out"),
            "failure",
            "tried",
            "notices",
        }
        for line in files
    )
    made = {line["target"]: line for line in files}
    good, bad = made["a.wav"], made["bad.wav"]
    assert (good["state"], good["failure"]) == ("converted", None)
    assert good["in"]["bytes"] == (folder / "a.mp3").stat().st_size
    assert good["in"]["seconds"] == pytest.approx(2, abs=0.1)
    assert good["out"]["bytes"] == (folder.parent / "out" / "a.wav").stat().st_size
    assert re.fullmatch("[0-9a-f]{64}", good["out"]["sha256"])
    assert (bad["state"], bad["out"]) == ("failed", None)
    assert bad["failure"]["kind"] == "input"
    assert summary.pop("seconds") > 0
    assert summary == {
        "v": 1,
        "event": "summary",
        "run": head["run"],
        "converted": 2,
        "up_to_date": 0,
        "failed": 1,
        "with_notices": 0,
        "failures": [{"kind": "input", "reason": bad["failure"]["message"], "files": 1}],
        "sources": {},
        "files": 3,
        "exit_code": 1,
    }


def test_json_tells_what_is_up_to_date_and_what_a_dry_run_would_do(run: Run, folder: Path) -> None:
    run("convert", "in/a.mp3", "--to", "wav")
    dry = [
        json.loads(line)
        for line in run("convert", "in", "--to", "wav", "--json", "-n").stdout.splitlines()
    ]
    assert dry.pop()["event"] == "estimate"
    assert {line["event"] for line in dry} == {"plan"}
    assert {line["target"]: line["do"] for line in dry} == {
        "a.wav": "up to date",
        "b.wav": "convert",
        "bad.wav": "convert",
    }
    lines = run("convert", "in", "--to", "wav", "--json").stdout.splitlines()
    states = {
        line["target"]: line["state"] for line in map(json.loads, lines) if line["event"] == "file"
    }
    assert states == {"a.wav": "up-to-date", "b.wav": "converted", "bad.wav": "failed"}


def test_an_error_of_the_run_ends_the_json(run: Run, folder: Path) -> None:
    result = run("convert", "in", "--json", "-j1", "--fail-fast", "1", "--include", "bad*")
    last = json.loads(result.stdout.splitlines()[-1])
    assert last == {
        "v": 1,
        "event": "error",
        "message": "stopped after 1 failed file (--fail-fast)",
        "exit_code": 1,
    }
    assert result.exit_code == 1


def test_quiet_says_only_what_fails(run: Run, folder: Path) -> None:
    result = run("convert", "in", "--to", "wav", "-q")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("FAILED")


def test_verbose_says_where_settings_come_from(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / ".runner.toml").write_text("[convert]\nretries = 7\n")
    text = run("convert", "in", "--to", "wav", "-v", "-n", RUNNER_JOBS="3").stderr
    assert "retries = 7  (.runner.toml)" in text
    assert "jobs = 3  (environment)" in text
    assert 'to = "wav"  (command line)' in text
    assert 'verify = "duration"  (default)' in text
    assert 'out = "out"  (default)' in text, "as a settings file has it"
    assert "timeout = auto  (default)" in text
    assert "dry-run = true  (command line)" in text


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_leave_for_what_is_no_terminal(
    environment: dict[str, str], run: Run, folder: Path
) -> None:
    there = Run(run.folder, run.environment | environment)
    result = there("convert", "in", "--to", "wav")
    assert "\x1b" not in result.stderr


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo terminal")
@pytest.mark.parametrize(("columns", "colour"), [(100, True), (30, True), (100, False)])
def test_a_terminal_sees_a_live_display_in_its_width(
    columns: int, colour: bool, run: Run, folder: Path, tmp_path: Path
) -> None:
    import pty  # noqa: PLC0415 - POSIX only

    main, side = pty.openpty()
    environment = {**run.environment, "TERM": "xterm-256color", "COLUMNS": str(columns)}
    if not colour:
        environment["NO_COLOR"] = "1"
    with subprocess.Popen(
        [RUNNER, "convert", "in", "--to", "wav"],
        cwd=run.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=side,
    ) as process:
        os.close(side)
        seen = b""
        try:
            while block := os.read(main, 4096):
                seen += block
        except OSError:  # how Linux says that the other side is closed
            pass
        assert process.stdout is not None
        assert process.stdout.read() == b""
    os.close(main)
    assert process.returncode == 1
    text = seen.decode()
    assert "FAILED" in text
    assert "3 files: 2 converted, 1 failed" in text
    assert "\x1b[?25h" in text  # the cursor is shown again
    assert ("\x1b[31m" in text) == colour


def test_help_imports_nothing_slow() -> None:
    """Neither the cloud's clients nor the terminal's painter; seen in `sys.modules`."""
    look = (
        "import sys\n"
        "from runner.cli import cli\n"
        "cli.main(['{}--help'], standalone_mode=False)\n"
        "print([m for m in sys.modules if m.split('.')[0] in"
        " ('azure', 'pulumi', 'rich', 'imageio_ffmpeg', 'asyncio', 'jinja2')])"
    )
    text = subprocess.run(
        [sys.executable, "-c", look.replace("{}", "")], capture_output=True, text=True, check=True
    ).stdout
    assert text.splitlines()[-1] == "[]"


def test_files_are_looked_for_before_what_converts_them_is_imported(
    run: Run, tmp_path: Path
) -> None:
    """The first line of a large folder does not wait for the ledger and the engines, which take twice as long."""
    source = tmp_path / "many"
    source.mkdir()
    for number in range(1001):
        (source / f"{number}.mp4").touch()
    python = [sys.executable, "-X", "importtime", "-c", "from runner.start import main; main()"]
    with subprocess.Popen(
        [*python, "convert", str(source), "-n", "-o", str(tmp_path / "out")],
        cwd=run.folder,
        env=run.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        said = takewhile(lambda line: "looking for files: 1,000 so far" not in line, process.stderr)
        before = {line.split()[-1] for line in said if line.strip()}
        later = {"runner.ledger", "runner.local", "runner.media.worker", "filelock", "sqlite3"}
        assert not later & before
        while later:
            line = process.stderr.readline()
            assert line, f"it has ended without {later}"
            later -= {*line.split()[-1:]}
        process.kill()  # to look at them all takes ten seconds of CPU


def test_a_local_run_loads_no_cloud(run: Run, folder: Path) -> None:
    look = (
        "import sys, runner.cli as c\n"
        "try:\n"
        "    c.cli.main(['convert', 'in', '--to', 'wav'], standalone_mode=False)\n"
        "finally:\n"
        "    print([m for m in sys.modules if m.split('.')[0] in ('azure', 'pulumi', 'rich', 'jinja2')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", look],
        cwd=run.folder,
        env=run.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


COMMANDS = (
    "convert",
    "status",
    "retry",
    "logs",
    "runs",
    "clean",
    "presets",
    "doctor",
    "completion",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, run: Run) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: runner {command}")
    assert command in run("--help").stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shells_completion_is_printed(shell: str, run: Run) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_RUNNER_COMPLETE" in result.stdout
    words = run(
        _RUNNER_COMPLETE="bash_complete", COMP_WORDS="runner con", COMP_CWORD="1"
    ).stdout.split()
    assert any("convert" in word for word in words)


def test_doctor_finds_all_in_order(run: Run) -> None:
    result = run("doctor")
    assert result.exit_code == 0, result.stdout
    assert "FAIL" not in result.stdout


def test_doctor_names_a_remedy_and_leaves_with_4(run: Run, tmp_path: Path) -> None:
    result = run("doctor", "--ffmpeg", "/nowhere/ffmpeg")
    assert result.exit_code == 4
    assert "FAIL ffmpeg: --ffmpeg /nowhere/ffmpeg: no such program" in result.stdout


def test_a_reader_that_has_seen_enough_is_no_bug(run: Run, folder: Path) -> None:
    run("convert", "in", "--to", "wav")
    done = subprocess.run(
        f"'{RUNNER}' logs | head -1",
        shell=True,
        cwd=run.folder,
        env=run.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
