"""A fork of the loaded command is the process that a shell would start."""

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import Run, names, posix_only, until
from tests.media import Media
from tests.stand_in import MakeStandIn

pytestmark = posix_only
StartCommand = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(params=["process", "fork"])
def start(request: pytest.FixtureRequest, run: Run) -> StartCommand:
    return replace(run, warm=request.param == "fork").start


def test_it_says_what_it_does_and_ends_with_its_code(
    start: StartCommand, media: Media, tmp_path: Path
) -> None:
    media.put("clip.wav", tmp_path / "in" / "a.wav")
    media.put("empty.mp4", tmp_path / "in" / "b.mp4")
    process = start("convert", "in")
    assert "in/b.mp4  input: the file is empty" in process.communicate(timeout=60)[1]
    assert process.returncode == process.poll() == 1
    process = start("status")
    assert "in/b.mp4  input: the file is empty" in process.communicate(timeout=60)[0]
    assert process.returncode == 0


def test_it_has_its_own_environment_and_no_input(
    start: StartCommand, media: Media, tmp_path: Path
) -> None:
    media.put("clip.wav", tmp_path / "a.wav")
    process = start("convert", "a.wav", RUNNER_OUT="elsewhere")
    assert process.wait(timeout=60) == 0
    process.communicate()
    assert names(tmp_path / "elsewhere") == {"a.mp3"}
    process = start("convert", "--files-from", "-")
    assert "Error: " in process.communicate(timeout=60)[1]


def test_two_of_them_are_two_runs(start: StartCommand, media: Media, tmp_path: Path) -> None:
    media.put("clip.wav", tmp_path / "a.wav")
    runs = set()
    for out in ("one", "two"):
        start("convert", "a.wav", "-o", out).communicate(timeout=60)
        runs.add(start("runs", "-o", out).communicate(timeout=60)[0].split()[0])
    assert len(runs) == 2


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)]
)
def test_it_leads_a_session_and_ends_as_a_signal_asks(
    start: StartCommand,
    stand_in: MakeStandIn,
    media: Media,
    tmp_path: Path,
    number: signal.Signals,
    code: int,
) -> None:
    media.put("clip.wav", tmp_path / "a.wav", tmp_path / "b.wav")
    program = stand_in("wait_for('go')")
    process = start("convert", "a.wav", "b.wav", "-j", 1, "--ffmpeg", program.path)
    until(lambda: program.starts)
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=0.01)
    assert os.getsid(process.pid) == os.getpgid(process.pid) == process.pid
    process.send_signal(number)
    program.path.with_name("go").touch()
    process.communicate(timeout=60)
    assert process.returncode == code
