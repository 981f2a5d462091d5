"""What the steps are made of: the command, media, and a look at what came out."""

import ctypes
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

HERE = Path(__file__).resolve().parent
BESIDE = Path(sys.executable).parent
RUNNER = next(
    (
        str(path)
        for path in (BESIDE / "runner.exe", BESIDE / "Scripts" / "runner.exe")
        if path.exists()
    ),
    "runner",
)
PATIENCE = 300
KILLS = 20
AT_WORK = "out/.runner/tmp/*/*.m4a"
"""What is there as long as a file is being converted to M4A."""
WINES_OWN = 1359
"""ERROR_INTERNAL_ERROR, by which Wine on a busy machine sometimes refuses to start a program."""


class NotHere(Exception):  # noqa: N818 - not an error
    """What is wanted is not on this Windows."""


Started = TypeVar("Started")
Step = Callable[[Path], None]
STEPS: dict[str, Step] = {}


def step(words: str) -> Callable[[Step], Step]:
    def add(function: Step) -> Step:
        STEPS[words] = function
        return function

    return add


def ffmpeg_program() -> str:
    from imageio_ffmpeg import get_ffmpeg_exe  # noqa: PLC0415 - installed with the runner

    return str(get_ffmpeg_exe())


def ffmpeg(*words: str) -> subprocess.CompletedProcess[bytes]:
    command = [ffmpeg_program(), "-nostdin", "-v", "error", "-y", *words]
    return _started(lambda: subprocess.run(command, capture_output=True, check=False))


def _started(start: Callable[[], Started]) -> Started:
    while True:
        try:
            return start()
        except OSError as error:
            if getattr(error, "winerror", None) != WINES_OWN:
                raise


