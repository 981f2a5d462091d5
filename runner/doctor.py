"""The checks of `runner doctor` on this machine, each with one thing to do about it."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from runner.encoders import encoders_of, listed_encoders, not_available
from runner.errors import RunnerError
from runner.ffmpeg_program import find_ffmpeg
from runner.findings import Finding
from runner.media.process import run
from runner.parallel import usable_cores
from runner.presets import Preset


def check_local(
    ffmpeg: str | None, destination: Path | None, presets: Mapping[str, Preset], wanted: str
) -> Iterator[Finding]:
    """Check what a run on this machine needs, with the preset *wanted* out of all *presets*."""
    yield Finding("cores", good=True, detail=f"{usable_cores()} usable")
    yield _check("ffmpeg", lambda: _ffmpeg(ffmpeg))
    yield _check("encoders", lambda: _encoders(ffmpeg, presets, wanted))
    if destination is not None:
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
        "ffmpeg", good, f"{program}: {version or 'does not run'}", "choose another with --ffmpeg"
    )


def _encoders(given: str | None, presets: Mapping[str, Preset], wanted: str) -> Finding:
    has = listed_encoders(find_ffmpeg(given))
    lacking = {
        name: missing
        for name, preset in presets.items()
        if (missing := [encoder for encoder in encoders_of(preset) if encoder not in has])
    }
    if not lacking:
        return Finding("encoders", good=True, detail="all that the presets use")
    detail = not_available(lacking, chain.from_iterable(lacking.values()))
    # the others need no fix until somebody uses them
    good = wanted not in lacking
    return Finding("encoders", good, detail, "choose another with --ffmpeg")


def _writable(destination: Path) -> Finding:
    nearest = next(p for p in (destination, *destination.absolute().parents) if p.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return Finding("destination", good=True, detail=f"{destination} can be written")
    except OSError as error:
        detail = f"{nearest}: {error.strerror}"
        return Finding("destination", good=False, detail=detail, remedy="choose another with -o")


def _output(program: str, option: str) -> str:
    return run([program, "-hide_banner", option], timeout=30).stdout.decode(errors="replace")
