"""The plan of a run in storage is compared, changed and cleared conversion by conversion."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.azure.blobs import Blobs
from runner.azure.stored import StoredRun
from runner.azure.work_items import InFlightTasks
from runner.conversions import Conversions
from runner.models import Conversion, Plan, Source
from runner.options import RunOptions
from tests.azure.conftest import MP3
from tests.cloud import Cloud

RUN = "20261126-0900-mossy-otter"
OPTIONS = RunOptions()
MOST_OF_A_CONVERSION = 128
"""Bytes at the peak, with the compressed plan itself; as objects they took 470."""


@pytest.fixture
def stored(cloud: Cloud) -> StoredRun:
    return StoredRun(Blobs(cloud.blobs), cloud.container("input"), RUN)


def conversions(names: str, version: int = 1) -> Conversions:
    return Conversions.of(
        Conversion(Source(f"/in/{name}.wav", 10**6, version), f"{name}.mp3", MP3) for name in names
    )


def put(
    stored: StoredRun, planned: Conversions, done: Conversions | tuple[()] = (), options: RunOptions = OPTIONS
) -> None:  # fmt: skip
    plan = Plan(RUN, Path("out"), planned, done=done)
    stored.put(plan, options, InFlightTasks(RUN, planned).index_of)


def names(stored: StoredRun) -> str:
    manifest = stored.read(Path())
    return "".join(c.target[0] for c in manifest.plan.conversions) if manifest else ""


@pytest.mark.parametrize(
    ("before", "now", "done", "after"),
    [
        (conversions(""), conversions("ab"), conversions(""), "ab"),
        (conversions("ab"), conversions("ab"), conversions(""), "ab"),
        (conversions("ab"), conversions("c"), conversions(""), "cab"),
        (conversions("abc"), conversions("b"), conversions("a"), "bc"),
        (conversions("ab"), conversions("A"), conversions(""), "Ab"),
        (conversions("ab"), conversions("a", version=2), conversions(""), "ab"),
    ],
    ids=["the first one", "the same", "others", "done", "another case", "another version"],
)
def test_a_plan_keeps_what_else_can_be_collected(
    before: Conversions, now: Conversions, done: Conversions, after: str, stored: StoredRun
) -> None:
    put(stored, before)
    put(stored, now, done)
    assert names(stored) == after
    kept = stored.read(Path())
    assert kept
    assert {c.id for c in now} <= {c.id for c in kept.plan.conversions}


def test_only_a_plan_that_is_another_is_written_again(stored: StoredRun, cloud: Cloud) -> None:
    def etag() -> str:
        client = cloud.blobs.get_container_client(cloud.container("input"))
        (blob,) = client.list_blobs()
        return str(blob.etag)

    put(stored, conversions("abc"))
    first = etag()
    put(stored, conversions("ab"))
    assert etag() == first
    put(stored, conversions("ab"), options=RunOptions(retries=9))
    second = etag()
    assert second != first
    assert len(stored.retain(lambda _: True)) == 3
    assert etag() == second
    assert [c.target for c in stored.retain(lambda c: c.target != "b.mp3")] == ["a.mp3", "c.mp3"]
    assert names(stored) == "ac"
    assert not stored.retain(lambda _: False)
    assert names(stored) == ""


@pytest.mark.parametrize("change", ["put", "retain"])
def test_a_plan_of_a_million_is_read_without_keeping_its_conversions(
    change: str, stored: StoredRun
) -> None:
    def work(planned: Conversions) -> Callable[[], object]:
        index_of = InFlightTasks(RUN, planned).index_of
        if change == "put":
            return lambda: stored.put(Plan(RUN, Path("out"), planned), OPTIONS, index_of)
        return lambda: stored.retain(lambda c: index_of(c.id) is None)

    few, many = (peak_of(stored, work, files) for files in (2_050, 4_100))
    assert (many - few) / 2_050 < MOST_OF_A_CONVERSION


def peak_of(
    stored: StoredRun, work: Callable[[Conversions], Callable[[], object]], files: int
) -> int:
    planned = Conversions.of(
        Conversion(Source(f"/in/a file of usual length {n:06}.wav", n, n), f"{n:06}.mp3", MP3)
        for n in range(files)
    )
    put(stored, planned)
    act = work(planned)
    tracemalloc.start()
    act()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    stored.delete()
    return peak
