"""What a run cost, added up by hand from what Batch says of its tasks and nodes, and everywhere told alike."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from runner.prices import money_text
from tests.azure.conftest import MakeCloud, on_cloud
from tests.conftest import Run
from tests.emulator.azurite import Azurite
from tests.media import Media
from tests.price_service import price_service
from tests.watched import Watched

SPOT, DEDICATED, GIGABYTE = 0.0248, 0.124, 0.08
WRITES, READS, OTHERS, GIGABYTE_MONTH = 0.054, 0.0043, 0.0044, 0.0196
"""USD, as the stand-in for the price list has them; for 10,000 operations on storage."""
MONTH, SOFT_DELETE = 730 * 3600, 7 * 24 * 3600
"""Seconds."""


@pytest.fixture
def watched(storage: Azurite) -> Iterator[Watched]:
    with Watched(storage) as watched:
        yield watched


def test_the_cost_of_a_run_adds_up_by_hand_and_is_the_same_everywhere(
    run: Run,
    watched: Watched,
    make_cloud: MakeCloud,
    media: Media,
    tmp_path: Path,
    destination: Path,
) -> None:
    media.put("8-bit.wav", *(tmp_path / "in" / f"{number}.wav" for number in range(6)))
    cloud = make_cloud(storage=watched)
    cloud.resize(1, spot=1)
    here = on_cloud(run, cloud)
    watched.operations.clear()
    with price_service() as service:
        done = here(
            "convert", "in", "--json", "--where", "azure", RUNNER_PRICES_URL=service.address
        )
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])["azure"]

    # each node was there from the first look at it until the last one: for all of its tasks, and no
    # longer than from the first task's creation, or the pool's look before it, until the job's end
    tasks = cloud.tasks()
    spans: dict[str, list[tuple[datetime, datetime]]] = {}
    for task in tasks:
        assert task.node_info is not None
        assert task.execution_info is not None
        node, info = str(task.node_info.node_id), task.execution_info
        assert info.start_time is not None
        assert info.end_time is not None
        spans.setdefault(node, []).append((info.start_time, info.end_time))
    least = sum(
        (max(end for _, end in of) - min(begin for begin, _ in of)).total_seconds()
        for of in spans.values()
    )
    status = json.loads(here("status", "--json").stdout)
    began, ended = (datetime.fromisoformat(status[name]) for name in ("started", "ended"))
    speed = 60
    most = told["nodes"] * (speed * (ended - began).total_seconds() + 5)
    seconds = {kind: told[f"{kind}_seconds"] for kind in ("spot", "dedicated", "other")}
    assert least <= sum(seconds.values()) <= most
    assert (told["nodes"], seconds["other"]) == (2, 0)

    # storage, from what it was asked, and what was sent there for how long
    billed = watched.operations.copy()
    storage = told["storage"]
    assert {kind: storage[kind] for kind in ("writes", "reads", "others")} == {
        kind: billed[kind] for kind in ("writes", "reads", "others")
    }
    sent = told["bytes_up"]
    assert sent == sum(path.stat().st_size for path in (tmp_path / "in").iterdir())
    assert storage["uploaded"] == sent
    assert 0 < storage["byte_seconds"] <= sent * (ended - began).total_seconds()
    operations = billed["writes"] * WRITES + billed["reads"] * READS + billed["others"] * OTHERS
    months = (storage["byte_seconds"] + sent * SOFT_DELETE) / MONTH
    stored = operations / 10_000 + months / 1e9 * GIGABYTE_MONTH
    assert storage["amount"] == pytest.approx(stored, rel=1e-6)

    # the money, from the hours, the prices and the results
    sizes = sum(path.stat().st_size for path in destination.glob("*.mp3"))
    assert told["bytes_down"] == sizes
    by_hand = (
        (seconds["spot"] * SPOT + seconds["dedicated"] * DEDICATED) / 3600
        + sizes / 1e9 * GIGABYTE
        + stored
    )
    assert told["amount"] == pytest.approx(by_hand, rel=1e-6)
    assert storage["stays"] == sizes
    assert storage["amount_a_month"] == pytest.approx(sizes / 1e9 * GIGABYTE_MONTH)

    # and the same in the status, the report for programs, and for people
    assert status["azure"] == told
    here("report", "--file", "report.html", "--json")
    assert json.loads((tmp_path / "report.json").read_text())["azure"] == told
    money = money_text(by_hand, "USD")
    assert f"{money} by Azure's public prices of " in here("status").stderr + here("status").stdout
    page = (tmp_path / "report.html").read_text()
    assert re.search(rf"<dt>cost</dt><dd>{re.escape(money)}</dd>", page)
    assert "stays there until `runner clean`" in page
