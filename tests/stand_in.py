"""Programs that stand in for others: small Python programs, which every system can start."""

import ctypes
import io
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

_SYNCHRONIZE, _WAIT_TIMEOUT = 0x100000, 0x102

ACTIONS = Path(__file__).with_name("stand_in_actions.py")

KILLED = "was killed by signal 9" if os.name == "posix" else "was ended from outside"
"""What is said of an ffmpeg that ended abruptly."""
TOO_LONG = "0.5" if os.name == "posix" else "15"
"""Seconds that a test gives to a stand-in that hangs; another one has ended by then."""
OWN_END = "say('[verbose] Exiting with exit code')"
"""What a stand-in does that ends by itself: on Windows nothing but ffmpeg's words tell that."""


@dataclass(frozen=True)
class StandIn:
    """A program in ffmpeg's place that writes down its starts."""

    path: Path

    @property
    def starts_file(self) -> Path:
        """Where they are."""
        return self.path.parent / "starts"

    @property
    def starts(self) -> list[str]:
        """The arguments of each start so far."""
        return self.said("starts")

    def said(self, name: str) -> list[str]:
        """The lines that it has appended to the file of this *name* so far."""
        path = self.path.parent / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


MakeStandIn = Callable[..., StandIn]
"""Makes a stand-in for ffmpeg of a Python script, see `stand_in_for_ffmpeg`."""


def stand_in_for_ffmpeg(folder: Path, script: str, ffmpeg: str) -> StandIn:
    """A program in *folder* that does *script*, with what is in stand_in_actions.py, and then is *ffmpeg*."""
    text = (
        f"{ACTIONS.read_text(encoding='utf-8')}\n"
        f"HERE, REAL = {str(folder)!r}, {ffmpeg!r}\n"
        'append("all", str(os.getpid()))\nappend("starts", WORDS)\n'
        f"{script}\nbe_ffmpeg()\n"
    )
    return StandIn(python_program(folder, "ffmpeg", text))


def python_program(folder: Path, name: str, text: str) -> Path:
    """A program in *folder* that is the Python script *text*; on Windows an .exe, as pip makes them."""
    # not that of a venv, which on Windows is a process more; and without what only packages need
    python = f"{getattr(sys, '_base_executable', sys.executable)} -IS"
    if os.name == "posix":
        program = folder / name
        program.write_text(f"#!{python}\n{text}", encoding="utf-8")
        program.chmod(0o755)
        return program
    launcher = files("pip._vendor.distlib").joinpath("t64.exe").read_bytes()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("__main__.py", text)
    program = folder / f"{name}.exe"
    program.write_bytes(launcher + f'#!"{python[:-4]}" -IS\r\n'.encode() + packed.getvalue())
    return program


def kill_all(listed: Path) -> None:
    """Kill the processes whose ids are in the file *listed*, with their groups."""
    if sys.platform != "win32":  # there, they have ended with their runner
        for pid in listed.read_text().split() if listed.exists() else ():
            with suppress(ProcessLookupError, PermissionError):
                if os.getpgid(int(pid)) == int(pid):  # it is still ours: the leader of its session
                    os.killpg(int(pid), signal.SIGKILL)


def is_running(pid: int) -> bool:
    """Whether the process with this id has not ended."""
    if sys.platform == "win32":
        kernel = ctypes.WinDLL("kernel32")
        kernel.OpenProcess.restype = ctypes.c_void_p
        if not (handle := kernel.OpenProcess(_SYNCHRONIZE, False, pid)):
            return False
        runs = kernel.WaitForSingleObject(ctypes.c_void_p(handle), 0) == _WAIT_TIMEOUT
        kernel.CloseHandle(ctypes.c_void_p(handle))
        return bool(runs)
    try:
        if Path("/proc/self").exists():
            return Path("/proc", str(pid), "stat").read_text().rsplit(")")[1].split()[0] != "Z"
    except OSError:
        return False
    shown = subprocess.run(["ps", "-o", "stat=", str(pid)], capture_output=True, check=False)
    return bool(shown.stdout.strip()) and not shown.stdout.startswith(b"Z")
