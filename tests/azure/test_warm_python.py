"""A fork of the loaded worker is the process that a node would start."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from runner.azure.task_spec import WORKER
from runner.azure.worker_package import pack_worker
from runner.media.order import ORDER, Order
from runner.media.record import RECORD, Record
from runner.presets import BUILT_IN
from tests.conftest import until
from tests.emulator.node_agent import SYSTEM_PATH
from tests.emulator.process import Process, Start, start_process
from tests.forks import Fork
from tests.media import Media
from tests.warm_python import WarmPython

pytestmark = pytest.mark.skipif(os.name != "posix", reason="nodes have Linux")
_ORDER = Order(source="a.wav", recipe=BUILT_IN["mp3"].recipe()).as_json()
StartWorker = Callable[..., Process]


@pytest.fixture(params=["process", "fork"])
def start(request: pytest.FixtureRequest, warm_python: WarmPython) -> Start:
    return {"process": start_process, "fork": warm_python.start}[request.param]


@pytest.fixture
def start_worker(start: Start, tmp_path: Path) -> StartWorker:
    """Start the worker in *tmp_path*, with ffmpeg or another program in its place."""
    (tmp_path / WORKER).write_bytes(pack_worker()[1])
    (tmp_path / "bin").mkdir()

    def starting(ffmpeg: str = get_ffmpeg_exe(), order: str = _ORDER) -> Process:
        (tmp_path / "bin" / "ffmpeg").symlink_to(ffmpeg)
        with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
            return start(
                ["/bin/bash", "-c", f"exec python3 {WORKER}"],
                cwd=tmp_path,
                env={"PATH": f"{tmp_path}/bin:{SYSTEM_PATH}", ORDER: order},
                stdout=out,
                stderr=err,
            )

    return starting


def test_it_converts(start_worker: StartWorker, media: Media, tmp_path: Path) -> None:
    media.put("clip.wav", tmp_path / "a.wav")
    process = start_worker()
    assert process.wait() == 0
    record = Record.from_json((tmp_path / RECORD).read_bytes())
    assert record.size == (tmp_path / "result.mp3").stat().st_size


def test_it_fails_with_a_word_and_a_code(
    start_worker: StartWorker, media: Media, tmp_path: Path
) -> None:
    media.put("truncated.mp4", tmp_path / "a.wav")
    process = start_worker()
    assert process.wait() == 1
    assert (tmp_path / "err").read_text().startswith("input: ")


def test_a_fault_of_its_own_is_a_traceback(start_worker: StartWorker, tmp_path: Path) -> None:
    process = start_worker(order="nonsense")
    assert process.wait() == 1
    assert "Traceback" in (tmp_path / "err").read_text()
    assert not (tmp_path / RECORD).exists()


def test_it_leads_a_session_that_can_be_killed(
    start_worker: StartWorker, media: Media, tmp_path: Path
) -> None:
    media.put("clip.wav", tmp_path / "a.wav")
    stuck = tmp_path / "stuck"
    stuck.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\nexec sleep 60\n")
    stuck.chmod(0o755)
    process = start_worker(str(stuck))
    until((tmp_path / "started").exists)
    assert os.getsid(process.pid) == process.pid
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_what_is_not_the_worker_is_started_as_it_is(
    warm_python: WarmPython, tmp_path: Path
) -> None:
    (tmp_path / WORKER).write_bytes(b"another")
    with (tmp_path / "out").open("wb") as out:
        process = warm_python.start(
            ["/bin/bash", "-c", f"exec python3 {WORKER}"],
            cwd=tmp_path,
            env={"PATH": SYSTEM_PATH},
            stdout=out,
            stderr=out,
        )
    assert not isinstance(process, Fork)
    assert process.wait() == 1
