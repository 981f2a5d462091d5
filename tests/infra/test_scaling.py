from datetime import UTC, datetime, timedelta

import pytest

from infra.scaling import Scale, autoscale_formula
from tests.emulator.autoscale import Evaluation, Sample, Targets, evaluate

MAX_FORMULA_BYTES = 8 * 1024  # Azure's limit, by the reference of pools' `autoScaleFormula`
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SPOT_ONLY = Scale(slots=4, max_spot=10)


def every_half_minute(*values: float) -> list[Sample]:
    """Return samples up to now, the last value the newest; the first fills five minutes."""
    full = [values[0]] * (11 - len(values)) + list(values)
    return [
        Sample(NOW - timedelta(seconds=30 * (len(full) - place - 1)), value)
        for place, value in enumerate(full)
    ]


def scaled(
    scale: Scale, pending: list[Sample], evicted: float = 0, spot: list[Sample] | None = None
) -> Evaluation:
    samples = {"$PendingTasks": pending, "$PreemptedNodeCount": every_half_minute(evicted)}
    if spot is not None:
        samples["$CurrentLowPriorityNodes"] = spot
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


@pytest.mark.parametrize(("minutes", "nodes"), [(2.5, 0), (3, 9), (5, 9)])
def test_a_mean_is_taken_of_seven_tenths_of_a_window_and_no_less(
    minutes: float, nodes: int
) -> None:
    pending = [*for_minutes(minutes, 40)[:-1], Sample(NOW, 0)]
    assert scaled(SPOT_ONLY, pending).low_priority == nodes


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


WITH_DEDICATED = Scale(slots=4, max_spot=10, max_dedicated=6)


def for_minutes(minutes: float, value: float, *, share: float = 1.0) -> list[Sample]:
    """Return *minutes* of samples of one value up to now, of which only a *share* has come in."""
    due = range(int(minutes * 2) + 1)
    arrived = [each for each in due if int(each * share) != int((each - 1) * share)]
    return [Sample(NOW - timedelta(seconds=30 * each), value) for each in reversed(arrived)]


@pytest.mark.parametrize(("there", "dedicated"), [(0, 6), (3, 6), (5, 5), (8, 2), (10, 0), (12, 0)])
def test_dedicated_nodes_carry_what_spot_was_asked_for_and_did_not_deliver(
    there: int, dedicated: int
) -> None:
    outcome = scaled(WITH_DEDICATED, for_minutes(30, 40), spot=every_half_minute(there))
    assert (outcome.low_priority, outcome.dedicated) == (10, dedicated)


@pytest.mark.parametrize(("waited", "dedicated"), [(4, 0), (9, 0), (10.5, 6)])
def test_spot_has_ten_minutes_before_full_price_is_paid(waited: float, dedicated: int) -> None:
    since = NOW - timedelta(minutes=waited)
    pending = [Sample(each.time, 40 if each.time > since else 0) for each in for_minutes(30, 0)]
    assert scaled(WITH_DEDICATED, pending, spot=every_half_minute(0)).dedicated == dedicated


@pytest.mark.parametrize(("minutes", "patience"), [(5, 10), (7, 14), (10, 10), (60, 60)])
def test_patience_reaches_back_to_an_evaluation_ten_minutes_ago(
    minutes: int, patience: int
) -> None:
    scale = Scale(slots=1, max_spot=1, minutes=minutes)
    assert scale.patience == patience
    assert f"patience = {patience} * TimeInterval_Minute;" in autoscale_formula(scale)


def test_a_new_pool_gives_spot_its_minutes_too() -> None:
    outcome = scaled(WITH_DEDICATED, for_minutes(5, 40), spot=every_half_minute(0))
    assert (outcome.low_priority, outcome.dedicated) == (10, 0)


@pytest.mark.parametrize("share", [0.35, 0.5, 0.65, 0.8])
def test_samples_that_come_in_patchily_are_enough(share: float) -> None:
    pending, none = for_minutes(30, 40, share=share), for_minutes(30, 0, share=share)
    assert scaled(WITH_DEDICATED, pending, spot=none).dedicated == 6
    assert scaled(WITH_DEDICATED, pending, spot=for_minutes(30, 10, share=share)).dedicated == 0
    assert scaled(WITH_DEDICATED, none, spot=none).dedicated == 0


@pytest.mark.parametrize(("share", "dedicated"), [(0.25, 0), (0.35, 6)])
def test_full_price_is_paid_on_three_tenths_of_the_samples_and_no_less(
    share: float, dedicated: int
) -> None:
    pending, few_pending = for_minutes(30, 40), for_minutes(30, 40, share=share)
    none, few_none = for_minutes(30, 0), for_minutes(30, 0, share=share)
    assert scaled(WITH_DEDICATED, few_pending, spot=none).dedicated == dedicated
    assert scaled(WITH_DEDICATED, pending, spot=few_none).dedicated == dedicated


def test_without_samples_of_the_nodes_full_price_is_not_paid_on_a_guess() -> None:
    assert scaled(WITH_DEDICATED, for_minutes(30, 40)).dedicated == 0
    few = [Sample(NOW - timedelta(minutes=4), 0)]
    assert scaled(WITH_DEDICATED, for_minutes(30, 40), spot=few).dedicated == 0


def test_evicted_and_undelivered_nodes_are_both_carried() -> None:
    outcome = scaled(WITH_DEDICATED, for_minutes(30, 40), evicted=2, spot=every_half_minute(7))
    assert outcome.dedicated == 5


def test_dedicated_nodes_go_when_the_evicted_ones_come_back() -> None:
    outcome = scaled(WITH_DEDICATED, for_minutes(30, 40), evicted=0, spot=every_half_minute(10))
    assert (outcome.low_priority, outcome.dedicated) == (10, 0)


def test_only_work_that_waited_all_the_time_is_carried() -> None:
    pending = [*for_minutes(30, 8)[:-1], Sample(NOW, 40)]
    assert scaled(WITH_DEDICATED, pending, spot=every_half_minute(0)).dedicated == 2


def test_no_work_is_no_node_though_spot_never_came() -> None:
    outcome = scaled(WITH_DEDICATED, for_minutes(30, 0), evicted=3, spot=every_half_minute(3))
    assert (outcome.low_priority, outcome.dedicated) == (0, 0)


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
