"""Measure a run on the stand-in cloud beside the way of Microsoft's sample, over a narrow uplink.

The sample's way: upload every file, submit every task, look at all tasks each second, then download
every result. Both ways have the same pool, the same ffmpeg and the same line.
"""

import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote, urlsplit

from azure.batch import models as batch
from imageio_ffmpeg import get_ffmpeg_exe

from runner.media.choices import resolve_recipe
from tests.benchmarks.local import MP3, RUNNER
from tests.benchmarks.tables import Table
from tests.benchmarks.timeline import attempts_in, moments, spans
from tests.cloud import POOL, Cloud, stand_in_cloud
from tests.emulator.azurite import Azurite
from tests.emulator.storage import StorageAccount
from tests.tcp_proxy import TcpProxy

MEGABITS = 100
ROUND_TRIP = 0.02
FILES = 16
SECONDS = 20
LINE = (
    f"Uplink of {MEGABITS} Mbit/s with {ROUND_TRIP * 1000:.0f} ms round-trip time between runner and storage, beside "
    "which the nodes are: one with two slots, ready. An emulator on the same two cores cannot tell how fast Azure "
    "is: what it tells is how the ways use the line."
)


@dataclass(frozen=True)
class Trip:
    """One way through the cloud and back, as measured."""

    name: str
    seconds: float
    bytes_up: int
    calls: int
    """Of the Batch service."""
    moments: dict[str, float] = field(default_factory=dict)
    """When what had happened, where that is known; so is the next."""
    spans: dict[str, float] = field(default_factory=dict)
    """How long what took with a file."""


def report() -> Iterator[Table]:
    """The table of films, that of sound, and where our seconds go."""
    kinds = (("films of 5 Mbit/s", film), ("WAV files", sound))
    ours: dict[str, Trip] = {}
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("BENCH_DIR")) as folder:
        for what, make in kinds:
            trips = _compare(Path(folder, what.split()[0]), make)
            ours[what] = trips[0]
            yield Table(
                f"{FILES} {what}, {SECONDS} s each, to MP3 on an emulated pool",
                ("way", "wall s", "MB sent up", "calls of Batch", "wall, ours / this"),
                [
                    [
                        *(t.name, f"{t.seconds:.1f}", f"{t.bytes_up / 1e6:.1f}", str(t.calls)),
                        f"{trips[0].seconds / t.seconds:.2f}",
                    ]
                    for t in trips
                ],
                LINE,
            )
    yield _side_by_side(
        "Where the seconds of runner convert go",
        "seconds since its start",
        {what: trip.moments for what, trip in ours.items()},
    )
    yield _side_by_side(
        "Where the seconds of a file go",
        "s, mean",
        {what: trip.spans for what, trip in ours.items()},
    )


def _side_by_side(title: str, name: str, columns: dict[str, dict[str, float]]) -> Table:
    first = next(iter(columns.values()))
    rows = [[row, *(f"{column[row]:.2f}" for column in columns.values())] for row in first]
    return Table(title, (name, *columns), rows)


class NarrowStorage(Azurite):
    """Azurite at the far end of a line, and beside the nodes."""

    line: TcpProxy | None = None

    @property
    def blob_endpoint(self) -> str:
        """The account's, by way of the line once there is one."""
        direct = urlsplit(super().blob_endpoint)
        port = self.line.port if self.line else direct.port
        return f"{direct.scheme}://127.0.0.1:{port}{direct.path}"

    @property
    def account(self) -> StorageAccount:
        """As nodes know it."""
        return replace(super().account, nodes_endpoint=super().blob_endpoint)


def _compare(work: Path, make: Callable[[Path], None]) -> list[Trip]:
    source = work / "in"
    source.mkdir(parents=True)
    for number in range(FILES):
        make(source / f"file {number:02}")
    with NarrowStorage() as storage:
        port = urlsplit(storage.blob_endpoint).port
        assert port is not None
        with TcpProxy(port, MEGABITS * 1e6, ROUND_TRIP) as line:
            storage.line = line
            # the service's clock is as all others are: nodes and tasks take the time they take
            with stand_in_cloud(work, storage=storage, speed=1) as cloud:
                wait_for_idle(cloud)
                return [
                    _ours(cloud, line, work),
                    _measure("the sample's way", cloud, line, lambda: the_samples_way(cloud, work)),
                ]


def _ours(cloud: Cloud, line: TcpProxy, work: Path) -> Trip:
    start = time.time()
    trip = _measure("runner convert", cloud, line, lambda: ours(cloud, work))
    attempts = attempts_in(work / "ours", start)
    return replace(trip, moments=moments(attempts, trip.seconds), spans=spans(attempts))


