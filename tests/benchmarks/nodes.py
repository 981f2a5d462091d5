"""Measure what a node's ffmpeg costs: the embedded one, from storage, beside the one that apt has installed here.

What apt's installation takes depends on a mirror and on what an image already has: it is not measured.
"""

import hashlib
import lzma
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe

from infra import node_storage
from runner.media.choices import resolve_recipe
from runner.presets import BUILT_IN
from tests.benchmarks.local import make_clips
from tests.benchmarks.tables import Table

CLIPS = 10
PRESETS = ("mp3", "opus", "flac")


def report(rounds: int = 3) -> Iterator[Table]:
    """Measure the way to the node, then the work there."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("BENCH_DIR")) as folder:
        work = Path(folder)
        yield _fetching(work, rounds)
        if system := shutil.which("ffmpeg"):
            yield _working(work, {"embedded": get_ffmpeg_exe(), "apt's": system}, rounds)


def _fetching(work: Path, rounds: int) -> Table:
    program = Path(get_ffmpeg_exe()).read_bytes()
    packed = lzma.compress(program, preset=0)  # as the runner packs it
    sha256 = hashlib.sha256(program).hexdigest()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(packed)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        command = [
            sys.executable,
            node_storage.__file__,
            "fetch",
            f"{url}/x",
            str(work / "f"),
            sha256,
        ]
        environment = {**os.environ, "AZURE_POD_IDENTITY_AUTHORITY_HOST": url}
        measured = [_seconds(command, environment) for _ in range(rounds)]
        server.shutdown()
    cpu, wall = (statistics.median(each) for each in zip(*measured, strict=True))
    row = [f"{len(packed) / 1e6:.0f}", f"{len(program) / 1e6:.0f}", f"{cpu:.2f}", f"{wall:.2f}"]
    return Table(
        "The embedded ffmpeg on its way to a node",
        ("MB from storage", "MB unpacked", "CPU s, median", "wall s, median"),
        [row],
        f"Token, fetch, unpacking and hash by the start task's own program, from this machine itself; {rounds} rounds.",
    )


def _handler(packed: bytes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"access_token": "x"}' if "oauth2" in self.path else packed
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def _seconds(
    command: Sequence[str], environment: dict[str, str] | None = None
) -> tuple[float, float]:
    """CPU and wall-clock seconds of *command*."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall


def _working(work: Path, programs: dict[str, str], rounds: int) -> Table:
    make_clips(work / "in", [10] * CLIPS)
    clips = sorted((work / "in").iterdir())
    rows = []
    for preset in PRESETS:
        times: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(rounds):  # in turns
            for name, program in programs.items():
                one = partial(_conversion, program, preset, work)
                times[name].append(sum(_seconds(one(clip))[0] for clip in clips) / CLIPS)
        ours, theirs = (statistics.median(each) for each in times.values())
        rows.append([preset, f"{ours:.3f}", f"{theirs:.3f}", f"{ours / theirs:.2f}"])
    start: Callable[[str], str] = lambda program: f"{_seconds([program, '-version'])[0]:.3f}"  # noqa: E731
    rows.append(["-version", *map(start, programs.values()), ""])
    first = subprocess.run(
        [programs["apt's"], "-version"], capture_output=True, text=True, check=True
    )
    return Table(
        "CPU seconds of a file",
        ("preset", "embedded", "apt's", "embedded / apt's"),
        rows,
        f"{CLIPS} clips of 10 s, {rounds} rounds in turns, medians; apt's is {first.stdout.split(' Copyright')[0]}.",
    )


def _conversion(program: str, preset: str, work: Path, clip: Path) -> list[str]:
    arguments = resolve_recipe(BUILT_IN[preset].recipe()).arguments
    target = work / f"out{BUILT_IN[preset].suffix}"
    return [program, "-nostdin", "-v", "error", "-y", "-i", str(clip), *arguments, str(target)]
