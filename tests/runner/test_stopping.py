"""Ctrl-C, SIGTERM and kill -9: nothing is lost, nothing is done twice, no half file stays."""

import json
import os
import random
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from tests.conftest import Run, in_work, names, needs_links, tree, until
from tests.media import Media
from tests.stand_in import MakeStandIn, StandIn, is_running

if TYPE_CHECKING or os.name == "posix":
    import fcntl

signals = pytest.mark.skipif(
    os.name != "posix",
    reason="a program gets no signals there; tools/windows/check.py presses Ctrl-C and Ctrl-Break",
)
orphans_stay = pytest.mark.skipif(
    os.name != "posix",
    reason="there, what a runner started ends with it, so nothing is to be found",
)

Start = Callable[..., subprocess.Popen[str]]

# Begins its work, says so, and goes on only when the test lets it.
HELD = """
append("pids", str(os.getpid()))
wait_for("go")
"""


# The same, with a child that nobody lets go on.
WITH_A_CHILD = """
child = start_python("import time; time.sleep(60)")
append("pids", str(os.getpid()))
append("pids", str(child.pid))
child.wait()
"""


def pids(program: StandIn) -> list[int]:
    return [int(line) for line in program.said("pids")]


@pytest.fixture
def held(stand_in: MakeStandIn) -> StandIn:
    """An ffmpeg that waits for `go`."""
    return stand_in(HELD)


@pytest.fixture
def folder(media: Media, tmp_path: Path) -> Path:
    """Six good files."""
    media.put("clip.mp3", *(tmp_path / "in" / f"{n}.mp3" for n in range(6)))
    return tmp_path / "in"


def go(program: StandIn) -> None:
    (program.path.parent / "go").touch()


def wait_for_line(process: subprocess.Popen[str], start: str) -> None:
    assert process.stderr is not None
    assert any(line.startswith(start) for line in process.stderr)


def stop_twice(process: subprocess.Popen[str], number: int) -> None:
    process.send_signal(number)
    wait_for_line(process, "stopping")
    process.send_signal(number)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


@signals
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_the_first_signal_lets_the_running_files_end(
    number: str, started: Start, held: StandIn, folder: Path, run: Run, destination: Path
) -> None:
    process = started("convert", "in", "--to", "wav", "-j", "2", "--ffmpeg", held.path)
    until(lambda: len(pids(held)) == 2)
    process.send_signal(getattr(signal, number))
    go(held)
    code, errors = finish(process)
    assert code == 130
    assert len(names(destination)) == 2
    assert len(held.starts) == 2
    assert "stopped with 4 of 6 files left; run the same command again to continue" in errors
    again = run("convert", "in", "--to", "wav", "--ffmpeg", held.path)
    assert again.exit_code == 0
    assert "6 files: 4 converted, 2 up to date" in again.stderr


@signals
def test_a_whole_process_group_may_be_interrupted_as_a_terminal_does(
    run: Run, held: StandIn, folder: Path, destination: Path
) -> None:
    installed = replace(run, warm=False)  # the others are forks of one, see conftest.py
    process = installed.start("convert", "in", "--to", "wav", "-j", "2", "--ffmpeg", held.path)
    until(lambda: len(pids(held)) == 2)
    os.killpg(process.pid, signal.SIGINT)
    go(held)
    assert finish(process)[0] == 130
    assert len(names(destination)) == 2


@signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_the_running_files_and_their_children(
    number: int, started: Start, stand_in: MakeStandIn, folder: Path, destination: Path
) -> None:
    program = stand_in(WITH_A_CHILD)
    process = started("convert", "in", "-j", "2", "--ffmpeg", program.path)
    until(lambda: len(pids(program)) == 4)
    stop_twice(process, number)
    assert finish(process)[0] == 130
    until(lambda: not any(map(is_running, pids(program))))
    assert names(destination) == set()
    assert not list((destination / ".runner").glob("tmp/*"))


