"""Hold estimates to what runs then took: `python -m tests.benchmarks estimates`.

Five kinds of folders; here before there is any history and after a run, and on the emulator, whose
nodes are this machine, after a run.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
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
    Kind("60 clips of 5 s, mp4 to mp3", ".mp4", (5.0,) * 60, ("--to", "mp3"), "320x180"),
    Kind("4 recordings of 15 min, flac to mp3", ".flac", (900.0,) * 4, ("--to", "mp3")),
    Kind("6 films of 20 to 60 s, to H.264", ".mkv", (20.0, 60.0) * 3, ("--to", "mp4"), "640x360"),
    Kind(
        "20 talks of 10 s to 5 min, podcast",
        ".m4a",
        tuple(10.0 + 290 * (n / 19) ** 2 for n in range(20)),
        ("--preset", "podcast"),
    ),
    Kind(
        "30 wav of 1 to 60 s, to flac",
        ".wav",
        tuple(1.0 + 2 * n for n in range(30)),
        ("--to", "flac"),
    ),
)


@dataclass(frozen=True)
class Measured:
    """What was said, and what it took."""

    said: float
    took: float

    @property
    def cells(self) -> tuple[str, str, str]:
        """For a table."""
        return f"{self.said:.1f}", f"{self.took:.1f}", f"{self.said / self.took - 1:+.0%}"


def report() -> Iterator[Table]:
    """Both tables."""
    columns = ("folder", "estimated, s", "took, s", "off by")
    root = Path(tempfile.mkdtemp(prefix="estimates-"))
    try:
        for kind in KINDS:
            kind.make(root / kind.suffix)
        home = {**os.environ, "HOME": str(root), "XDG_CONFIG_HOME": str(root)}
        rows = [row for kind in KINDS for row in _here(kind, root, home)]
        yield Table("Estimates for this machine beside what runs took", columns, rows)
        with stand_in_cloud(root / "cloud", speed=1.0) as cloud:
            facts = cloud.with_pool(max_nodes=1, autoscale_minutes=0)
            found = {**home, **facts.environment(root)}
            rows = [_there(kind, root, {**found, "HOME": str(root)}) for kind in KINDS]
        remark = "After one run of history; the emulator's node is this machine, with two tasks at a time."
        yield Table("Estimates for the emulator beside what runs took", columns, rows, remark)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _here(kind: Kind, root: Path, environment: dict[str, str]) -> Iterator[tuple[str, ...]]:
    words = (str(root / kind.suffix), "-o", str(root / f"here{kind.suffix}"), *kind.words)
    words = (*words, "--where", "local", "--overwrite", "always")
    for what in ("measured on parts", "after a run"):
        yield (f"{kind.name}, {what}", *_compare(words, environment, "here").cells)


def _there(kind: Kind, root: Path, environment: dict[str, str]) -> tuple[str, ...]:
    words = (str(root / kind.suffix), "-o", str(root / f"there{kind.suffix}"), *kind.words)
    words = (*words, "--where", "azure", "--overwrite", "always")
    _convert(words, environment)
    return (kind.name, *_compare(words, environment, "azure").cells)


def _compare(words: tuple[str, ...], environment: dict[str, str], place: str) -> Measured:
    plan = [str(RUNNER), "plan", *words, "--json"]
    done = subprocess.run(plan, env=environment, capture_output=True, text=True, check=True)
    return Measured(json.loads(done.stdout)[place]["seconds"], _convert(words, environment))


def _convert(words: tuple[str, ...], environment: dict[str, str]) -> float:
    began = time.monotonic()
    subprocess.run([str(RUNNER), "convert", *words, "-q"], env=environment, check=True)
    return time.monotonic() - began
