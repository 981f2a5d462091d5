"""Each way in which a run ends has its exit code, and says what to do."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from runner.errors import ExitCode
from runner.media.failures import Kind
from tests.conftest import Run, names, until
from tests.media import Media
from tests.runner.programs import every_ffmpeg, failure_of, recipe, work
from tests.stand_in import KILLED, TOO_LONG, MakeStandIn, is_running


@pytest.fixture
def folder(media: Media, tmp_path: Path) -> Path:
    """Four good files."""
    folder = tmp_path / "in"
    media.put("clip.mp3", *(folder / f"{letter}.mp3" for letter in "abcd"))
    return folder


def test_all_converted_is_0(run: Run, folder: Path, destination: Path) -> None:
    result = run("convert", "in", "--to", "wav")
    assert result.exit_code == 0
    assert names(destination) == {"a.wav", "b.wav", "c.wav", "d.wav"}
    assert "4 files: 4 converted" in result.stderr


def test_all_up_to_date_is_0(run: Run, folder: Path, destination: Path) -> None:
    run("convert", "in", "--to", "wav")
    before = {path: path.stat().st_mtime_ns for path in destination.glob("*.wav")}
    result = run("convert", "in", "--to", "wav")
    assert result.exit_code == 0
    assert "4 files: 4 up to date" in result.stderr
    assert before == {path: path.stat().st_mtime_ns for path in destination.glob("*.wav")}


def test_some_failed_is_1_and_names_the_next_command(run: Run, folder: Path) -> None:
    (folder / "bad.mp4").write_bytes(b"bad")
    result = run("convert", "in", "--to", "wav")
    assert result.exit_code == 1
    assert "5 files: 4 converted, 1 failed" in result.stderr
    assert "runner logs FILE" in result.stderr
    assert "runner retry" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["convert"], "give a folder or files to convert, such as `runner convert ./in`"),
        (
            ["convert", "in", "--to", "wav", "--preset", "mp3"],
            "use either --to or --preset, not both",
        ),
        (["convert", "in", "--to", "cassette"], "unknown preset 'cassette'"),
        (["convert", "in", "--preset", "cassette"], "unknown preset 'cassette'"),
        (
            ["convert", "in", "--timeout", "soon"],
            "--timeout soon: use a number of seconds, or auto",
        ),
        (["convert", "in", "--timeout", "-3"], "--timeout -3: use a number of seconds, or auto"),
        (["convert", "in", "--timeout", "nan"], "--timeout nan: use a number of seconds, or auto"),
        (["convert", "in", "--name", "all"], "--name needs {stem} or {name}"),
        (["convert", "in", "--name", "{stem"], "--name {stem: "),
        (["convert", "in", "--name", "{steam}{ext}"], "--name: unknown field {steam}"),
        (["convert", "in", "--name", "{stem:d}"], "--name {stem:d}: "),
        (["convert", "in", "--name", "{stem:{what}}"], "--name {stem:{what}}: "),
        (["convert", "in", "--name", "../{name}"], "--name puts a.mp3 outside the destination"),
        (
            ["convert", "in", "-o", "in", "--to", "mp3", "--on-clash", "error"],
            "these files would be written to names that are taken:",
        ),
        (["runs"], "no runs in out: give the output folder with -o"),
        (["clean"], "no runs in out"),
        (
            ["clean", "--older-than", "999999w"],
            "--older-than 999999w: use a number with h, d or w",
        ),
        (["clean", "--older-than", "²d"], "--older-than ²d: use a number with h, d or w"),
        (["clean", "--older-than", "soon"], "--older-than soon: use a number with h, d or w"),
        (["presets", "cassette"], "unknown preset 'cassette'"),
    ],
)
def test_a_wrong_command_is_2_with_the_reason(
    run: Run, folder: Path, arguments: list[str], reason: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.error.startswith(reason) or reason in result.error
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["--jobs", "0"], ["--overwrite", "maybe"], ["--verify", "twice"], ["--retries", "-1"]],
)
def test_an_option_out_of_range_is_2(run: Run, folder: Path, arguments: list[str]) -> None:
    result = run("convert", "in", *arguments)
    assert result.exit_code == 2
    assert arguments[0] in result.stderr


@pytest.mark.parametrize("source", ["nowhere", "nothing*.mp4", "empty"])
def test_nothing_to_convert_is_3_and_one_line(run: Run, tmp_path: Path, source: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no media")
    result = run("convert", source)
    assert result.exit_code == 3
    assert result.stderr == f"Error: {result.error}\n"
    assert source in result.error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("program", ["/nowhere/ffmpeg", "no-such-ffmpeg", "in/a.mp3"])
def test_no_ffmpeg_is_4(run: Run, folder: Path, program: str) -> None:
    for result in (
        run("convert", "in", "--ffmpeg", program),
        run("convert", "in", RUNNER_FFMPEG=program),
    ):
        assert result.exit_code == 4
        assert result.error == f"--ffmpeg {program}: no such program"


@pytest.mark.parametrize(
    "script", ["sys.exit(126)", "say('sh: 1: exec: /nowhere/ffmpeg: not found'); sys.exit(127)"]
)
def test_an_ffmpeg_that_does_not_start_is_4(
    run: Run, folder: Path, stand_in: MakeStandIn, destination: Path, script: str
) -> None:
    result = run("convert", "in", "--ffmpeg", stand_in(script).path)
    assert result.exit_code == 4
    assert "does not start" in result.error
    assert not names(destination)


def test_an_ffmpeg_that_is_no_program_is_4(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "ffmpeg.exe").write_bytes(b"\0\1\2\3")
    (tmp_path / "ffmpeg.exe").chmod(0o755)
    result = run("convert", "in", "--ffmpeg", "./ffmpeg.exe")
    assert result.exit_code == 4
    assert "cannot start" in result.error


@pytest.fixture
def without_program(tmp_path: Path) -> str:
    """A PYTHONPATH where imageio-ffmpeg is as its wheel for platforms without a program of their own."""
    (tmp_path / "site" / "imageio_ffmpeg" / "binaries").mkdir(parents=True)
    (tmp_path / "site" / "imageio_ffmpeg" / "__init__.py").touch()
    return str(tmp_path / "site")


def test_no_embedded_ffmpeg_is_4(run: Run, folder: Path, without_program: str) -> None:
    result = run("convert", "in", PYTHONPATH=without_program, PATH=str(run.folder))
    assert result.exit_code == 4
    assert result.error.endswith("install ffmpeg, or give its path with --ffmpeg PATH")


def test_without_an_embedded_ffmpeg_that_on_path_is_used(
    run: Run, folder: Path, without_program: str, stand_in: MakeStandIn, destination: Path
) -> None:
    program = stand_in()
    path = os.pathsep.join((str(program.path.parent), os.environ["PATH"]))
    assert run("convert", "in", PYTHONPATH=without_program, PATH=path).exit_code == 0
    assert program.starts
    assert names(destination)


def test_a_program_that_imageios_variable_names_in_vain_is_4(run: Run, folder: Path) -> None:
    result = run("convert", "in", IMAGEIO_FFMPEG_EXE="nowhere")
    assert (result.exit_code, result.error) == (4, "IMAGEIO_FFMPEG_EXE=nowhere: no such program")


def test_a_destination_that_is_a_file_is_refused(run: Run, folder: Path, destination: Path) -> None:
    destination.write_text("I was here first")
    result = run("convert", "in")
    assert result.exit_code == 2
    assert "is a file" in result.stderr
    assert destination.read_text() == "I was here first"


def test_a_full_disk_is_4_and_leaves_no_half_file(
    run: Run, media: Media, tiny_disk: Path, tmp_path: Path
) -> None:
    media.put("talk.wav", *(tmp_path / "in" / f"{letter}.wav" for letter in "abcd"))
    result = run("convert", "in", "--to", "wav", "-o", tiny_disk / "out", "-j", "2")
    assert result.exit_code == 4
    assert "full" in result.error
    assert names(tiny_disk / "out") == set()
    assert not list((tiny_disk / "out" / ".runner").glob("tmp/*"))


def test_a_run_that_ended_on_a_full_disk_continues_when_there_is_space(
    run: Run, media: Media, tiny_disk: Path, tmp_path: Path
) -> None:
    # room for the ledger and some results, not for all
    media.put("clip.mp3", *(tmp_path / "in" / f"{n:02}.mp3" for n in range(12)))
    first = run("convert", "in", "--to", "opus", "-o", tiny_disk / "out", "-j", "1")
    assert first.exit_code == 4
    made = names(tiny_disk / "out")
    assert 0 < len(made) < 12
    subprocess.run(["mount", "-o", "remount,size=8m", str(tiny_disk)], check=True)
    second = run("convert", "in", "--to", "opus", "-o", tiny_disk / "out")
    assert second.exit_code == 0
    assert f"12 files: {12 - len(made)} converted, {len(made)} up to date" in second.stderr


@pytest.mark.parametrize("room", [0, 8, 24])
@every_ffmpeg
def test_a_disk_that_is_full_already_is_no_fault_of_the_source(
    room: int, ffmpeg: str, media: Media, tiny_disk: Path
) -> None:
    """Then there may be no room for ffmpeg's log either, which would say so."""
    (tiny_disk / ".scratch").mkdir()
    (tiny_disk / "full").write_bytes(bytes(free_bytes(tiny_disk) - room * 1024))
    failure = failure_of(work(media("talk.wav"), tiny_disk / "a", how=recipe("wav"), ffmpeg=ffmpeg))
    assert (failure.kind, failure.message) == (Kind.ENVIRONMENT, "the disk is full")


