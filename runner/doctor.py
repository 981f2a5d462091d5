"""The checks of `runner doctor` on this machine, each with one remedy."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from runner.errors import RunnerError
from runner.findings import Finding
from runner.local import find_ffmpeg, usable_cores

_ENCODERS = (
    "libmp3lame",
    "aac",
    "libopus",
    "libvorbis",
    "flac",
    "libx264",
    "libx265",
    "libvpx-vp9",
    "libsvtav1",
)


def check_local(ffmpeg: str | None, destination: Path) -> Iterator[Finding]:
    """Check what a run on this machine needs."""
    yield Finding("cores", good=True, detail=f"{usable_cores()} usable")
    yield _check("ffmpeg", lambda: _ffmpeg(ffmpeg))
    yield _check("encoders", lambda: _encoders(ffmpeg))
    yield _check("destination", lambda: _writable(destination))


def _check(what: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except RunnerError as error:
        return Finding(what, good=False, detail=str(error))


def _ffmpeg(given: str | None) -> Finding:
    program = find_ffmpeg(given)
    version = _output(program, "-version").split("\n", 1)[0]
    good = version.startswith("ffmpeg version")
    return Finding(
        "ffmpeg", good, f"{program}: {version or 'does not run'}", "name another with --ffmpeg"
    )


def _encoders(given: str | None) -> Finding:
    listed = _output(find_ffmpeg(given), "-encoders").split()
    missing = [name for name in _ENCODERS if name not in listed]
    detail = f"without {', '.join(missing)}" if missing else "all that the presets use"
    return Finding(
        "encoders", not missing, detail, "the presets that need them fail; name another ffmpeg"
    )


def _writable(destination: Path) -> Finding:
    nearest = next(p for p in (destination, *destination.absolute().parents) if p.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return Finding("destination", good=True, detail=f"{destination} can be written")
    except OSError as error:
        detail = f"{nearest}: {error.strerror}"
        return Finding("destination", good=False, detail=detail, remedy="choose another with -o")


def _output(program: str, option: str) -> str:
    done = subprocess.run(
        [program, "-hide_banner", option], capture_output=True, text=True, check=False, timeout=30
    )
    return done.stdout