@signals
def test_no_half_file_is_left_by_an_interrupted_ffmpeg(
    started: Start, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("long.mp3", *(tmp_path / "in" / f"{n}.mp3" for n in range(2)))
    process = started("convert", "in", "--to", "podcast", "-j", "2")
    until(lambda: in_work(destination, ".runner/tmp/*/*.log"))
    stop_twice(process, signal.SIGINT)
    assert finish(process)[0] == 130
    assert names(destination) == set()
    assert not list((destination / ".runner").glob("tmp/*"))


@signals
def test_after_the_first_signal_nothing_is_tried_again(
    started: Start, stand_in: MakeStandIn, folder: Path
) -> None:
    program = stand_in(f"{HELD}\nend_abruptly()")
    process = started("convert", "in", "-j", "1", "--ffmpeg", program.path)
    until(lambda: len(pids(program)) == 1)
    process.send_signal(signal.SIGTERM)
    wait_for_line(process, "stopping")
    go(program)
    code, _ = finish(process)
    assert code == 130
    assert len(program.starts) == 1


@signals
def test_an_interrupt_is_an_error_in_json(started: Start, held: StandIn, folder: Path) -> None:
    process = started("convert", "in", "--json", "-j", "1", "--ffmpeg", held.path)
    until(lambda: pids(held))
    process.send_signal(signal.SIGINT)
    go(held)
    out, _ = process.communicate(timeout=60)
    last = json.loads(out.splitlines()[-1])
    assert (last["event"], last["exit_code"]) == ("error", 130)


# ---- kill -9


def test_a_killed_run_can_be_resumed_and_leaves_no_ffmpeg_behind(
    started: Start, held: StandIn, folder: Path, run: Run, destination: Path
) -> None:
    process = started("convert", "in", "--to", "wav", "-j", "2", "--ffmpeg", held.path)
    until(lambda: len(pids(held)) == 2)
    process.kill()
    process.wait()
    orphans = pids(held)
    assert os.name != "posix" or all(map(is_running, orphans))
    assert list((destination / ".runner" / "tmp").glob("*/*.log"))

    status = run("status")
    assert "interrupted: run the same command again to continue" in status.stdout
    again = run("convert", "in", "--to", "wav")
    assert again.exit_code == 0
    assert "6 files: 6 converted" in again.stderr
    until(lambda: not any(map(is_running, orphans)))
    assert not list((destination / ".runner").glob("tmp/*"))


@pytest.mark.parametrize("preset", ["wav", "podcast"])
def test_orphans_are_ended_in_either_pass(
    preset: str, started: Start, held: StandIn, folder: Path, run: Run
) -> None:
    process = started("convert", "in/0.mp3", "--preset", preset, "--ffmpeg", held.path)
    until(lambda: pids(held))
    process.kill()
    process.wait()
    assert run("convert", "in/0.mp3", "--preset", preset).exit_code == 0
    until(lambda: not any(map(is_running, pids(held))))


@orphans_stay
@pytest.mark.parametrize(
    ("note", "is_ended"),
    [
        ("{pid} {host}\n", True),
        ("{pid} another-host\n", False),  # a share: the number is another process's here
        ("{pid} {host}", False),  # cut off, as on a full disk: it may be a longer number
        ("{pid}", False),
        ("", False),
        ("0 {host}\n", False),
        ("-1 {host}\n", False),
        (None, False),
    ],
)
@pytest.mark.parametrize("locks", [True, False])
def test_only_our_own_orphans_are_ended(
    note: str | None,
    is_ended: bool,
    locks: bool,
    folder: Path,
    run: Run,
    destination: Path,
    somebody: Callable[[IO[bytes]], subprocess.Popen[bytes]],
) -> None:
    left = destination / ".runner" / "tmp" / "abc"
    left.mkdir(parents=True)
    with (left / "x.log").open("wb") as log:
        if locks:
            fcntl.flock(log, fcntl.LOCK_EX)
        process = somebody(log)
    if note is not None:
        words = note.format(pid=process.pid, host=socket.gethostname())
        (left / "x.process").write_text(words)
    assert run("convert", "in/0.mp3", "--to", "wav").exit_code == 0
    if is_ended and locks:
        process.wait(90)
    else:
        assert process.poll() is None
    assert not left.exists()


@pytest.fixture
def somebody() -> Iterator[Callable[[IO[bytes]], subprocess.Popen[bytes]]]:
    """Start a process that has a log open, and perhaps works for a runner."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(log: IO[bytes]) -> subprocess.Popen[bytes]:
        # as its input, so that nothing but the note leads to it
        processes.append(subprocess.Popen(["sleep", "60"], stdin=log, start_new_session=True))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


@orphans_stay
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system has no /proc")
def test_an_orphan_is_found_whose_runner_had_no_time_for_a_note(
    started: Start, held: StandIn, folder: Path, run: Run, destination: Path
) -> None:
    process = started("convert", "in/0.mp3", "--to", "wav", "--ffmpeg", held.path)
    until(lambda: pids(held) and in_work(destination, ".runner/tmp/*/*.process"))
    process.kill()
    process.wait()
    for note in destination.glob(".runner/tmp/*/*.process"):
        note.unlink()
    assert run("convert", "in/0.mp3", "--to", "wav").exit_code == 0
    until(lambda: not any(map(is_running, pids(held))))


# The first one has a child that cannot be ended: it is in a session of its own, and has left our log.
# That writes what it was told to write when the second one has done so, and before that one ends.
LATE_ORPHAN = """
if is_first("started"):
    if not os.fork():
        os.setsid()
        os.dup2(0, 1), os.dup2(0, 2)
        wait_for("made")
        try:
            append(result(), "late")
        finally:  # its folder may be gone by now
            append("written", "")
        sys.exit()
    append("pids", str(os.getpid()))
    time.sleep(60)
start(REAL, *ARGUMENTS).wait()
append("made", "")
wait_for("written")
sys.exit()
"""


@orphans_stay
def test_an_orphan_that_cannot_be_ended_writes_into_no_result_of_ours(
    started: Start, stand_in: MakeStandIn, folder: Path, run: Run, destination: Path
) -> None:
    program = stand_in(LATE_ORPHAN)
    command = ("convert", "in/0.mp3", "--to", "wav", "--ffmpeg", program.path)
    process = started(*command)
    until(lambda: pids(program))
    process.kill()
    process.wait()
    assert run(*command).exit_code == 0
    assert run("convert", "in/0.mp3", "--to", "wav", "-o", "alone").exit_code == 0
    assert tree(destination) == tree(destination.with_name("alone"))


def test_what_a_kill_left_is_cleared_even_if_nothing_is_left_to_convert(
    folder: Path, run: Run, destination: Path
) -> None:
    assert run("convert", "in", "--to", "wav").exit_code == 0
    scratch = destination / ".runner" / "tmp"
    scratch.mkdir()
    (scratch / "left.wav").write_bytes(b"half")
    assert run("convert", "in", "--to", "wav").exit_code == 0
    assert not (scratch / "left.wav").exists()


@needs_links
@pytest.mark.parametrize("linked", [".runner/tmp", ".runner/tmp/left"])
def test_what_a_link_leads_to_is_not_cleared_away(
    linked: str, folder: Path, run: Run, destination: Path
) -> None:
    (destination / linked).parent.mkdir(parents=True)
    (destination / linked).symlink_to(folder)
    assert run("convert", "in", "--to", "wav").exit_code == 0
    assert len(names(folder)) == 6
    assert not (destination / linked).exists()


@pytest.mark.skipif(
    os.name != "posix", reason="a start takes seconds there; tools/windows/check.py does the same"
)
def test_killed_at_random_moments_nothing_is_lost_and_nothing_is_done_twice(
    started: Start, stand_in: MakeStandIn, media: Media, run: Run, tmp_path: Path
) -> None:
    total = 16
    media.put("clip.mp3", *(tmp_path / "in" / f"{n:02}.mp3" for n in range(total)))
    program = stand_in("time.sleep(0.1)")
    command = ("convert", "in", "--to", "wav", "-j", "2", "--ffmpeg", str(program.path))
    chance = random.Random(20261122)
    seen: dict[str, int] = {}
    kills = 0
    while kills < 10:
        process = started(*command)
        try:
            process.wait(chance.uniform(0.02, 0.4))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
        else:
            break
        for path in (tmp_path / "out").glob("*.wav"):
            modified = path.stat().st_mtime_ns
            # what has its final name is whole, and is never made again
            assert seen.setdefault(path.name, modified) == modified
            assert path.stat().st_size > 150_000
    last = run(*command)
    assert last.exit_code == 0
    assert names(tmp_path / "out") == {f"{n:02}.wav" for n in range(total)}
    for path in (tmp_path / "out").glob("*.wav"):
        modified = path.stat().st_mtime_ns
        assert seen.setdefault(path.name, modified) == modified
    assert kills >= 3
    assert not list((tmp_path / "out" / ".runner").glob("tmp/*"))
    # a killed run repeats at most what it had in hand
    conversions = sum(" -y " in start for start in program.starts)
    assert total <= conversions <= total + 2 * kills


def test_killed_between_the_name_and_the_ledger_a_result_is_checked_and_not_made_again(
    run: Run, folder: Path, destination: Path, stand_in: MakeStandIn
) -> None:
    assert run("convert", "in", "--to", "wav").exit_code == 0
    # as if the process had ended after the renames: the files are there, the ledger knows nothing
    (destination / ".runner" / "ledger.sqlite").unlink()
    program = stand_in()
    again = run("convert", "in", "--to", "wav", "--ffmpeg", program.path)
    assert again.exit_code == 0
    assert "6 files: 6 up to date" in again.stderr
    assert not any(" -y " in start for start in program.starts)


# ---- two runners


def test_the_second_runner_is_told_who_holds_the_destination(
    started: Start, held: StandIn, folder: Path, run: Run, destination: Path
) -> None:
    first = started("convert", "in", "--to", "wav", "-j", "1", "--ffmpeg", held.path)
    until(lambda: pids(held))
    second = run("convert", "in", "--to", "wav")
    assert second.exit_code == 5
    assert "is in use by run " in second.error
    if os.name == "posix":  # on Windows, runner.exe has a Python as its child
        assert f"process {first.pid} on " in second.error
    assert names(destination) == set()
    go(held)
    assert finish(first)[0] == 0
    assert run("convert", "in", "--to", "wav").exit_code == 0


def test_a_run_that_works_is_shown_as_running(
    started: Start, held: StandIn, folder: Path, run: Run
) -> None:
    first = started("convert", "in", "--to", "wav", "-j", "1", "--ffmpeg", held.path)
    until(lambda: pids(held))
    assert "running" in run("runs").stdout
    assert "running" in run("status").stdout
    assert run("clean", "--older-than", "0d").exit_code == 5
    go(held)
    assert finish(first)[0] == 0
    assert "6 converted" in run("runs").stdout


def test_two_destinations_do_not_wait_for_each_other(
    started: Start, held: StandIn, folder: Path, run: Run
) -> None:
    started("convert", "in", "--to", "wav", "-j", "1", "--ffmpeg", held.path)
    until(lambda: pids(held))
    assert run("convert", "in/0.mp3", "--to", "wav", "-o", "other").exit_code == 0
