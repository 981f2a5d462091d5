"""Tables of measurements: on the screen, and in a file that says how they came about."""

import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_version


@dataclass
class Times:
    """Repeated measurements of one thing."""

    name: str
    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The value that stands for all."""
        return statistics.median(self.values)

    @property
    def spread(self) -> str:
        """From the least to the most."""
        return f"{min(self.values):.2f}-{max(self.values):.2f}"


@dataclass(frozen=True)
class Table:
    """A title, a remark, column names and rows, as Markdown."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    remark: str = ""

    def __str__(self) -> str:
        lines = [f"## {self.title}", ""]
        if self.remark:
            lines += [self.remark, ""]
        lines += [_row(self.columns), _row(["---"] * len(self.columns))]
        return "\n".join([*lines, *map(_row, self.rows), ""])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def compare(title: str, ours: Times, others: Sequence[Times], remark: str = "") -> Table:
    """Our times beside the *others*': the ratio is ours to theirs, of the medians."""
    rows = [[ours.name, f"{ours.median:.2f}", ours.spread, ""]]
    rows += [[o.name, f"{o.median:.2f}", o.spread, f"{ours.median / o.median:.2f}"] for o in others]
    return Table(title, ("way", "wall s, median", "min-max", "ours / theirs"), rows, remark)


def machine() -> str:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.partition(": ")[2]
            for line in cpuinfo.read_text().splitlines()
            if "model name" in line
        ]
        model = names[0] if names else model
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({model}), {platform.platform(terse=True)}, "
        f"Python {platform.python_version()}, embedded ffmpeg {get_ffmpeg_version()}, "
        f"runner {version('batch-ffmpeg-runner')} at {_commit()}"
    )


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "an unknown commit"
