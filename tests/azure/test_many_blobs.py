"""What very many blobs cost: few calls, and a known amount of memory."""

import tracemalloc
from collections.abc import Iterator

import pytest

from runner.addresses import BlobAddress
from runner.azure.listing import Listing
from runner.azure.session import Session
from runner.cloud_targets import CloudTargets
from runner.media.made_from import MadeFrom
from runner.result_blobs import ResultBlob
from tests.azure.conftest import MakeCloud
from tests.benchmarks.blobs import MOST_CALLS, MOST_OF_A_RESULT, ManyBlobs
from tests.emulator.azurite import Azurite

_BLOBS = 4001
_RESULTS = 3000


@pytest.fixture
def many(storage: Azurite) -> Iterator[ManyBlobs]:
    with ManyBlobs(storage, _BLOBS) as many:
        yield many


def test_thousands_of_blobs_are_listed_by_few_calls_and_each_once(
    many: ManyBlobs, make_cloud: MakeCloud
) -> None:
    accounts = Session(make_cloud(storage=many).deployment).accounts
    before = many.calls
    found = [f.name for f in Listing(accounts).listed(BlobAddress(many.blob_endpoint, "films"))]
    assert many.calls - before <= 1 + MOST_CALLS * _BLOBS
    assert len(set(found)) == len(found) == _BLOBS


def test_what_is_known_of_a_result_in_storage_takes_little_memory() -> None:
    def results() -> Iterator[tuple[str, ResultBlob]]:
        for number in range(_RESULTS):
            name = f"2026/a film with a name of usual length {number:07}"
            made = MadeFrom(
                conversion=f"{number:024x}",
                run="20261126-0900-mossy-otter",
                source=f"az://account/films/{name}.mp4",
                source_etag=f"0x8DC0{number:011X}",
                source_size=number,
                source_mtime_ns=number,
                recipe="0123456789abcdef01234567",
                version="1.0.0",
                sha256=f"{number:064x}",
                md5=f"{number:024x}",
            )
            texts = made.as_headers().items()
            metadata = {name.removeprefix("x-ms-meta-"): text for name, text in texts}
            blob = ResultBlob(f"0x{number:x}", 0, number, "", MadeFrom.from_metadata(metadata))
            yield f"{name}.mp3", blob

    targets = CloudTargets(BlobAddress("https://account.blob.core.windows.net", "mp3"), results)
    tracemalloc.start()
    try:
        targets.find("none.mp3")
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken / _RESULTS < MOST_OF_A_RESULT, taken / _RESULTS
