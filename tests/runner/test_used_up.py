"""Where this machine gives no more files, processes or threads, no file is accused of it."""

import errno
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runner.engine import Stop
from runner.errors import SetupError
from runner.ledger import Ledger
from runner.local import LocalEngine
from runner.media.failures import ConversionError
from runner.media.ffmpeg import Ffmpeg, Limits, ProcessHandle
from runner.media.source import check_source
from runner.media.target import from_os
from runner.models import Conversion, Event, Kind, Plan, State
from runner.overwrite import OverwritePolicy
from runner.selection import Selection, find_files, stat_source
from tests.conftest import Run
from tests.media import Media
from tests.runner.programs import failure_of, recipe, work

if TYPE_CHECKING or os.name == "posix":
    import resource

limited = pytest.mark.skipif(os.name != "posix", reason="there are no such limits")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM])
def test_what_is_used_up_is_the_environments(number: int) -> None:
    failure = from_os(OSError(number, os.strerror(number))).failure
    assert failure.kind is Kind.ENVIRONMENT
    assert ":" in failure.message or number == errno.ENFILE, "with what to do"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_destination_that_cannot_be_written_is_an_environment_failure(number: int) -> None:
    failure = from_os(OSError(number, os.strerror(number))).failure
    assert (failure.kind, failure.message) == (Kind.ENVIRONMENT, os.strerror(number).lower())


@pytest.mark.parametrize("number", [errno.EIO, errno.EBUSY, errno.ENOENT])
def test_what_else_goes_wrong_may_pass(number: int) -> None:
    failure = from_os(OSError(number, os.strerror(number))).failure
    assert (failure.kind, failure.message) == (Kind.TRANSIENT, os.strerror(number).lower())


@contextmanager
def no_files_left() -> Iterator[None]:
    """Let this process open no file more."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208 - numbers
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
    held: list[int] = []
    try:
        while True:
            held.append(os.dup(0))
    except OSError:
        yield
    finally:
        for number in held:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@contextmanager
def no_threads_left() -> Iterator[None]:
    """Let this process start no thread more: each wants more memory than there is."""
    before = threading.stack_size(1 << 46)
    try:
        yield
    finally:
        threading.stack_size(before)


@limited
def test_a_source_that_cannot_be_opened_for_that_is_not_accused(
    media: Media, tmp_path: Path
) -> None:
    source = media.put("clip.mp3", tmp_path / "a.mp3")
    with no_files_left(), pytest.raises(ConversionError, match="too many open files") as caught:
        check_source(str(source))
    assert caught.value.failure.kind is Kind.ENVIRONMENT


@limited
def test_nor_is_a_folder_that_cannot_be_looked_into(media: Media, tmp_path: Path) -> None:
    media.put("clip.mp3", tmp_path / "in" / "a.mp3")
    with no_files_left(), pytest.raises(SetupError, match="too many open files: raise `ulimit -n`"):
        list(find_files([str(tmp_path / "in")], Selection()))


@limited
def test_nor_is_a_result_that_cannot_be_checked(
    media: Media, tmp_path: Path, destination: Path
) -> None:
    source = media.put("clip.mp3", tmp_path / "a.mp3")
    media.put("clip.wav", destination / "a.wav")
    conversion = Conversion(stat_source(str(source)), "a.wav", recipe("wav"))
    with Ledger.open(destination) as ledger, no_files_left():
        event = OverwritePolicy(ledger, media.ffmpeg)._check(
            Plan("run", destination, ()), conversion, ""
        )
    assert event.failure
    assert event.failure.kind is Kind.ENVIRONMENT


@limited
def test_a_conversion_that_cannot_start_a_process_is_not_accused(
    media: Media, tmp_path: Path
) -> None:
    source = media.put("clip.mp3", tmp_path / "a.mp3")
    with no_files_left():
        failure = failure_of(work(source, tmp_path / "a.wav", ffmpeg=media.ffmpeg))
    assert failure.kind is Kind.ENVIRONMENT


@limited
def test_a_run_without_threads_ends_with_one_clear_line(
    media: Media, tmp_path: Path, destination: Path
) -> None:
    source = media.put("clip.mp3", tmp_path / "a.mp3")
    plan = Plan("run", destination, (Conversion(stat_source(str(source)), "a.wav", recipe("wav")),))
    engine = LocalEngine(ffmpeg=media.ffmpeg)
    with no_threads_left(), pytest.raises(SetupError, match="no more threads can be started"):
        list(engine.run(plan, Stop()))
    *_, end = engine.run(plan, Stop())
    assert isinstance(end, Event)
    assert end.state is State.CONVERTED


@limited
def test_an_ffmpeg_that_cannot_be_watched_is_killed(media: Media, tmp_path: Path) -> None:
    handle = ProcessHandle()
    ffmpeg = Ffmpeg(
        media.ffmpeg, log_path=str(tmp_path / "log"), handle=handle, limits=Limits(seconds=60)
    )
    endless = ("-f", "lavfi", "-re", "-i", "sine", "-f", "null", "-")
    with no_threads_left(), pytest.raises(ConversionError, match="no more threads") as caught:
        ffmpeg.run(endless, lambda *_: None)
    assert caught.value.failure.kind is Kind.ENVIRONMENT


@limited
@pytest.mark.parametrize("limit", [7, 12, 14])
def test_a_run_with_few_files_to_open_accuses_none(
    run: Run, media: Media, tmp_path: Path, limit: int
) -> None:
    media.put("clip.mp3", *(tmp_path / "in" / f"{number}.mp3" for number in range(4)))
    prlimit = shutil.which("prlimit") or pytest.skip("there is no prlimit here")
    few = (prlimit, f"--nofile={limit}")
    result = run.process("convert", "in", "--to", "wav", "-j4", prefix=few)
    assert result.exit_code in (0, 4)
    assert "input:" not in result.stderr
    assert "Traceback" not in result.stderr
    assert run("convert", "in", "--to", "wav").exit_code == 0
