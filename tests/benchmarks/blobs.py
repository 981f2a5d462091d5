"""Measure what 100,000 blobs cost: to list them, to plan them, and to see that they are up to date.

`BENCH_BLOBS` says how many there are. They are in listings alone, in the service's own words; whatever else
is asked, Azurite answers.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from runner.addresses import BlobAddress
from runner.media.made_from import MadeFrom
from tests.benchmarks.local import MP3, RUNNER
from tests.benchmarks.many import measure
from tests.benchmarks.tables import Table
from tests.cloud import Cloud, stand_in_cloud
from tests.emulator.azurite import Azurite
from tests.emulator.front import Proxy

BLOBS = int(os.environ.get("BENCH_BLOBS", "100000"))
MOST_CALLS = 0.001
"""A blob."""
MOST_OF_A_BLOB = 500
"""Bytes of memory for each blob in a plan, beside what a plan of one blob takes and `FOR_PAGES`; in the next for
each result that is there already."""
MOST_OF_A_RESULT = 1500
FOR_PAGES = 40_000_000
"""Bytes, for what Microsoft's client makes of two pages of a listing."""
_SOURCES, _RESULTS = "films", "sound"
_A_FOLDER = 1000
_DAY = 1_700_000_000


class ManyBlobs(Proxy):
    """A storage with so many blobs in one container, and what was made of them in another; it counts the calls."""

    def __init__(self, behind: Azurite, blobs: int) -> None:
        super().__init__(behind)
        self.blobs = blobs
        self.calls = 0

    async def before(self, request: web.BaseRequest) -> web.Response | None:
        """Answer the listings of these containers; anything else passes."""
        self.calls += 1
        parts = urlsplit(request.raw_path)
        container, query = parts.path.rpartition("/")[2], dict(parse_qsl(parts.query))
        if container not in (_SOURCES, _RESULTS) or query.get("comp") != "list":
            return None
        return web.Response(text=self._page(container, query), content_type="application/xml")

    def _page(self, container: str, query: dict[str, str]) -> str:
        first, longest = int(query.get("marker", "0")), int(query.get("maxresults", "5000"))
        end = min(self.blobs, first + longest)
        one = self._source if container == _SOURCES else self._result
        following = str(end) if end < self.blobs else ""
        return (
            f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="{container}">'
            f"<MaxResults>{longest}</MaxResults><Blobs>{''.join(map(one, range(first, end)))}</Blobs>"
            f"<NextMarker>{following}</NextMarker></EnumerationResults>"
        )

    def _source(self, number: int) -> str:
        return _listed(f"{_name(number)}.mp4", number, "")

    def _result(self, number: int) -> str:
        source = BlobAddress(self.blob_endpoint, _SOURCES, f"{_name(number)}.mp4")
        made = MadeFrom(
            conversion=f"{number:024x}",
            run="20261126-0900-mossy-otter",
            source=str(source),
            source_etag=_etag(number),
            source_size=_SIZE,
            source_mtime_ns=(_DAY + number) * 10**9,
            recipe=MP3.fingerprint,
            version="1.0.0",
            sha256=f"{number:064x}",
            size=_SIZE,
            md5=_MD5,
            media_seconds=120.5,
        )
        fields = (
            (name.removeprefix("x-ms-meta-"), text) for name, text in made.as_headers().items()
        )
        metadata = "".join(f"<{name}>{text}</{name}>" for name, text in fields)
        return _listed(f"{_name(number)}.mp3", number, metadata)


_SIZE = 73_400_320
_MD5 = "1B2M2Y8AsgTpgAmY7PhCfg=="


def _name(number: int) -> str:
    return f"{number // _A_FOLDER:04}/a film with a name of usual length {number:07}"


def _etag(number: int) -> str:
    return f"0x8DC0{number:011X}"


