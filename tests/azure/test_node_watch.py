"""The nodes of a run as the ledger has them, and the times of each attempt's parts."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runner.ledger import Ledger
from runner.models import STEPS
from tests.azure.conftest import MakeCloud, on_cloud
from tests.conftest import Run


@pytest.mark.parametrize(("pool", "spot"), [({}, 0), ({"spot": 1}, 1)], ids=["dedicated", "spot"])
def test_a_run_knows_its_nodes_and_when_each_part_of_an_attempt_was_done(
    run: Run,
    make_cloud: MakeCloud,
    folder: Path,
    destination: Path,
    pool: dict[str, int],
    spot: int,
) -> None:
    cloud = make_cloud(speed=1.0)
    if pool:
        cloud.resize(0, **pool)
    assert on_cloud(run, cloud)("convert", folder, "--where", "azure").exit_code == 0
    with closing(sqlite3.connect(destination / ".runner" / "ledger.sqlite")) as db:
        # the dedicated node that the pool had before may still be leaving
        (node,) = db.execute(
            "SELECT node, spot, until - since, allocated, ready FROM node_uses WHERE spot = ?",
            [spot],
        )
    with Ledger.read(destination) as ledger:
        attempts = ledger.attempts.newest(ledger.runs.find(None).id)
    assert node[:2] == (attempts[0].worker, spot)
    assert 0 <= node[2] < 60
    assert node[3] is not None
    for attempt in attempts:
        assert [step.name for step in attempt.steps] == list(STEPS)
        assert all(step.ended >= step.began > 1e9 for step in attempt.steps)
