"""Hold estimates to what runs then took: `python -m tests.benchmarks estimates`.

Five kinds of folders; here before there is any history and after a run, and (`estimates_emulated`) on
the emulator, whose node is this machine, after a run.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe

from tests.benchmarks.tables import Table
from tests.cloud import stand_in_cloud
from tests.conftest import RUNNER

_SOUND = "anoisesrc=r=44100:a=0.3:d={seconds}:seed={number}"
_PICTURE = "testsrc2=s={size}:r=25:d={seconds}"


@dataclass(frozen=True)
class Kind:
    """A folder of one kind, and what is made of it."""

    name: str
    suffix: str
    lengths: tuple[float, ...]
    """Of its files, in seconds."""
    words: tuple[str, ...]
    size: str = ""
    """Of the picture; none for sound alone."""

    @property
    def title(self) -> str:
        """With the number of files."""
        return self.name.format(len(self.lengths))

    def make(self, folder: Path) -> None:
        """Put its files into *folder*."""
        folder.mkdir(parents=True)
        for number, seconds in enumerate(self.lengths):
            facts = {"seconds": seconds, "number": number, "size": self.size}
            inputs = ["-f", "lavfi", "-i", _SOUND.format(**facts)]
            if self.size:
                inputs += ["-f", "lavfi", "-i", _PICTURE.format(**facts), "-preset", "ultrafast"]
            target = folder / f"{number}{self.suffix}"
            command = [get_ffmpeg_exe(), "-v", "error", *inputs, "-shortest", "-y", str(target)]
            if not self.size:
                command.remove("-shortest")
            subprocess.run(command, check=True)


KINDS = (
    Kind("{} clips of 5 s, mp4 to mp3", ".mp4", (5.0,) * 60, ("--to", "mp3"), "320x180"),
    Kind("{} recordings of 5 min, flac to mp3", ".flac", (300.0,) * 4, ("--to", "mp3")),
    Kind("{} films of 8 to 24 s, to H.264", ".mkv", (8.0, 24.0) * 3, ("--to", "mp4"), "640x360"),
    Kind(
        "{} talks of 10 s to 2 min, podcast",
        ".m4a",
        tuple(10.0 + 110 * (n / 9) ** 2 for n in range(10)),
        ("--preset", "podcast"),
    ),
    Kind(
        "{} wav of 1 to 60 s, to flac",
        ".wav",
        tuple(1.0 + 2 * n for n in range(30)),
        ("--to", "flac"),
    ),
)
_COLUMNS = (
    "folder",
    "estimated, s",
    "took, s",
    "off by",
    "the same run at another time, s",
    "differs by",
)


def report() -> Iterator[Table]:
    """For this machine: by parts of the files, and by one run before."""
    root = Path(tempfile.mkdtemp(prefix="estimates-"))
    home = {**os.environ, "HOME": str(root), "XDG_CONFIG_HOME": str(root)}
    remark = (
        "Each run is done twice, as the machine is shared: what the two times differ by, no estimate "
        f"could know. Load at the start: {os.getloadavg()[0]:.0f}, on {os.cpu_count()} cores."
    )
    try:
        rows = [row for kind in KINDS for row in _here(kind, root, home)]
        yield Table("Estimates for this machine beside what runs took", _COLUMNS, rows, remark)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def report_of_emulator() -> Iterator[Table]:
    """For Azure, as the emulator has it, by one run before."""
    root = Path(tempfile.mkdtemp(prefix="estimates-"))
    remark = (
        "After one run of history, whose time is in the last columns. The emulator's node is this machine, with two tasks at a time. "
        f"Load at the start: {os.getloadavg()[0]:.0f}, on {os.cpu_count()} cores."
    )
    try:
        with stand_in_cloud(root / "cloud", speed=1.0) as cloud:
            facts = cloud.with_pool(max_nodes=1, autoscale_minutes=0)
            home = {**os.environ, **facts.environment(root), "HOME": str(root)}
            home = {**home, "XDG_CONFIG_HOME": str(root), "RUNNER_PRICES_URL": "off"}
            rows = [
                _there(replace(k, lengths=tuple(sorted(k.lengths)[::2])), root, home) for k in KINDS
            ]
        yield Table("Estimates for the emulator beside what runs took", _COLUMNS, rows, remark)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _here(kind: Kind, root: Path, environment: dict[str, str]) -> Iterator[tuple[str, ...]]:
    kind.make(root / kind.suffix)
    words = (str(root / kind.suffix), "-o", str(root / f"here{kind.suffix}"), *kind.words)
    words = (*words, "--where", "local", "--overwrite", "always")
    said, first = _estimated(words, environment, "here"), _convert(words, environment)
    after, second = _estimated(words, environment, "here"), _convert(words, environment)
    yield (f"{kind.title}, measured on parts", *_cells(said, first, second))
    yield (f"{kind.title}, after a run", *_cells(after, second, first))


def _there(kind: Kind, root: Path, environment: dict[str, str]) -> tuple[str, ...]:
    kind.make(root / kind.suffix)
    words = (str(root / kind.suffix), "-o", str(root / f"there{kind.suffix}"), *kind.words)
    words = (*words, "--where", "azure", "--overwrite", "always")
    first = _convert(words, environment)
    said = _estimated(words, environment, "azure")
    return (kind.title, *_cells(said, _convert(words, environment), first))


def _cells(said: float, took: float, again: float) -> tuple[str, ...]:
    shares = (f"{said / took - 1:+.0%}", f"{again / took - 1:+.0%}")
    return f"{said:.1f}", f"{took:.1f}", shares[0], f"{again:.1f}", shares[1]


def _estimated(words: tuple[str, ...], environment: dict[str, str], place: str) -> float:
    plan = [str(RUNNER), "plan", *words, "--json"]
    done = subprocess.run(plan, env=environment, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)[place]["seconds"])


def _convert(words: tuple[str, ...], environment: dict[str, str]) -> float:
    began = time.monotonic()
    subprocess.run([str(RUNNER), "convert", *words, "-q"], env=environment, check=True)
    return time.monotonic() - began