def _listed(name: str, number: int, metadata: str) -> str:
    """One blob, with all that the service says of it."""
    day = formatdate(_DAY + number, usegmt=True)
    return (
        f"<Blob><Name>{name}</Name><Properties><Creation-Time>{day}</Creation-Time><Last-Modified>{day}"
        f"</Last-Modified><Etag>{_etag(number)}</Etag><Content-Length>{_SIZE}</Content-Length><Content-Type>"
        "video/mp4</Content-Type><Content-Encoding /><Content-Language /><Content-CRC64 /><Content-MD5>"
        f"{_MD5}</Content-MD5><Cache-Control /><Content-Disposition /><BlobType>BlockBlob</BlobType><AccessTier>"
        "Hot</AccessTier><AccessTierInferred>true</AccessTierInferred><LeaseStatus>unlocked</LeaseStatus>"
        "<LeaseState>available</LeaseState><ServerEncrypted>true</ServerEncrypted></Properties>"
        f"<Metadata>{metadata}</Metadata><OrMetadata /></Blob>"
    )


# What somebody writes without runner: the loop of Microsoft's own examples, and the same with a list of
# what is to be done, as a plan is one.
_CLIENT = """
import sys
from azure.identity import DefaultAzureCredential
from azure.storage.blob import ContainerClient
client = ContainerClient(sys.argv[1], sys.argv[2], DefaultAzureCredential())
kept = []
for blob in client.list_blobs(include=["metadata"]):
    print(blob.name)
    if sys.argv[3] == "keep":
        kept.append(blob)
"""


def report() -> Iterator[Table]:
    """Measure everything, a table at a time."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("BENCH_DIR")) as folder,
        Azurite() as azurite,
        ManyBlobs(azurite, BLOBS) as storage,
        stand_in_cloud(Path(folder), storage=storage) as cloud,
    ):
        for name in (_SOURCES, _RESULTS):
            cloud.blobs.create_container(name)
        yield _table(Path(folder), cloud, storage)


def _table(work: Path, cloud: Cloud, storage: ManyBlobs) -> Table:
    environment = cloud.environment(work)
    client = [sys.executable, "-c", _CLIENT, storage.blob_endpoint, _SOURCES]
    plan = [RUNNER, "convert", f"az://{_SOURCES}", "-n", "-q", "-o"]

    def row(name: str, command: list[str]) -> list[str]:
        before = storage.calls
        took = measure(command, environment)
        cpu = f"{1e3 * took.cpu / BLOBS:.3f}"
        return [name, f"{storage.calls - before:,}", f"{took.wall:.1f}", cpu, took.mb]

    rows = [
        row("Microsoft's client, list_blobs", [*client, "print"]),
        row("the same, which keeps what it is told", [*client, "keep"]),
        row("runner convert -n", [*plan, str(work / "out")]),
        row(
            "runner convert -n -o az://, none is there",
            [*plan, f"az://{cloud.container('output')}"],
        ),
        row("runner convert -n -o az://, all up to date", [*plan, f"az://{_RESULTS}"]),
    ]
    storage.blobs = 1
    rows.append(row("runner convert -n, of a single blob", [*plan, str(work / "out")]))
    storage.blobs = BLOBS
    bounds = [
        (int(rows[-1][-1]) * 1e6 + FOR_PAGES + BLOBS * each) / 1e6
        for each in (MOST_OF_A_BLOB, MOST_OF_A_BLOB + MOST_OF_A_RESULT)
    ]
    return Table(
        f"{BLOBS:,} blobs, listed and planned",
        ("command", "calls of storage", "wall s", "CPU a blob, ms", "peak memory, MB"),
        rows,
        "Each with all that the service says of a blob, listed by a proxy before Azurite. The bounds: "
        f"{MOST_CALLS:g} calls a blob and listing, {bounds[0]:.0f} MB for the plan, and {bounds[1]:.0f} MB where as many "
        f"results are there: {MOST_OF_A_BLOB} bytes a blob and {MOST_OF_A_RESULT} a result, {FOR_PAGES / 1e6:.0f} MB for the "
        "pages that Microsoft's client holds, and what a single blob takes.",
    )
