"""What the ledger remembers: runs, status, logs, retry, clean."""

import json
import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from runner.ledger import Ledger
from tests.conftest import RUNNER, Run, names, until
from tests.media import Media
from tests.stand_in import MakeStandIn


@pytest.fixture
def mixed(run: Run, media: Media, tmp_path: Path) -> Path:
    """A destination whose newest run converted two files and failed with two."""
    media.put("clip.mp3", tmp_path / "in" / "a.mp3", tmp_path / "in" / "b.mp3")
    media.put("truncated.mp4", tmp_path / "in" / "bad.mp4")
    media.put("no-audio.mp4", tmp_path / "in" / "mute.mp4")
    assert run("convert", "in", "--to", "wav").exit_code == 1
    return tmp_path / "out"


def newest(run: Run) -> str:
    return run("runs").stdout.split()[0]


def test_runs_are_listed_the_newest_first(run: Run, mixed: Path) -> None:
    run("convert", "in", "--to", "wav")
    lines = run("runs").stdout.splitlines()
    assert len(lines) == 2
    assert "4 files" in lines[0]
    assert "2 up to date, 2 failed" in lines[0]
    assert "2 converted, 2 failed" in lines[1]


def test_runs_are_listed_in_json(run: Run, mixed: Path) -> None:
    (line,) = run("runs", "--json").stdout.splitlines()
    told = json.loads(line)
    assert told["v"] == 1
    assert (told["files"], told["converted"], told["failed"]) == (4, 2, 2)
    assert (told["exit_code"], told["backend"]) == (1, "local")
    assert json.loads(run("status", "--json").stdout)["id"] == told["id"]


def test_status_names_the_command_and_the_failures(run: Run, mixed: Path) -> None:
    text = run("status").stdout
    assert "runner convert in --to wav" in text
    assert "FAILED in/bad.mp4  input: the file ends early" in text
    assert "FAILED in/mute.mp4  input: no audio stream" in text


def test_status_is_shown_again_until_the_run_ends(
    started: Callable[..., subprocess.Popen[str]],
    media: Media,
    tmp_path: Path,
    stand_in: MakeStandIn,
) -> None:
    media.put("clip.mp3", tmp_path / "a.mp3")
    program = stand_in("wait_for('go')")
    started("convert", "a.mp3", "--to", "wav", "--ffmpeg", program.path)
    until(lambda: program.starts)
    watching = started("status", "--watch")
    assert watching.stdout
    shown = [watching.stdout.readline()]
    program.path.with_name("go").touch()
    shown += watching.stdout.readlines()
    first, last = (line for line in shown if not line.startswith(" "))
    assert first.endswith("  1 file  running\n")
    assert "  1 file  1 converted in " in last
    assert watching.wait() == 0


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo terminal")
def test_on_a_terminal_the_status_is_shown_in_place_and_stays_in_whole_lines(
    run: Run, mixed: Path
) -> None:
    import pty  # noqa: PLC0415 - POSIX only

    main, side = pty.openpty()
    environment = {**run.environment, "TERM": "xterm-256color", "COLUMNS": "30"}
    subprocess.run(
        [RUNNER, "status", "--watch"], cwd=run.folder, env=environment, stdout=side, check=True
    )
    os.close(side)
    seen = b""
    with suppress(OSError):  # how Linux says that the other side is closed
        while block := os.read(main, 4096):
            seen += block
    os.close(main)
    *replaced, left = seen.decode().split("\x1b[2K")
    assert replaced, "it erases what it showed"
    assert left.replace("\r", "").endswith(run("status").stdout)


def test_a_run_is_found_by_how_its_name_starts(run: Run, mixed: Path) -> None:
    name = newest(run)
    assert run("status", name).stdout == run("status", name[:-1]).stdout
    missing = run("status", "2001")
    assert missing.exit_code == 2
    assert missing.error == "no run '2001' here; list them with `runner runs`"


def test_logs_of_something_unknown_may_have_meant_a_file_or_a_run(run: Run, mixed: Path) -> None:
    for what in ("in/typo.mp3", "2001"):
        missing = run("logs", what)
        assert missing.exit_code == 2
        assert missing.error.startswith(f"no file or run '{what}' is recorded in ")
        assert missing.error.endswith("; list the runs with `runner runs`")


