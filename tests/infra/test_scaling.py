from datetime import UTC, datetime, timedelta

import pytest

from infra.scaling import MAX_FORMULA_BYTES, Scale, autoscale_formula
from tests.emulator.autoscale import Evaluation, Sample, Targets, evaluate

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SPOT_ONLY = Scale(slots=4, max_spot=10)


def every_half_minute(*values: float) -> list[Sample]:
    """Return samples up to now, the last value the newest; the first fills five minutes."""
    full = [values[0]] * (11 - len(values)) + list(values)
    return [
        Sample(NOW - timedelta(seconds=30 * (len(full) - place - 1)), value)
        for place, value in enumerate(full)
    ]


def scaled(scale: Scale, pending: list[Sample], evicted: float = 0) -> Evaluation:
    samples = {"$PendingTasks": pending, "$PreemptedNodeCount": every_half_minute(evicted)}
    return evaluate(autoscale_formula(scale), samples=samples, now=NOW, current=Targets(0, 3))


def test_a_new_pool_without_samples_stays_empty() -> None:
    outcome = evaluate(autoscale_formula(SPOT_ONLY), samples={}, now=NOW)
    assert (outcome.low_priority, outcome.dedicated) == (0, 0)


def test_the_first_sample_is_enough_to_start() -> None:
    assert scaled(SPOT_ONLY, [Sample(NOW, 9)]).low_priority == 3


@pytest.mark.parametrize(
    ("tasks", "nodes"), [(0, 0), (1, 1), (4, 1), (5, 2), (39, 10), (40, 10), (10_000, 10)]
)
def test_nodes_are_tasks_by_slots_rounded_up_and_bounded(tasks: int, nodes: int) -> None:
    assert scaled(SPOT_ONLY, every_half_minute(tasks)).low_priority == nodes


def test_growth_follows_the_newest_sample_at_once() -> None:
    assert scaled(SPOT_ONLY, every_half_minute(0, 40)).low_priority == 10


def test_shrinking_follows_the_mean_so_that_a_pause_keeps_nodes() -> None:
    assert scaled(SPOT_ONLY, every_half_minute(40, 0)).low_priority == 9
    assert scaled(SPOT_ONLY, every_half_minute(40, *[0] * 6)).low_priority == 4
    assert scaled(SPOT_ONLY, every_half_minute(0)).low_priority == 0


def test_without_dedicated_nodes_an_eviction_changes_nothing() -> None:
    outcome = scaled(SPOT_ONLY, every_half_minute(40), evicted=4)
    assert (outcome.low_priority, outcome.dedicated) == (10, 0)


def test_dedicated_nodes_stand_in_for_evicted_ones_up_to_their_bound() -> None:
    scale = Scale(slots=4, max_spot=10, max_dedicated=3)
    assert scaled(scale, every_half_minute(40), evicted=2).dedicated == 2
    assert scaled(scale, every_half_minute(40), evicted=8).dedicated == 3
    assert scaled(scale, every_half_minute(0), evicted=8).dedicated == 0


def test_dedicated_nodes_carry_what_is_over_the_most_spot_nodes() -> None:
    scale = Scale(slots=4, max_spot=2, max_dedicated=3)
    assert scaled(scale, every_half_minute(16)).dedicated == 2


def test_a_pool_without_spot_scales_its_dedicated_nodes() -> None:
    outcome = scaled(Scale(slots=4, max_spot=0, max_dedicated=5), every_half_minute(9))
    assert (outcome.low_priority, outcome.dedicated) == (0, 3)


def test_the_floor_stays_when_there_is_no_work() -> None:
    scale = Scale(slots=4, max_spot=10, max_dedicated=2, min_dedicated=1)
    outcome = scaled(scale, every_half_minute(0))
    assert (outcome.low_priority, outcome.dedicated) == (0, 1)


def test_running_tasks_end_before_their_node_goes() -> None:
    assert scaled(SPOT_ONLY, every_half_minute(4)).deallocation == "taskcompletion"


def test_the_formula_is_within_batchs_bounds() -> None:
    formula = autoscale_formula(
        Scale(slots=256, max_spot=10_000, max_dedicated=10_000, min_dedicated=9_999)
    )
    assert len(formula.encode()) < MAX_FORMULA_BYTES
    assert formula.count(";") <= 100
