"""Measure a film in one piece beside the same film in several: on this machine, and on emulated nodes.

The nodes' ffmpeg encodes video no faster than it plays, so that eight slots are worth eight on any machine.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe

from runner.parallel import usable_cores
from tests.benchmarks.local import RUNNER
from tests.benchmarks.tables import Table, Times, compare
from tests.cloud import fixed, stand_in_cloud
from tests.stand_in import stand_in_for_ffmpeg

_LOCAL_SECONDS, _LOCAL_PIECE = 16, 4
_PRESETS = ("mp4", "hevc")
_CLOUD_SECONDS, _CLOUD_PIECE = 240, 30
_NODES, _SLOTS_A_NODE = 4, 2
_PACED = """
if 'libx264' in WORDS and '-c:v copy' not in WORDS:
    at = ARGUMENTS.index('-i')
    ARGUMENTS[at:at] = ['-re']
"""


def report(rounds: int = 3) -> Iterator[Table]:
    """Measure everything, a table at a time."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("BENCH_DIR")) as folder:
        work = Path(folder)
        for preset in _PRESETS:
            yield _here(work, preset, rounds)
        yield _on_nodes(work)


def _here(work: Path, preset: str, rounds: int) -> Table:
    source = _make_film(work / f"in-{preset}", _LOCAL_SECONDS)
    pieces = Times(f"--split {_LOCAL_PIECE}")
    one = Times("--split off")
    for _ in range(rounds):
        for times, split in ((pieces, str(_LOCAL_PIECE)), (one, "off")):
            words = ["--where", "local", "--to", preset, "--split", split]
            times.values.append(_seconds(source, work / "out", words, os.environ))
    return compare(
        f"A film of {_LOCAL_SECONDS} s to {preset}, in pieces",
        pieces,
        [one],
        f"{usable_cores()} cores, where --split auto makes one piece; {rounds} rounds in turns.",
    )


def _on_nodes(work: Path) -> Table:
    source = _make_film(work / "in-cloud", _CLOUD_SECONDS, "128x72")
    ffmpeg = stand_in_for_ffmpeg(work, _PACED, get_ffmpeg_exe()).path
    pieces, one = Times(f"--split {_CLOUD_PIECE}"), Times("--split off")
    with stand_in_cloud(
        work, ffmpeg=ffmpeg, taskSlotsPerNode=_SLOTS_A_NODE, scaleSettings=fixed(_NODES)
    ) as cloud:
        there = cloud.with_pool(max_nodes=_NODES, task_slots=_SLOTS_A_NODE)
        environment = there.environment(work)
        for times, split in ((pieces, str(_CLOUD_PIECE)), (one, "off")):
            words = ["--where", "azure", "--to", "mp4", "--split", split]
            times.values.append(_seconds(source, work / "out", words, environment))
    return compare(
        f"A film of {_CLOUD_SECONDS} s to mp4 on {_NODES * _SLOTS_A_NODE} slots, in pieces",
        pieces,
        [one],
        "`runner convert` from its start to its end on the emulator, one round; there, video is encoded no"
        " faster than it plays (`ffmpeg -re`), so this does not depend on this machine's cores.",
    )


def _seconds(
    source: Path, destination: Path, words: list[str], environment: Mapping[str, str]
) -> float:
    command = [
        RUNNER,
        "convert",
        str(source),
        "-o",
        str(destination),
        "--overwrite",
        "always",
        "-q",
    ]
    began = time.monotonic()
    subprocess.run([*command, *words], env=dict(environment), check=True)
    return time.monotonic() - began


def _make_film(folder: Path, seconds: int, size: str = "640x360") -> Path:
    folder.mkdir()
    picture = f"testsrc2=s={size}:r=25:d={seconds},noise=alls=8:allf=t"
    inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", f"sine=d={seconds}"]
    coded = ["-c:v", "libx264", "-preset", "superfast", "-g", "50", "-c:a", "aac"]
    command = [get_ffmpeg_exe(), "-v", "error", *inputs, *coded, str(folder / "film.mp4")]
    subprocess.run(command, check=True)
    return folder