def _measure(name: str, cloud: Cloud, line: TcpProxy, way: Callable[[], None]) -> Trip:
    before, calls, started = line.bytes_up, len(cloud.azure.requests), time.monotonic()
    way()
    seconds = time.monotonic() - started
    return Trip(name, seconds, line.bytes_up - before, len(cloud.azure.requests) - calls)


def wait_for_idle(cloud: Cloud) -> None:
    """Wait until the pool's node is ready, so that its start is nobody's time."""
    deadline = time.monotonic() + 60
    while not any(node["state"] == "idle" for node in cloud.azure.nodes(POOL)):
        assert time.monotonic() < deadline, "the node did not start"
        time.sleep(0.1)


def ours(cloud: Cloud, work: Path) -> None:
    """`runner convert`, as a user runs it."""
    command = [RUNNER, "convert", str(work / "in"), "-o", str(work / "ours"), "-q"]
    subprocess.run(command, env=cloud.environment(work), check=True)


def the_samples_way(cloud: Cloud, work: Path) -> None:
    """Phase after phase: all up, all submitted, all looked at each second, all down."""
    files = sorted((work / "in").iterdir())
    for path in files:
        with path.open("rb") as file:
            cloud.blobs.get_blob_client(cloud.deployment.input_container, path.name).upload_blob(
                file
            )
    job = "sample"
    pool = batch.BatchPoolInfo(pool_id=cloud.deployment.pool.id)
    cloud.batch.create_job(batch.BatchJobCreateOptions(id=job, pool_info=pool))
    tasks = [_task(cloud, number, path.name) for number, path in enumerate(files)]
    cloud.batch.create_tasks(job, tasks)
    while any(task.state != batch.BatchTaskState.COMPLETED for task in cloud.batch.list_tasks(job)):
        time.sleep(1)
    (work / "theirs").mkdir()
    output = cloud.deployment.output_container
    for number in range(len(files)):
        data = cloud.blobs.get_blob_client(output, f"{number}.mp3").download_blob().readall()
        (work / "theirs" / f"{number}.mp3").write_bytes(data)


def _task(cloud: Cloud, number: int, name: str) -> batch.BatchTaskCreateOptions:
    identity = batch.BatchNodeIdentityReference(resource_id=cloud.deployment.pool_identity_id)
    address = cloud.deployment.blob_endpoint
    container = batch.OutputFileBlobContainerDestination(
        container_url=f"{address}/{cloud.deployment.output_container}",
        path=f"{number}.mp3",
        identity_reference=identity,
    )
    arguments = shlex.join(resolve_recipe(MP3).arguments)
    return batch.BatchTaskCreateOptions(
        id=str(number),
        command_line=f"ffmpeg -nostdin -i source {arguments} out.mp3",
        resource_files=[
            batch.ResourceFile(
                http_url=f"{address}/{cloud.deployment.input_container}/{quote(name)}",
                file_path="source",
                identity_reference=identity,
            )
        ],
        output_files=[
            batch.OutputFile(
                file_pattern="out.mp3",
                destination=batch.OutputFileDestination(container=container),
                upload_options=batch.OutputFileUploadConfiguration(
                    upload_condition=batch.OutputFileUploadCondition.TASK_SUCCESS
                ),
            )
        ],
    )


def film(stem: Path) -> None:
    """A film of 5 Mbit/s with 128 kbit/s of sound."""
    # noise as large as the rate, so that the rate is kept
    _ffmpeg(
        *("-f", "lavfi", "-i", f"testsrc2=s=1280x720:r=25:d={SECONDS},noise=alls=30:allf=t"),
        *("-f", "lavfi", "-i", f"anoisesrc=c=pink:a=0.3:d={SECONDS}", "-c:v", "libx264"),
        *("-preset", "ultrafast", "-b:v", "5M", "-minrate", "5M", "-maxrate", "5M"),
        *("-bufsize", "5M", "-c:a", "aac", "-b:a", "128k", "-ac", "2", f"{stem}.mp4"),
    )


def sound(stem: Path) -> None:
    """A WAV file."""
    tone = f"anoisesrc=c=pink:a=0.3:d={SECONDS}:r=44100"
    _ffmpeg("-f", "lavfi", "-i", tone, "-ac", "2", f"{stem}.wav")


def _ffmpeg(*arguments: str) -> None:
    subprocess.run([get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *arguments], check=True)