def sound(path: Path, seconds: float = 2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    done = ffmpeg("-f", "lavfi", "-i", f"sine=f=300:b=4:d={seconds}", f"file:{path}")
    assert done.returncode == 0, done.stderr
    return path


def decodes(path: Path) -> bool:
    done = ffmpeg("-xerror", "-i", f"file:{path}", "-f", "null", "-")
    return done.returncode == 0 and not done.stderr.strip()


class Ended:
    def __init__(self, done: subprocess.CompletedProcess[bytes]) -> None:
        self.code = done.returncode
        self.out = done.stdout.decode(errors="replace").replace("\r\n", "\n")
        self.err = done.stderr.decode(errors="replace").replace("\r\n", "\n")

    def expect(self, code: int, *words: str) -> "Ended":
        said = f"exit code {self.code}\n{self.out}{self.err}"
        assert self.code == code, f"not {code}: {said}"
        for word in words:
            assert word in self.out + self.err, f"without {word!r}: {said}"
        return self


def runner(where: Path, *words: object, stdin: bytes = b"", **environment: str) -> Ended:
    return Ended(
        _started(
            lambda: subprocess.run(
                [RUNNER, *map(str, words)],
                cwd=where,
                input=stdin,
                capture_output=True,
                check=False,
                timeout=PATIENCE,
                env={**os.environ, **environment},
            )
        )
    )


def start(where: Path, *words: str) -> subprocess.Popen[bytes]:
    return _started(
        lambda: subprocess.Popen(
            [RUNNER, *words],
            cwd=where,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    )


def until(happened: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end, f"{what} did not happen in time"
        time.sleep(0.02)


def is_at_work(where: Path) -> Callable[[], object]:
    return lambda: list(where.glob(AT_WORK))


def kill(process_id: int) -> None:
    """As the Task Manager does."""
    kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined,unused-ignore] # Windows' alone
    handle = kernel.OpenProcess(1, False, process_id)  # noqa: FBT003
    if handle:
        kernel.TerminateProcess(handle, 1)
        kernel.CloseHandle(handle)


def holder(where: Path, since: float) -> int:
    """The process of the run that began after then; 0 before it has said so, and after it has ended."""
    try:
        facts = json.loads((where / "out/.runner/holder.json").read_text())
    except (OSError, ValueError):
        return 0
    return int(facts["pid"]) if facts["since"] >= since else 0


def names(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and ".runner" not in path.parts
    }


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def another_drive(folder: Path) -> Iterator[Path]:
    """*folder* as a drive of its own."""
    if shutil.which("subst"):
        subprocess.run(["subst", "R:", str(folder)], check=True, capture_output=True)
        try:
            if Path("R:\\").exists():
                yield Path("R:\\")
                return
        finally:
            subprocess.run(["subst", "R:", "/D"], check=False, capture_output=True)
    if not Path("Z:\\tmp").is_dir():  # Wine's name for the root of the machine
        raise NotHere("there is neither subst nor a drive Z:")
    with tempfile.TemporaryDirectory(dir="Z:\\tmp", ignore_cleanup_errors=True) as other:
        shutil.copytree(folder, other, dirs_exist_ok=True)
        yield Path(other)


@contextmanager
def another_volume() -> Iterator[Path]:
    """A folder to which no file can be renamed from here."""
    for root in (*(f"{letter}:\\" for letter in "DEFGHY"), "Z:\\dev\\shm"):
        try:
            with tempfile.TemporaryDirectory(dir=root, ignore_cleanup_errors=True) as other:
                if _is_apart(Path(other)):
                    yield Path(other)
                    return
        except OSError:
            continue
    raise NotHere("there is no other volume")


def _is_apart(other: Path) -> bool:
    with tempfile.TemporaryDirectory() as here:
        (Path(here) / "probe").touch()
        try:
            (Path(here) / "probe").rename(other / "probe")
        except OSError as error:
            return error.errno == errno.EXDEV
    return False


def share_of(folder: Path) -> Path:
    """*folder* by the name that it has on the network."""
    drive, rest = os.path.splitdrive(folder)
    share = Path(f"\\\\localhost\\{drive[0]}$") / rest.lstrip("\\")
    if not share.exists():
        raise NotHere(f"no share {share}")
    return share


INTERRUPTER = """
import ctypes, glob, os, signal, subprocess, sys, time
event, presses, seen, *command = sys.argv[1:]
event = int(event)
kernel = ctypes.WinDLL("kernel32")
process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    stderr=open("said", "wb"))
kernel.SetConsoleCtrlHandler(None, True)
signal.signal(signal.SIGBREAK, lambda *_: None)
while not glob.glob(seen) and process.poll() is None: time.sleep(0.02)
time.sleep(1)

def tell_each():
    # as Windows itself does it, who alone can say that a console is closed: by a thread in each of its processes
    base = ctypes.WinDLL("kernelbase")
    kernel.OpenProcess.restype = ctypes.c_void_p
    kernel.CreateRemoteThread.argtypes = [*[ctypes.c_void_p] * 5, ctypes.c_ulong, ctypes.c_void_p]
    if not hasattr(base, "CtrlRoutine"): return False
    routine = ctypes.cast(base.CtrlRoutine, ctypes.c_void_p)
    ids = (ctypes.c_ulong * 64)()
    count = kernel.GetConsoleProcessList(ids, 64)
    others = set(ids[:count]) - {os.getpid()}
    for number in others:
        handle = ctypes.c_void_p(kernel.OpenProcess(0x1FFFFF, False, number))
        if not kernel.CreateRemoteThread(handle, None, None, routine, event, 0, None): return False
    return bool(others)

for _ in range(int(presses)):
    if not (kernel.GenerateConsoleCtrlEvent(event, 0) if event < 2 else tell_each()):
        process.kill()
        sys.exit(99)
    time.sleep(1)
sys.exit(process.wait() & 0xFF)
"""


def interrupted(
    where: Path, *words: str, event: int, presses: int, seen: str = AT_WORK, code: int | None = 130
) -> str:
    """What `runner` says that gets an *event* once a file is *seen*.

    Ctrl-C is 0, Ctrl-Break 1, the end of the console 2, and a log-off 5; after these, Windows may end the
    process with a code of its own.
    """
    (where / "press.py").write_text(INTERRUPTER)
    done = subprocess.run(
        [sys.executable, "press.py", str(event), str(presses), seen, RUNNER, *words],
        cwd=where,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=PATIENCE,
        creationflags=subprocess.CREATE_NO_WINDOW,  # type: ignore[attr-defined,unused-ignore]
    )
    if done.returncode == 99:
        raise NotHere(
            "this Windows has nothing to tell a console of this, as Wine has not of Ctrl-Break"
        )
    said = (where / "said").read_text(errors="replace")
    assert code is None or done.returncode == code, (
        f"exit code {done.returncode}: {said}{done.stderr!r}"
    )
    assert "damaged" not in said, said
    assert not list((where / "out/.runner").glob("tmp/*")), "something was left"
    return said
