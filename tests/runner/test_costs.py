"""What a run has cost, added up from what was seen of its nodes and from its tasks; what held it up."""

import tracemalloc
from dataclasses import asdict, replace

import pytest

from runner.costs import Cost, cost_as_json, cost_lines, cost_of, covered, use_of_attempts
from runner.models import NodeUse, State, Step
from runner.prices import Prices, StoragePrices
from runner.records import AttemptRecord
from runner.run_report.bottleneck import bottleneck
from runner.run_report.drawing import draw
from runner.run_report.facts import RunFacts
from runner.run_report.names import Names
from runner.storage_use import Retained, StorageUse
from tests.runner.test_run_report import RUN, at, attempt

START = at(0).timestamp()
STORAGE = StoragePrices(
    sku="Hot LRS", gigabyte_month=0.02, writes=0.05, reads=0.004, others=0.004, soft_delete_days=7
)
PRICES = Prices(spot=0.036, dedicated=0.36, egress=0.08, storage=STORAGE, origin="a list")
WITHOUT_STORAGE = replace(PRICES, storage=None)


def use(node: str, began: float, ended: float, *, spot: bool | None = True) -> NodeUse:
    return NodeUse(node=node, spot=spot, since=START + began, until=START + ended)


def test_the_cost_adds_up_by_hand() -> None:
    uses = [
        use("node-1", 0, 1000),
        use("node-2", 0, 500, spot=False),
        use("node-3", 0, 10, spot=None),
    ]
    done = attempt(
        "a", State.CONVERTED, 900, 200, size=10**9, source_size=3 * 10**9, sent=2 * 10**9
    )
    cost = cost_of(uses, [done], WITHOUT_STORAGE)
    # the task of node-1 went on for 100 s after the node was last seen
    assert (cost.nodes, cost.spot_seconds, cost.dedicated_seconds) == (3, 1100, 500)
    assert cost.other_seconds == 10
    assert (cost.uploaded, cost.downloaded, cost.saved) == (2 * 10**9, 10**9, 2 * 10**9)
    by_hand = 1100 / 3600 * 0.036 + 510 / 3600 * 0.36 + 0.08
    assert cost.amount == pytest.approx(by_hand)
    assert cost_lines(cost) == [
        "Azure: 3 nodes, 26 m 50 s of node time (18 m 20 s Spot, 8 m 20 s dedicated, 10 s unknown): 0.14 USD by a list, without storage (price unknown)",
        "Azure: 2.0 GB up, 1.0 GB down, results 2.0 GB smaller than their sources",
    ]


def test_storage_costs_its_operations_the_sources_while_they_are_there_and_soft_delete() -> None:
    done = replace(
        attempt("a", State.CONVERTED, 10, 80, size=10**9, source_size=10**9, sent=10**9),
        steps=(sent(0, 10),),
        ended=at(3610),
    )
    cost = cost_of([], [done], PRICES)
    # 17 MB and more travel in blocks of 8 MiB: 120 and their list; so the node's result
    assert (cost.storage.writes, cost.storage.reads) == (3 + 3 + 2 * 121, 2 + 3 + 120)
    assert cost.storage.others == 1  # whether the worker is there
    operations = (248 * 0.05 + (125 + 1) * 0.004) / 10_000
    months = (1 + 7 * 24) / 730
    assert cost.stored == pytest.approx(operations + months * 0.02)
    assert cost.amount == pytest.approx(operations + months * 0.02 + 80 / 3600 * 0.36 + 0.08)
    assert cost.a_month == pytest.approx(0.02)
    assert cost_lines(cost)[-1] == (
        "Azure: storage is 0.0059 USD of the cost; 1.0 GB stays there until `runner clean`, at 0.02 USD a month"
    )
    assert cost.text.endswith(" by a list")  # nothing is left out of the amount
    kept = cost_of([], [done], PRICES, Retained(sources=True))
    assert (kept.storage.uploaded, kept.storage.stays) == (0, 2 * 10**9)
    in_the_cloud = cost_of([], [replace(done, sent=0)], PRICES, Retained(results=True))
    assert (in_the_cloud.storage.uploaded, in_the_cloud.storage.stays) == (0, 0)
    assert (in_the_cloud.storage.others, in_the_cloud.downloaded) == (1 + 5, 0)


