"""Scale a pool by its formula: take samples, evaluate, resize to what comes out."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from tests.emulator import pools
from tests.emulator.autoscale import (
    SAMPLE_PERIOD,
    AutoScaleError,
    Evaluation,
    Sample,
    Targets,
    evaluate,
    parse,
)
from tests.emulator.errors import BatchError, invalid_property
from tests.emulator.model import AutoScaleRun, Json, Pool, key
from tests.emulator.states import AllocationState, NodeState, PoolState
from tests.emulator.times import SECOND, parse_duration, timestamp, to_datetime

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.emulator.account import Account

HISTORY = 480
"""Samples kept of each variable: four hours."""
BETWEEN_ENABLINGS = 30 * SECOND


def begin_sampling(account: Account, pool: Pool) -> None:
    """Measure the pool's variables every 30 virtual seconds for as long as it is there."""

    def sample() -> None:
        if account.pools.get(key(pool.id)) is not pool:
            return
        take_samples(account, pool)
        account.later(SAMPLE_PERIOD.total_seconds(), sample)

    account.later(SAMPLE_PERIOD.total_seconds(), sample)


def take_samples(account: Account, pool: Pool) -> None:
    now = to_datetime(account.now())
    for name, value in measurements(account, pool).items():
        pool.samples.setdefault(name, deque(maxlen=HISTORY)).append(Sample(now, float(value)))


def measurements(account: Account, pool: Pool) -> dict[str, int]:
    """Count what the formula's variables mean; a task with unmet dependencies is not active."""
    mine = [job for job in account.jobs.values() if key(job.pool_id or "") == key(pool.id)]
    live = [
        job for job in mine if job.state not in ("completed", "terminating", "deleting", "disabled")
    ]
    blocked = sum(sum(t.parents is not None for t in job.order) for job in live if job.blocked)
    active = sum(job.counts["active"] for job in live) - blocked
    running = sum(job.counts["running"] + job.counts["preparing"] for job in mine)
    return {
        "$ActiveTasks": active,
        "$RunningTasks": running,
        "$PendingTasks": active + running,
        "$SucceededTasks": sum(job.counts["succeeded"] for job in mine),
        "$FailedTasks": sum(job.counts["failed"] for job in mine),
        "$CurrentDedicatedNodes": len(pools.members(pool, dedicated=True)),
        "$CurrentLowPriorityNodes": len(pools.members(pool, dedicated=False)),
        "$PreemptedNodeCount": sum(n.state == NodeState.PREEMPTED for n in pool.nodes.values()),
        "$SampleNodeCount": sum(n.state in ("idle", "running") for n in pool.nodes.values()),
        "$UsableNodeCount": sum(n.state in ("idle", "running") for n in pool.nodes.values()),
    }


def check_formula(formula: str) -> None:
    try:
        parse(formula)
    except AutoScaleError as error:
        raise BatchError(error.code, {"Message": error.detail}) from error


def check_interval(text: str) -> float:
    seconds = parse_duration(text)
    if not 300 <= seconds <= 604_800:
        reason = "the interval must be between 5 minutes and 168 hours"
        raise invalid_property("autoScaleEvaluationInterval", text, reason)
    return seconds


def check_scaling(options: Json) -> None:
    if not options.get("autoScaleFormula"):
        raise BatchError("MissingRequiredProperty", {"PropertyName": "autoScaleFormula"})
    check_formula(options["autoScaleFormula"])
    if "autoScaleEvaluationInterval" in options:
        check_interval(options["autoScaleEvaluationInterval"])


def enable(account: Account, pool: Pool, options: Json) -> None:
    """Let a formula scale *pool* from now on.

    Raises:
        BatchError: The formula or the interval is refused, it is resizing, or it is too soon.
    """
    pools.refuse_deleting(pool)
    if pool.formula is None:
        pools.refuse_resizing(pool)
    if account.now() - pool.autoscale_enabled_at < BETWEEN_ENABLINGS:
        raise BatchError("TooManyEnableAutoScaleRequests")
    options = {"autoScaleFormula": pool.formula, **options}
    check_scaling(options)
    adopt(account, pool, options)
    pool.autoscale_enabled_at = account.now()
    pools.touch(account, pool)


