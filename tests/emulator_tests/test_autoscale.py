"""The autoscale language, on the formulas that Microsoft and others publish."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emulator.autoscale import AutoScaleError, Evaluation, Sample, Targets, evaluate

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)  # a Monday

SPOT_FIRST = """
maxSpot = 20; maxDedicated = 4; slots = 4;
window = TimeInterval_Minute * 5;
pct = $PendingTasks.GetSamplePercent(window);
last = max(0, $PendingTasks.GetSample(1));
pending = pct < 70 ? last : max(last, avg($PendingTasks.GetSample(window)));
nodes = pending / slots;
nodes = (nodes > 0 && nodes < 1) ? 1 : nodes;
$TargetLowPriorityNodes = min(maxSpot, nodes);
preempted = max(0, $PreemptedNodeCount.GetSample(1));
$TargetDedicatedNodes = min(maxDedicated, min(preempted, nodes));
$NodeDeallocationOption = taskcompletion;
"""

WORKING_HOURS = """
$curTime = time();
$workHours = $curTime.hour >= 8 && $curTime.hour < 18;
$isWeekday = $curTime.weekday >= 1 && $curTime.weekday <= 5;
$isWorkingWeekdayHour = $workHours && $isWeekday;
$TargetDedicatedNodes = $isWorkingWeekdayHour ? 20 : 10; // fewer at night
$NodeDeallocationOption = taskcompletion;
"""


def sampled(*values: float, period: int = 30) -> list[Sample]:
    """Return *values*, oldest first, the newest of which was taken just now."""
    start = NOW - timedelta(seconds=period * (len(values) - 1))
    return [Sample(start + timedelta(seconds=period * i), v) for i, v in enumerate(values)]


def run(formula: str, current: Targets | None = None, **samples: list[Sample]) -> Evaluation:
    return evaluate(
        formula, samples={f"${k}": v for k, v in samples.items()}, now=NOW, current=current
    )


@pytest.mark.parametrize(
    ("pending", "spot"),
    [([], 0), ([0.0], 0), ([1.0], 1), ([8.0], 2), ([9.0] * 10, 2), ([400.0] * 10, 20)],
)
def test_a_spot_first_formula_follows_the_pending_tasks(pending: list[float], spot: int) -> None:
    outcome = run(SPOT_FIRST, PendingTasks=sampled(*pending))
    assert (outcome.low_priority, outcome.dedicated) == (spot, 0)
    assert outcome.deallocation == "taskcompletion"


def test_preempted_nodes_are_replaced_by_dedicated_ones() -> None:
    outcome = run(
        SPOT_FIRST, PendingTasks=sampled(*[40.0] * 10), PreemptedNodeCount=sampled(1.0, 3.0)
    )
    assert (outcome.low_priority, outcome.dedicated) == (10, 3)


def test_the_results_name_the_targets_then_the_users_variables() -> None:
    assert run(WORKING_HOURS).results() == (
        "$TargetDedicatedNodes=20;$TargetLowPriorityNodes=0;$NodeDeallocationOption=taskcompletion;"
        "$curTime=2026-11-23T09:30:00.000Z;$isWeekday=1;$isWorkingWeekdayHour=1;$workHours=1"
    )


def test_what_a_formula_does_not_mention_stays_as_it_is() -> None:
    outcome = run("$TargetDedicatedNodes = 3;", current=Targets(dedicated=1, low_priority=7))
    assert (outcome.dedicated, outcome.low_priority, outcome.deallocation) == (3, 7, "requeue")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 4 - 3", 3),
        ("!0 ? 2 : 3", 2),
        ("1 ? 0 ? 4 : 5 : 6", 5),
        ("1 < 2 && 2 <= 2 && 3 != 4", 1),
        ("0 || 5 > 4", 1),
        ("avg($ActiveTasks.GetSample(4))", 2.5),
        ("sum($ActiveTasks.GetSample(2) * 2)", 14),
        ("val($ActiveTasks.GetSample(3), 0)", 4),
        ("len($ActiveTasks.GetSample(9), 1)", 5),
        ("$ActiveTasks", 4),
        ("$ActiveTasks.Count()", 4),
        ("$ActiveTasks.GetSamplePercent(2 * TimeInterval_Minute)", 100),
        ("$ActiveTasks.GetSamplePercent(4 * TimeInterval_Minute)", 50),
        ("min($ActiveTasks.GetSample(90 * TimeInterval_Second, 10))", 2),
        ("$ActiveTasks.GetSamplePeriod() == 30 * TimeInterval_Second", 1),
        ('time() - time("2026-11-23T09:00") == 30 * TimeInterval_Minute', 1),
        ("percentile($ActiveTasks.GetSample(4), 50)", 2.5),
        ("ceil(2.1) + floor(2.9) + round(2.5)", 8),
        ("range(1, 5, 3)", 4),
    ],
)
def test_expressions(expression: str, value: float) -> None:
    outcome = run(f"x = {expression};", ActiveTasks=sampled(1.0, 2.0, 3.0, 4.0))
    assert outcome.variables["x"] == pytest.approx(value)


@pytest.mark.parametrize(
    ("formula", "code", "where"),
    [
        ("$TargetDedicatedNodes = ;", "AutoScalingFormulaSyntaxError", "Line 1, Col 25"),
        ("a = 1\nb = 2;", "AutoScalingFormulaSyntaxError", "Line 2, Col 1"),
        ("a = 1 # 2;", "AutoScalingFormulaSyntaxError", "Line 1, Col 7"),
        ("$something_useless", "AutoScalingFormulaEvaluationError", "Line 1, Col 1"),
        ("a = magic(1);", "AutoScalingFormulaEvaluationError", "Line 1, Col 5"),
        ("a = 1 / 0;", "AutoScalingFormulaEvaluationError", "Line 1, Col 7"),
        ("a = 1 < TimeInterval_Hour;", "AutoScalingFormulaEvaluationError", "Line 1, Col 7"),
        ("$TargetDedicatedNodes = 0 - 1;", "AutoScalingFormulaEvaluationError", "Line 1, Col 1"),
        ("$NodeDeallocationOption = now;", "AutoScalingFormulaEvaluationError", "unknown variable"),
        ("$ActiveTasks = 4;", "AutoScalingFormulaEvaluationError", "read-only"),
        ("a = avg($FailedTasks.GetSample(1));", "AutoScalingFormulaEvaluationError", "no values"),
        (
            "a = $RunningTasks.GetSample(TimeInterval_Minute, 70);",
            "InsufficientSampleData",
            "Line 1, Col 5: Insufficient data from data set: $RunningTasks wanted 70%, received 0%",
        ),
        ("a = 1;" * 101, "AutoScalingFormulaTooLong", "100 statements"),
        ("a = 1;" + " " * 8192, "AutoScalingFormulaTooLong", "8192 bytes"),
    ],
)
def test_a_formula_in_error_says_the_services_code_and_where(
    formula: str, code: str, where: str
) -> None:
    with pytest.raises(AutoScaleError) as caught:
        run(formula, ActiveTasks=sampled(1.0))
    assert caught.value.code == code
    assert where in caught.value.detail


def test_half_a_node_is_none() -> None:
    assert run("$TargetDedicatedNodes = 1 / 2;").dedicated == 0


@given(st.text(max_size=60))
def test_no_text_brings_anything_but_an_outcome_or_a_named_error(text: str) -> None:
    with contextlib.suppress(AutoScaleError):
        run(text)
