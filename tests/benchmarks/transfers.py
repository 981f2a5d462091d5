"""Measure how much of a line many small files use, up and down, by how many travel at a time."""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import BlobServiceClient

from runner.azure.blobs import Blobs
from runner.azure.clients import blob_client
from tests.benchmarks.tables import Table
from tests.emulator.azurite import Azurite
from tests.tcp_proxy import TcpProxy

FILES = int(os.environ.get("BENCH_TRANSFERS", "1000"))
SIZE = 50_000
MEGABITS = 20
ROUND_TRIP = 0.05
_AT_A_TIME = (4, 16)


def report() -> Iterator[Table]:
    """Measure everything."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("BENCH_DIR")) as folder,
        Azurite(https=False) as storage,
    ):
        port = urlsplit(storage.blob_endpoint).port
        assert port is not None
        speed = MEGABITS * 1e6
        with TcpProxy(port, speed, ROUND_TRIP, speed) as line, _client(storage, line) as client:
            client.create_container("small")
            blobs, work = Blobs(client), Path(folder)
            rows = [row for number in _AT_A_TIME for row in _rows(blobs, work, number)]
    yield Table(
        f"{FILES:,} files of {SIZE // 1000} kB over a line of {MEGABITS} Mbit/s",
        ("way", "at a time", "wall s", "share of the line"),
        rows,
        f"With {ROUND_TRIP * 1000:.0f} ms round-trip time, by the runner's own transfers; the goal is 90%. "
        "A run has 16 of small files at a time and 4 of others, or as many as --transfers says.",
    )


def _client(storage: Azurite, line: TcpProxy) -> BlobServiceClient:
    """Return the runner's own client, by the line, with the storage's key in place of a sign-in."""
    path = urlsplit(storage.blob_endpoint).path
    key: Any = AzureNamedKeyCredential(storage.name, storage.key)
    return blob_client(f"http://127.0.0.1:{line.port}{path}", key)


def _rows(blobs: Blobs, folder: Path, at_a_time: int) -> Iterator[list[str]]:
    path = folder / f"small {at_a_time}"
    path.write_bytes(os.urandom(SIZE))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()

    def up(number: int) -> None:
        blobs.upload("small", f"{at_a_time}/{number}", str(path))

    def down(number: int) -> None:
        copy = folder / f"{at_a_time} {number}"
        assert blobs.download("small", f"{at_a_time}/{number}", copy, SIZE) == digest
        copy.unlink()

    for name, way in (("up", up), ("down", down)):
        seconds = _seconds(way, at_a_time)
        least = FILES * SIZE * 8 / (MEGABITS * 1e6)
        yield [name, str(at_a_time), f"{seconds:.1f}", f"{least / seconds:.0%}"]


def _seconds(way: Callable[[int], None], at_a_time: int) -> float:
    started = time.monotonic()
    with ThreadPoolExecutor(at_a_time) as pool:
        list(pool.map(way, range(FILES)))
    return time.monotonic() - started