def adopt(account: Account, pool: Pool, options: Json) -> None:
    """Take over a checked formula and begin a new schedule."""
    pool.formula = options["autoScaleFormula"]
    if "autoScaleEvaluationInterval" in options:
        pool.interval = parse_duration(options["autoScaleEvaluationInterval"])
    schedule(account, pool)


def schedule(account: Account, pool: Pool) -> None:
    if pool.autoscale_timer is not None:
        pool.autoscale_timer.cancel()
    pool.autoscale_timer = account.later(pool.interval, partial(due, account, pool))


def due(account: Account, pool: Pool) -> None:
    """Evaluate, and resize where the pool is at rest; then wait for the next time."""
    if pool.state == PoolState.DELETING or pool.formula is None:
        return
    run(account, pool)
    schedule(account, pool)


def run(account: Account, pool: Pool) -> None:
    """Evaluate the pool's own formula and act on it; an error leaves the sizes alone."""
    assert pool.formula is not None
    pool.autoscale_run, evaluation = trial(account, pool, pool.formula)
    if evaluation is None or pool.allocation.state != AllocationState.STEADY:
        return
    wanted = (evaluation.dedicated, evaluation.low_priority)
    if wanted != (pool.target_dedicated, pool.target_low_priority):
        options = {
            "targetDedicatedNodes": evaluation.dedicated,
            "targetLowPriorityNodes": evaluation.low_priority,
            "nodeDeallocationOption": evaluation.deallocation,
        }
        pools.begin_resize(account, pool, options)


def trial(account: Account, pool: Pool, formula: str) -> tuple[AutoScaleRun, Evaluation | None]:
    """Evaluate *formula* without acting on it.

    Raises:
        BatchError: It cannot even be read.
    """
    check_formula(formula)
    current = Targets(pool.target_dedicated, pool.target_low_priority)
    at = account.now()
    try:
        evaluation = evaluate(formula, samples=pool.samples, now=to_datetime(at), current=current)
    except AutoScaleError as error:
        unchanged = Evaluation(
            dedicated=current.dedicated, low_priority=current.low_priority, deallocation="requeue"
        )
        described = {
            "code": error.code,
            "message": error.message,
            "values": [{"name": "Message", "value": error.detail}],
        }
        return AutoScaleRun(at, unchanged.results(), described), None
    return AutoScaleRun(at, evaluation.results()), evaluation


def run_json(run_: AutoScaleRun) -> Json:
    body: Json = {"timestamp": timestamp(run_.at), "results": run_.results}
    return {**body, "error": run_.error} if run_.error else body


def disable(account: Account, pool: Pool) -> None:
    pools.refuse_deleting(pool)
    if pool.autoscale_timer is not None:
        pool.autoscale_timer.cancel()
    pool.formula = None
    pool.autoscale_run = None
    pools.touch(account, pool)


def evaluate_now(account: Account, pool: Pool, formula: str) -> Json:
    """Answer the evaluateautoscale call.

    Raises:
        BatchError: The pool does not scale itself, or the formula cannot be read.
    """
    pools.refuse_deleting(pool)
    if pool.formula is None:
        raise BatchError(
            "OperationNotValidOnPool", {"Reason": "autoscale is not enabled on the pool"}
        )
    return run_json(trial(account, pool, formula)[0])


def create_pool(
    account: Account, definition: Json, *, identities: Iterable[str] = (), auto: bool = False
) -> Pool:
    """Make a pool and set its scaling going.

    Raises:
        BatchError: The pool cannot be made, or its formula is refused.
    """
    scales = bool(definition.get("enableAutoScale"))
    if scales:
        check_scaling(definition)
    pool = pools.create(account, definition, identities=identities, auto=auto)
    begin_sampling(account, pool)
    if scales:
        adopt(account, pool, definition)
        if account.settings.evaluate_new_pools:
            run(account, pool)
    return pool