def free_bytes(disk: Path) -> int:
    return shutil.disk_usage(disk).free


@pytest.mark.skipif(not shutil.which("prlimit"), reason="only Linux can limit a command's files so")
def test_a_file_size_limit_is_no_reason_to_leave_half_a_file(
    run: Run, folder: Path, destination: Path
) -> None:
    result = run.process("convert", "in", "--to", "wav", prefix=("prlimit", "--fsize=100000"))
    assert result.exit_code != 0
    assert names(destination) == set()


def test_an_unknown_encoder_stops_the_run_once_the_first_files_fail_alike(
    run: Run, media: Media, tmp_path: Path, stand_in: MakeStandIn
) -> None:
    media.put("clip.mp3", *(tmp_path / "in" / f"{n}.mp3" for n in range(9)))
    program = stand_in()
    result = run(
        *("convert", "in", "-j", "1", "--ffmpeg", program.path),
        *("--to", "mp3", "--", "-c:a", "libfraunhofer"),
    )
    assert result.exit_code == 2
    assert (
        result.error
        == "every file failed with the same error: this ffmpeg has no encoder 'libfraunhofer'"
    )
    assert len(program.starts) < 6
    assert all("settings: " in line for line in result.failures)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["-frobnicate", "1"], "ffmpeg does not know the option 'frobnicate'"),
        (["-c:a", "libmp3lame", "-b:a", "loud"], "bad"),
        (["-c:a", "libmp3lame", "-ar", "fast"], "bad value for ar: fast"),
        (["-af", "frobnicate"], "this ffmpeg has no filter 'frobnicate'"),
    ],
)
def test_wrong_words_for_ffmpeg_are_settings(
    run: Run, folder: Path, arguments: list[str], reason: str
) -> None:
    result = run("convert", "in", "--", *arguments)
    assert result.exit_code == 2
    assert result.error.startswith(f"every file failed with the same error: {reason}")


