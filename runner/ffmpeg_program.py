"""Find the ffmpeg program of this machine."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from runner import __version__
from runner.errors import SetupError
from runner.media.paths import is_windows
from runner.media.process import find_on_path

_OF_IMAGEIO = "IMAGEIO_FFMPEG_EXE"
"""The variable by which imageio-ffmpeg is told of another program."""
_BATCH_FILES = (".bat", ".cmd")
_WINDOWS_PROGRAMS = (".exe", ".com", *_BATCH_FILES)


def find_ffmpeg(given: str | None = None) -> str:
    """Return the ffmpeg program: the one *given*, else the embedded one, else the one on PATH.

    Raises:
        SetupError: There is none.
    """
    if given:
        return _named_ffmpeg(given, "--ffmpeg ")
    if named := os.environ.get(_OF_IMAGEIO):
        return _named_ffmpeg(named, f"{_OF_IMAGEIO}=")
    if found := _embedded_ffmpeg() or find_on_path("ffmpeg"):
        return _no_batch_file(found)
    advice = "install ffmpeg, or give its path with --ffmpeg PATH"
    raise SetupError(f"no bundled ffmpeg for this platform: {advice}")


def _named_ffmpeg(name: str, option: str) -> str:
    found = shutil.which(name)
    # Windows calls every file executable
    if found and (not is_windows() or os.path.splitext(found)[1].lower() in _WINDOWS_PROGRAMS):
        return _no_batch_file(os.path.abspath(found))
    raise SetupError(f"{option}{name}: no such program")


def _embedded_ffmpeg() -> str | None:
    """Return the program in imageio-ffmpeg's wheel, if there is one for this platform.

    imageio-ffmpeg's own function starts it, to see whether it runs: that takes a second under Wine, and
    the process is not one of ours, which end with runner.
    """
    spec = find_spec("imageio_ffmpeg")
    for folder in (spec and spec.submodule_search_locations) or ():
        for program in Path(folder, "binaries").glob("ffmpeg-*"):
            if os.access(program, os.X_OK):
                return str(program)
    return None


def _no_batch_file(program: str) -> str:
    """Return *program*, unless cmd.exe would parse its arguments: a file name could run a command."""
    if os.path.splitext(program)[1].lower() in _BATCH_FILES:
        name = os.path.basename(program)
        raise SetupError(
            f"{name} is a batch file, which could run parts of file names as commands: use ffmpeg.exe itself"
        )
    return program


def identify(ffmpeg: str) -> str:
    """Identify this runner with the program *ffmpeg*, without starting it."""
    status = os.stat(ffmpeg)
    return f"{__version__} {status.st_size} {status.st_mtime_ns}"