@pytest.mark.parametrize("command", ["status", "logs", "clean", "retry"])
def test_the_list_of_runs_that_is_named_is_that_of_this_destination(
    command: str, run: Run, mixed: Path
) -> None:
    missing = run(command, "2001", "-o", mixed.parent / "out")
    assert missing.error.endswith(" with `runner runs -o out`")


@pytest.mark.parametrize("what", ["in/bad.mp4", "out/bad.wav", "bad.wav"])
def test_logs_show_ffmpegs_own_words(what: str, run: Run, mixed: Path) -> None:
    text = run("logs", what).stdout
    assert text.startswith("== in/bad.mp4  input: the file ends early")
    assert "Input #0, mov,mp4,m4a" in text
    assert "[error]" in text
    assert "[verbose]" not in text


def test_logs_of_a_run_are_those_of_its_failures(run: Run, mixed: Path) -> None:
    assert run("logs").stdout.count("== ") == 2
    assert run("logs", newest(run)).stdout == run("logs").stdout
    assert run("logs", "in/nowhere.mp3").exit_code == 2


def test_every_attempt_keeps_its_log(
    run: Run, media: Media, tmp_path: Path, stand_in: MakeStandIn
) -> None:
    media.put("clip.mp3", tmp_path / "a.mp3")
    program = stand_in("if is_first('once'):\n    say('[info] first words')\n    end_abruptly()")
    assert run("convert", "a.mp3", "--to", "wav", "--ffmpeg", program.path).exit_code == 0
    assert "first words" in run("logs", "a.mp3", "--attempt", "1").stdout
    assert "Output #0, wav" in run("logs", "a.mp3", "--attempt", "2").stdout


def test_retry_does_the_failed_files_alone_with_the_same_settings(
    run: Run, media: Media, tmp_path: Path, mixed: Path
) -> None:
    again = run("retry")
    assert again.exit_code == 1
    assert "2 files: 2 failed" in again.stderr
    media.put("clip.mp4", tmp_path / "in" / "bad.mp4", tmp_path / "in" / "mute.mp4")
    mended = run("retry")
    assert mended.exit_code == 0
    assert names(mixed) == {"a.wav", "b.wav", "bad.wav", "mute.wav"}
    assert "4 up to date" in run("convert", "in", "--to", "wav").stderr
    nothing = run("retry")
    assert nothing.exit_code == 3
    assert nothing.error.startswith("no failed files in run ")


def test_clean_forgets_runs_and_logs_and_keeps_what_the_results_are(
    run: Run, mixed: Path, stand_in: MakeStandIn
) -> None:
    before = {path: path.read_bytes() for path in mixed.glob("*.wav")}
    assert "forgot 0 runs" in run("clean").stderr
    assert run("logs", "in/a.mp3").exit_code == 0
    assert "forgot 1 run " in run("clean", "--older-than", "0d").stderr
    assert run("runs").stdout == ""
    assert run("logs", "in/a.mp3").exit_code == 2
    assert {path: path.read_bytes() for path in mixed.glob("*.wav")} == before
    program = stand_in()
    assert (
        "2 up to date"
        in run(
            "convert", "in", "--to", "wav", "--exclude", "*.mp4", "--ffmpeg", program.path
        ).stderr
    )
    assert not program.starts


@pytest.mark.parametrize("age", ["soon", "3", "d", "-1d", "3y"])
def test_an_age_that_is_none_is_refused(age: str, run: Run, mixed: Path) -> None:
    result = run("clean", "--older-than", age)
    assert result.exit_code == 2
    assert "--older-than" in result.stderr


def test_looking_at_a_destination_without_runs_makes_none(run: Run, tmp_path: Path) -> None:
    for command in ("runs", "status", "logs", "retry", "clean"):
        result = run(command)
        assert result.exit_code == 2
        assert result.error == "no runs in out: give the output folder with -o"
    assert not (tmp_path / "out").exists()


def test_a_very_long_log_is_kept_in_part(tmp_path: Path, run: Run, media: Media) -> None:
    media.put("clip.mp3", tmp_path / "a.mp3")
    assert run("convert", "a.mp3", "--to", "wav").exit_code == 0
    with Ledger.read(tmp_path / "out") as ledger:
        (attempt,) = ledger.attempts.at("a.wav")
    assert "Input #0" in attempt.log
    assert len(attempt.log) < 20_000
