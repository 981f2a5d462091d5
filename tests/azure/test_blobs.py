"""Transfers: once, whole, checked, and again where the line breaks."""

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from azure.storage.blob import BlobServiceClient

from runner.azure.blobs import Blobs
from runner.azure.clients import blob_client
from runner.azure.transfer_limit import TransferLimit
from runner.azure.workers import Stopped, Workers
from runner.errors import RunnerError, SetupError, TransientError
from runner.options import RunOptions
from tests.cloud import Cloud
from tests.conftest import until
from tests.tcp_proxy import TcpProxy

LARGE = 20 << 20
"""More than travels in one request."""


@pytest.fixture
def client(cloud: Cloud) -> Iterator[BlobServiceClient]:
    with blob_client(cloud.deployment.blob_endpoint, cloud.azure.credential) as made:
        yield made


@pytest.fixture
def line(cloud: Cloud) -> Iterator[TcpProxy]:
    port = urlsplit(cloud.deployment.blob_endpoint).port
    assert port is not None
    with TcpProxy(port) as made:
        yield made


@pytest.fixture
def far(cloud: Cloud, line: TcpProxy) -> Iterator[Blobs]:
    """The containers at the other end of the brittle line."""
    path = urlsplit(cloud.deployment.blob_endpoint).path
    beyond = replace(cloud.deployment, blob_endpoint=f"https://127.0.0.1:{line.port}{path}")
    with blob_client(beyond.blob_endpoint, cloud.azure.credential) as made:
        yield Blobs(made)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.mp4"
    path.write_bytes(os.urandom(1 << 20))
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.mp4"
    path.write_bytes(os.urandom(LARGE))
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def etag(cloud: Cloud, name: str) -> object:
    blob = cloud.blobs.get_blob_client(cloud.container("input"), name)
    return blob.get_blob_properties().etag


