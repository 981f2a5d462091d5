"""`--watch`: what is put into a folder is converted once it is complete."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from runner.cli.watching import Watch
from runner.errors import ExitCode, SetupError, TransientError
from runner.models import Source
from runner.selection import FoundFile, Selection
from runner.watch import StableFiles, is_being_written, is_temporary
from tests.conftest import Run, names, posix_only, until
from tests.media import Media

UNIT = Path(__file__).parents[2] / "docs" / "examples" / "runner-watch.service"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def found(name: str, size: int = 1, mtime_ns: int = 1) -> FoundFile:
    return FoundFile(Source(f"/nowhere/{name}", size, mtime_ns), name)


def test_a_file_is_complete_once_and_again_when_it_changes() -> None:
    clock = Clock()
    settling = StableFiles(10, clock)
    given = []
    looks = [(0, 1), (5, 2), (14, 2), (15, 2), (40, 2), (50, 3), (61, 3), (90, 3)]
    for seconds, size in looks:
        clock.now = 100.0 + seconds
        if settling.complete([found("a.wav", size)]):
            given.append(seconds)
    assert given == [15, 61], "ten seconds after it stopped growing, and after it changed"


def test_what_goes_is_forgotten_unless_its_whole_folder_is_gone() -> None:
    clock = Clock()
    settling = StableFiles(1, clock)
    files = [found(f"{number}.wav") for number in range(100)]
    settling.complete(files)
    clock.now += 2
    assert len(settling.complete(files)) == 100
    settling.complete([], is_whole=False)
    clock.now += 2
    assert settling.complete(files) == [], "a share that comes back"
    settling.complete([])
    assert len(settling._taken) + len(settling._seen) == 0, (
        "memory holds what is there, and no more"
    )
    settling.complete(files)
    clock.now += 2
    assert len(settling.complete(files)) == 100


def test_what_could_not_be_done_comes_again() -> None:
    clock = Clock()
    settling = StableFiles(1, clock)
    for expected in (0, 1, 0):
        assert len(settling.complete([found("a.wav")])) == expected
        clock.now += 2
    settling.put_back([found("a.wav")])
    assert settling.complete([found("a.wav")]) == []
    clock.now += 2
    assert len(settling.complete([found("a.wav")])) == 1


def test_a_batch_that_cannot_be_done_is_tried_again_soon_and_then_less_often(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faults = [TransientError("no line")] * 5 + [None, SetupError("disk full"), None]

    def convert(_: list[FoundFile]) -> ExitCode:
        if fault := faults.pop(0):
            raise fault
        return ExitCode.OK

    watch = Watch(("in",), Selection(), _no_store, tmp_path, 4, convert)
    waits = [watch._convert([found("a.wav")]) for _ in list(faults)]
    assert waits == [5, 10, 20, 40, 60, 0, 5, 0]
    said = capsys.readouterr().err.splitlines()
    assert said[1] == "Error: no line (trying again in 10 s)"
    assert said[-1] == "Error: disk full (trying again in 5 s)"


@pytest.mark.parametrize("name", ["a.wav.part", "a.crdownload", "~a.wav", ".a.wav", "a.wav~"])
def test_names_of_unfinished_copies_are_left_out(name: str) -> None:
    assert is_temporary(f"/x/{name}")
    assert not is_temporary("/x/part.wav")


@pytest.mark.skipif(sys.platform == "darwin", reason="only Linux and Windows tell")
def test_a_file_that_is_open_for_writing_is_not_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with path.open("wb"):
        assert is_being_written(str(path))
    with path.open("rb"):
        assert not is_being_written(str(path))
    assert not is_being_written(str(tmp_path / "gone"))


@posix_only
def test_a_watched_folder_is_converted_as_it_fills_until_it_is_stopped(
    started: Callable[..., subprocess.Popen[str]], media: Media, tmp_path: Path, destination: Path
) -> None:
    folder = tmp_path / "in"
    media.put("clip.mp3", folder / "sub" / "first.mp3")
    words = ("--watch", "--settle", "0.3", "--source", "move:done", "--yes", "--where", "local")
    process = started("convert", "in", *words)
    lines: list[str] = []
    assert process.stderr is not None
    listener = threading.Thread(target=lines.extend, args=(process.stderr,))
    listener.start()
    until(lambda: names(tmp_path / "done") == {"sub/first.mp3"})
    media.put("empty.mp4", folder / "bad.mp4")
    folder.rename(tmp_path / "away")  # a share that goes and comes back
    folder_again = shutil.copytree(tmp_path / "away", tmp_path / "again")
    folder_again.rename(folder)
    media.put("clip.mp3", folder / "b.mp3.part")
    (folder / "b.mp3.part").rename(folder / "b.mp3")
    until(lambda: names(tmp_path / "done") == {"sub/first.mp3", "b.mp3"})
    until(lambda: [line for line in lines if line.startswith("FAILED")])
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 1, lines
    listener.join(60)
    assert len([line for line in lines if line.startswith("FAILED")]) == 1, "it is not tried again"
    assert lines[0].startswith(
        "watching 'in'; files are converted once they have not changed for 0.3 s"
    )
    assert re.fullmatch(r"stopped watching 'in' after .* s: 2 converted, 1 failed\n", lines[-1]), (
        lines
    )
    assert names(folder) == {"bad.mp4"}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("in", "-n"), "--watch cannot be used with --dry-run"),
        (("in", "--detach"), "--watch cannot be used with --detach"),
        (
            ("in/a.mp3",),
            "--watch needs folders on this machine or in Azure storage, and in/a.mp3 is not one",
        ),
        ((), "give the folders to watch"),
        (
            ("in", "--source", "delete"),
            "--watch cannot ask before each batch: with --source delete, add --yes",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(
    run: Run, media: Media, words: tuple[str, ...], why: str
) -> None:
    media.put("clip.mp3", run.folder / "in" / "a.mp3")
    result = run("convert", "--watch", *words)
    assert (result.exit_code, why in result.error) == (2, True), result.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not here")
def test_the_example_of_a_service_is_one() -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", UNIT],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
    )
    assert (done.returncode, done.stderr) == (0, "")


def _no_store() -> NoReturn:
    raise AssertionError


def _failing_for(folder: Path) -> Callable[[str], Any]:
    """The system's `scandir` with a share's error for *folder*, which no root lacks the right to list."""
    listing = os.scandir

    def scandir(path: str) -> Any:
        if Path(path) == folder:
            raise OSError(errno.EIO, "input/output error")
        return listing(path)

    return scandir


@dataclass
class Share:
    """A network share: its times are of two seconds, and it goes and comes back."""

    folder: Path
    clock: Clock

    def write(self, name: str, content: bytes) -> None:
        path = self.folder / name
        path.write_bytes(content)
        stamp = 1_000_000_000 + 2 * (int(self.clock.now) // 2)
        os.utime(path, (stamp, stamp))

    @contextmanager
    def away(self) -> Iterator[None]:
        elsewhere = self.folder.with_name("away")
        self.folder.rename(elsewhere)
        yield
        elsewhere.rename(self.folder)


def test_hundreds_of_files_that_come_grow_move_and_go_are_each_given_out_when_they_are_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    share, settling = Share(tmp_path / "share", clock), StableFiles(4, clock)
    (share.folder / "sub").mkdir(parents=True)
    watch = Watch((str(share.folder),), Selection(), _no_store, tmp_path, 4, lambda _: ExitCode.OK)
    given: list[tuple[str, bytes]] = []

    def look() -> None:
        found, is_whole = watch.found()
        complete = settling.complete(found, is_whole=is_whole)
        given.extend((one.relative, Path(one.source.path).read_bytes()) for one in complete)
        assert len(settling._seen) + len(settling._taken) <= 300, "memory holds what is there"

    expected = set()
    for number in range(300):
        name = f"{'sub/' if number % 3 else ''}{number}.wav"
        first = f"{name}.part" if number % 5 == 0 else name
        share.write(first, b"half")
        look()
        clock.now += 1
        share.write(first, b"a whole one")
        (share.folder / first).rename(share.folder / name)
        if number % 7 == 0:
            (share.folder / name).unlink()
        else:
            expected.add((name, b"a whole one"))
        if number % 50 == 10:
            with share.away():
                look()
        if number % 40 == 20:
            with monkeypatch.context() as fault:
                fault.setattr(os, "scandir", _failing_for(share.folder / "sub"))
                look()
    for _ in range(3):
        clock.now += 5
        look()
    assert len(given) == len(set(given)), "none twice"
    assert set(given) == expected