@pytest.mark.parametrize(
    ("use", "days", "amount"),
    [
        (StorageUse(writes=10_000), 7, 0.05),
        (StorageUse(reads=20_000), 7, 0.008),
        (StorageUse(others=30_000), 7, 0.012),
        (StorageUse(byte_seconds=3.65e9 * 3600), 7, 0.0001),
        (StorageUse(uploaded=10**9), 7, 7 * 24 / 730 * 0.02),
        (StorageUse(uploaded=10**9), None, 0.0),
        (StorageUse(stays=10**9), 7, 0.0),
    ],
)
def test_each_use_of_storage_has_its_price(
    use: StorageUse, days: int | None, amount: float
) -> None:
    assert use.amount(replace(STORAGE, soft_delete_days=days)) == pytest.approx(amount)


def test_without_the_price_of_the_download_that_is_said() -> None:
    done = attempt("a", State.CONVERTED, 0, 10, size=10**9, source_size=3 * 10**9)
    cost = cost_of([], [done], Prices(spot=0.1, dedicated=0.1, origin="--price-per-hour"))
    assert cost.text.endswith(
        "by --price-per-hour, without the download and storage (price unknown)"
    )
    assert cost.amount == pytest.approx(10 / 3600 * 0.1)
    nothing = cost_of([], [], WITHOUT_STORAGE)
    assert nothing.text == "0 nodes, 0.0 s of node time: 0.00 USD by a list"


@pytest.mark.parametrize(
    ("size", "retained", "line"),
    [
        (30, Retained(), "30 B down, results 10 B larger than their sources"),
        (19, Retained(), "19 B down, results 1 B smaller than their sources"),
        (20, Retained(), "20 B down"),
        (20, Retained(results=True), "0 B down"),
    ],
)
def test_results_may_be_larger_than_their_sources(size: int, retained: Retained, line: str) -> None:
    done = attempt("a", State.CONVERTED, 0, 10, size=size, source_size=20)
    cost = cost_of([use("node-1", 0, 10)], [done], PRICES, retained)
    lines = cost_lines(cost)
    assert f"Azure: {line}" in lines
    assert ("stays there" in lines[-1]) is not retained.results, lines


def test_programs_get_the_same_figures() -> None:
    uses = [
        use("node-1", 0, 10.12345),
        use("node-2", 0, 5.0006, spot=False),
        use("n", 0, 2.0006, spot=None),
    ]
    cost = cost_of(uses, [], PRICES)
    assert cost.seconds == pytest.approx(17.12465)
    assert cost_as_json(cost) == {
        "nodes": 3,
        "spot_seconds": 10.123,
        "dedicated_seconds": 5.001,
        "other_seconds": 2.001,
        "amount": pytest.approx(
            (10.12345 * 0.036 + 7.0012 * 0.36) / 3600 + (3 * 0.05 + 3 * 0.004) / 10_000
        ),
        "prices": asdict(PRICES),
        "bytes_up": None,
        "bytes_down": 0,
        "bytes_saved": 0,
        "storage": {
            "writes": 3,
            "reads": 2,
            "others": 1,
            "uploaded": 0,
            "byte_seconds": 0,
            "stays": 0,
            "amount": pytest.approx((3 * 0.05 + 3 * 0.004) / 10_000),
            "amount_a_month": 0,
        },
    }
    assert cost_as_json(cost_of(uses, [], None))["prices"] is None


def test_only_results_are_downloaded_and_only_tasks_that_began_take_time() -> None:
    failed = attempt("a", State.FAILED, 0, 10, size=10**6, source_size=10**7)
    waiting = replace(attempt("b", State.FAILED, 0, 50, worker="node-2"), began=None)
    nowhere = attempt("c", State.CONVERTED, 0, 50, worker="")
    cost = cost_of([], [failed, waiting, nowhere], PRICES)
    assert (cost.nodes, cost.seconds, cost.downloaded, cost.saved) == (1, 10, 0, 0)


def test_what_is_not_known_is_not_said() -> None:
    assert cost_lines(cost_of([], [], PRICES)) == []
    elsewhere = attempt("a", State.CONVERTED, 0, 9, worker="n", size=10, source_size=20)
    assert cost_lines(cost_of([use("n", 0, 10)], [elsewhere], None)) == [
        "Azure: 1 node, 10 s of node time (Spot): price unknown",
        "Azure: 10 B down, results 10 B smaller than their sources",
    ]