def test_an_unknown_format_is_settings(run: Run, folder: Path) -> None:
    result = run("convert", "in", "--to", "cassette", "--", "-c:a", "copy")
    assert result.exit_code == 2
    assert "ffmpeg does not know a format for this suffix" in result.error


def test_fail_fast_stops_after_so_many_failures(
    run: Run, tmp_path: Path, media: Media, stand_in: MakeStandIn
) -> None:
    media.put("text.mp4", *(tmp_path / "in" / f"{n}.mp4" for n in range(9)))
    program = stand_in()
    result = run("convert", "in", "-j", "1", "--fail-fast", "2", "--ffmpeg", program.path)
    assert result.exit_code == 1
    assert result.error == "stopped after 2 failed files (--fail-fast)"
    assert 2 <= len(program.starts) < 9


def test_a_bug_is_70_and_asks_to_be_reported(run: Run, folder: Path, tmp_path: Path) -> None:
    # a standard module that does not work, as no input brings a bug about that is not mended
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "platformdirs.py").write_text("raise ZeroDivisionError('broken')")
    result = run("convert", "in", PYTHONPATH=str(tmp_path / "broken"))
    assert result.exit_code == 70
    assert "ZeroDivisionError: broken" in result.stderr
    assert result.error.startswith("this is a bug in runner; please report it")