@pytest.mark.parametrize("size", ["file", "large"])
def test_what_is_there_is_not_written_again(
    cloud: Cloud, client: BlobServiceClient, size: str, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(size)
    container = cloud.container("input")
    assert Blobs(client).upload(container, "x.mp4", str(path)) == path.stat().st_size
    before = etag(cloud, "x.mp4")
    Blobs(client).upload(container, "x.mp4", str(path))
    assert etag(cloud, "x.mp4") == before
    properties = cloud.blobs.get_blob_client(container, "x.mp4").get_blob_properties()
    assert properties.content_settings.content_type == "video/mp4"
    assert (
        bytes(properties.content_settings.content_md5 or b"")
        == hashlib.md5(path.read_bytes()).digest()
    )


@pytest.mark.parametrize("size", ["file", "large"])
def test_what_is_there_with_another_content_is_replaced(
    cloud: Cloud, client: BlobServiceClient, size: str, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(size)
    blob = cloud.blobs.get_blob_client(cloud.container("input"), "x.mp4")
    blob.upload_blob(b"of somebody else")
    Blobs(client).upload(cloud.container("input"), "x.mp4", str(path))
    assert blob.download_blob().readall() == path.read_bytes()


def test_what_is_put_once_travels_once(cloud: Cloud, far: Blobs, line: TcpProxy) -> None:
    container, worker = cloud.container("tools"), os.urandom(1 << 20)
    far.put_once(container, "worker", worker)
    before = line.bytes_up
    far.put_once(container, "worker", b"another" + worker)
    assert line.bytes_up - before < len(worker) / 10
    assert cloud.stored("tools")["worker"] == worker
    far.put(container, "worker", b"another")
    assert cloud.stored("tools")["worker"] == b"another"


def test_what_several_put_once_at_a_time_is_whole(cloud: Cloud, far: Blobs) -> None:
    container, workers = cloud.container("tools"), [os.urandom(1 << 20) for _ in range(4)]
    with ThreadPoolExecutor(len(workers)) as each:
        list(each.map(partial(far.put_once, container, "worker"), workers))
    assert cloud.stored("tools")["worker"] in workers


def test_what_is_not_there_is_none_and_no_error(
    cloud: Cloud, client: BlobServiceClient, tmp_path: Path
) -> None:
    blobs, container = Blobs(client), cloud.container("input")
    assert blobs.read(container, "gone", 9) is None
    assert blobs.download(container, "gone", tmp_path / "gone", 9) is None
    assert not (tmp_path / "gone").exists()
    assert blobs.delete(container, ["gone"]) == 0


def test_a_container_that_is_not_there_is_an_error_with_a_remedy(
    client: BlobServiceClient, tmp_path: Path, file: Path
) -> None:
    blobs = Blobs(client)
    for act in (
        lambda: blobs.read("gone", "x", 9),
        lambda: blobs.download("gone", "x", tmp_path / "x", 9),
        lambda: blobs.upload("gone", "x", str(file)),
        lambda: list(blobs.names("gone", "")),
    ):
        with pytest.raises(SetupError, match="the container does not exist: run `pulumi up`"):
            act()


@pytest.mark.parametrize("after", [0, 300_000])
def test_an_upload_survives_a_line_that_breaks(
    cloud: Cloud, line: TcpProxy, far: Blobs, file: Path, after: int
) -> None:
    line.breaks, line.breaks_after, line.breaks_up = 1, after, True
    far.upload(cloud.container("input"), "x.mp4", str(file))
    assert line.breaks == 0
    assert cloud.stored("input")["x.mp4"] == file.read_bytes()


@pytest.mark.parametrize("after", [0, 300_000])
def test_a_download_survives_a_line_that_breaks(
    cloud: Cloud, line: TcpProxy, far: Blobs, file: Path, after: int
) -> None:
    far.upload(cloud.container("input"), "x.mp4", str(file))
    line.breaks, line.breaks_after, line.breaks_up = 1, after, False
    target = file.with_name("copy")
    assert far.download(cloud.container("input"), "x.mp4", target, file.stat().st_size) == sha256(
        file
    )
    assert line.breaks == 0
    assert target.read_bytes() == file.read_bytes()


def test_a_line_that_stays_broken_is_a_passing_fault(
    cloud: Cloud, line: TcpProxy, far: Blobs, file: Path
) -> None:
    far.upload(cloud.container("input"), "x.mp4", str(file))
    line.breaks, line.breaks_after, line.breaks_up = 1_000, 300_000, False
    with pytest.raises(TransientError, match="run the same command again to continue"):
        far.download(cloud.container("input"), "x.mp4", file.with_name("copy"), file.stat().st_size)


def test_transfers_that_nobody_waits_for_end_early(
    cloud: Cloud, client: BlobServiceClient, large: Path
) -> None:
    container = cloud.container("input")
    Blobs(client).upload(container, "x.mp4", str(large))
    over = Blobs(client, is_stopped=lambda: True)
    with pytest.raises(Stopped):
        over.upload(container, "y.mp4", str(large))
    with pytest.raises(Stopped):
        over.download(container, "x.mp4", large.with_name("copy"), large.stat().st_size)
    assert set(cloud.stored("input")) == {"x.mp4"}


def test_each_of_many_transfers_at_a_time_keeps_its_connection(
    cloud: Cloud, line: TcpProxy, far: Blobs, file: Path
) -> None:
    line.round_trip = 0.3  # so that they are under way at the same time
    small = file.with_name("small")
    small.write_bytes(b"small")
    at_a_time = 20
    with ThreadPoolExecutor(at_a_time) as pool:
        for round_ in range(4):
            names = [f"{round_} {number}.mp4" for number in range(at_a_time)]
            upload = partial(far.upload, cloud.container("input"), path=str(small))
            assert list(pool.map(upload, names)) == [5] * at_a_time
    assert line.connections <= at_a_time


# --- the crews that carry them -------------------------------------------------------------------


def test_few_large_files_travel_at_a_time_and_many_small_ones() -> None:
    lanes = TransferLimit(RunOptions())
    together = threading.Barrier(16, timeout=60)
    travelling = threading.Semaphore(RunOptions().transfers)

    def send(size: int) -> bool:
        with lanes.of(size):
            if size < LARGE:
                together.wait()  # raises if they do not travel at the same time
                return True
            is_one_of_few = travelling.acquire(blocking=False)
            time.sleep(0.01)
            if is_one_of_few:
                travelling.release()
            return is_one_of_few

    with ThreadPoolExecutor(lanes.at_a_time) as pool:
        assert all(pool.map(send, [1000] * 16))
        assert all(pool.map(send, [LARGE] * 32))


@pytest.mark.parametrize("chosen", [1, 2, 64])
def test_as_many_travel_at_a_time_as_the_user_says(chosen: int) -> None:
    assert TransferLimit(RunOptions(transfers=chosen)).at_a_time == chosen


def test_a_crew_that_fails_says_so_and_does_not_die_in_silence() -> None:
    failed: list[BaseException] = []

    def work(number: int) -> None:
        raise RunnerError(str(number))

    workers = Workers("test", 2, work, failed.append)
    workers.start()
    workers.put(1)
    until(lambda: failed)
    workers.close()
    assert [str(error) for error in failed] == ["1"]


def test_a_crew_that_is_abandoned_says_nothing() -> None:
    failed: list[BaseException] = []
    begun = threading.Event()

    def work(_: int) -> None:
        begun.set()
        raise Stopped

    workers = Workers("test", 1, work, failed.append)
    workers.start()
    workers.put(1)
    assert begun.wait(60)
    workers.close()
    assert failed == []