@pytest.mark.parametrize(
    ("prices", "uses", "amount"),
    [
        (None, [use("n", 0, 10)], None),
        (Prices(dedicated=1.0), [use("n", 0, 10)], None),  # of Spot it is not known
        (Prices(dedicated=1.0), [], 0.0),
        (Prices(dedicated=3.6), [use("n", 0, 10, spot=None)], 0.01),
    ],
)
def test_a_price_that_is_not_known_is_never_guessed(
    prices: Prices | None, uses: list[NodeUse], amount: float | None
) -> None:
    cost: Cost = cost_of(uses, [], prices)
    assert cost.amount == amount
    assert cost.text.endswith(": price unknown") is (amount is None)


def test_results_that_stay_in_the_cloud_cost_no_egress() -> None:
    done = attempt("a", State.CONVERTED, 0, 10, size=10**9, source_size=3 * 10**9)
    uses = [use("node-1", 0, 3600)]
    cost = cost_of(uses, [done], WITHOUT_STORAGE, Retained(results=True))
    assert (cost.downloaded, cost.saved) == (0, 2 * 10**9)
    assert cost.amount == pytest.approx(0.036)


def test_time_that_is_seen_twice_counts_once() -> None:
    assert covered([(0, 10), (5, 12), (20, 30), (21, 22)]) == 22


def sent(began: float, ended: float, name: str = "send") -> Step:
    return Step(name, START + began, START + ended)


def facts(*attempts: AttemptRecord, uses: tuple[NodeUse, ...] = ()) -> RunFacts:
    return RunFacts(replace(RUN, prices=PRICES), attempts, uses)


def test_the_part_that_was_busy_for_most_of_the_time_is_named() -> None:
    one = attempt("a", State.CONVERTED, 50, 10, steps=(sent(0, 46),), queued=at(47))
    two = attempt("b", State.CONVERTED, 95, 5, steps=(sent(46, 92),), queued=at(92))
    assert bottleneck(facts(one, two)) == "The bottleneck: the uplink was full 92% of the time."
    late = attempt("a", State.CONVERTED, 80, 10, queued=at(1))
    assert bottleneck(facts(late)) == "The bottleneck: files waited for nodes 79% of the time."
    busy = attempt("a", State.CONVERTED, 1, 98, worker="worker 1")
    here = RunFacts(replace(RUN, backend="local"), (busy,))
    assert bottleneck(here) == "The bottleneck: the worker was busy 98% of the time."
    looked = attempt("a", State.CONVERTED, 1, 9, steps=(sent(10, 99, "collect"),))
    assert "the downlink was full" in bottleneck(facts(looked))
    assert "downlink" not in bottleneck(replace(facts(looked), results_stay=True))
    little = attempt("a", State.CONVERTED, 1, 20)
    assert bottleneck(facts(little)) == (
        "Nothing was busy for most of the time (the nodes were busy 20%)."
    )


def test_the_timeline_has_the_start_of_the_node_and_the_parts_of_an_attempt() -> None:
    steps = (sent(40, 44, "download"), sent(44, 80, "convert"), sent(80, 85, "verify"))
    one = attempt("a", State.CONVERTED, 40, 60, steps=steps)
    node = replace(use("node-1", 0, 100), allocated=START + 2, ready=START + 38)
    known = facts(one, uses=(node,))
    (lane,) = draw(known, Names.of(known.attempts)).lanes
    assert [(box.kind, box.x, box.width) for box in lane.boxes] == [
        ("boot", 20, 360),
        ("ok", 400, 600),
        ("download", 400, 40),
        ("verify", 800, 50),
    ]
    # one that was there long before was not made for this run
    old = replace(node, allocated=START - 9000, ready=START - 8000)
    assert facts(one, uses=(old,)).boots == ()


def test_what_a_million_attempts_came_to_takes_16_mb() -> None:
    def held(attempts: int) -> int:
        done = attempt("a", State.CONVERTED, 900, 200, size=10**9, source_size=10**9, sent=10**9)
        tracemalloc.start()
        came_to = use_of_attempts(replace(done, seconds=float(n)) for n in range(attempts))
        now, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert came_to.uploaded == attempts * 10**9
        return now

    assert (held(4000) - held(2000)) / 2000 < 24