def test_the_help_tells_every_exit_code(run: Run) -> None:
    text = " ".join(run("--help").stdout.split())
    for code in ExitCode:
        assert f"{int(code)} {code.meaning}" in text


# ---- timeouts and temporary errors


def test_a_file_that_takes_too_long_is_given_up(
    run: Run, folder: Path, stand_in: MakeStandIn, destination: Path
) -> None:
    program = stand_in("if 'a.mp3' in WORDS: time.sleep(100)")
    result = run("convert", "in", "--to", "wav", "--timeout", TOO_LONG, "--ffmpeg", program.path)
    assert result.exit_code == 1
    assert "in/a.mp3  timeout: took longer than its time limit" in result.failures[0]
    assert names(destination) == {"b.wav", "c.wav", "d.wav"}
    assert sum("a.mp3" in start for start in program.starts) == 1


def test_a_timeout_ends_the_children_too(
    run: Run, folder: Path, stand_in: MakeStandIn, tmp_path: Path
) -> None:
    # longer than `run` waits: who kills the leader alone waits for the child to close the pipe
    program = stand_in(
        "child = start_python('import time; time.sleep(150)')\nappend('pids', str(child.pid))\n"
        "child.wait()"
    )
    result = run("convert", "in/a.mp3", "--timeout", TOO_LONG, "--ffmpeg", program.path)
    assert result.exit_code == 1
    (child,) = program.said("pids")
    until(lambda: not is_running(int(child)))


def test_a_killed_ffmpeg_is_tried_again(
    run: Run, folder: Path, stand_in: MakeStandIn, destination: Path
) -> None:
    program = stand_in("if is_first('once'): end_abruptly()")
    result = run("convert", "in/a.mp3", "--to", "wav", "--ffmpeg", program.path)
    assert result.exit_code == 0
    assert f"RETRY in/a.mp3  transient: ffmpeg {KILLED}" in result.stderr
    assert len(program.starts) == 2
    assert names(destination) == {"a.wav"}


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_retries_are_counted(
    run: Run, folder: Path, stand_in: MakeStandIn, destination: Path, retries: int
) -> None:
    program = stand_in("end_abruptly()")
    result = run("convert", "in/a.mp3", "--retries", retries, "--ffmpeg", program.path)
    assert result.exit_code == 1
    assert len(program.starts) == retries + 1
    assert f"transient: ffmpeg {KILLED}" in result.failures[0]
    assert names(destination) == set()


def test_a_damaged_file_is_not_tried_again(
    run: Run, media: Media, tmp_path: Path, stand_in: MakeStandIn
) -> None:
    media.put("truncated.mp4", tmp_path / "a.mp4")
    program = stand_in()
    assert run("convert", "a.mp4", "--ffmpeg", program.path).exit_code == 1
    assert sum(" -y " in start for start in program.starts) == 1
