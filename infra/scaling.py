"""The autoscale formula: how many nodes to run for the waiting work. Pure."""

from dataclasses import dataclass

SPOT_MINUTES = 10
"""Minutes that Spot nodes have to arrive before full-price nodes replace them."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The limits of a pool with autoscaling, in nodes."""

    slots: int
    """Tasks that one node runs at the same time."""
    max_spot: int
    max_dedicated: int = 0
    """The maximum of full-price nodes, which replace Spot nodes that were evicted, did not arrive, or exceed `max_spot`."""
    min_dedicated: int = 0
    """Full-price nodes that always run, even without work."""
    minutes: int = 5
    """Minutes between two evaluations."""

    @property
    def patience(self) -> int:
        """How many minutes work must have waited for Spot nodes to be late.

        Spot nodes are requested at an evaluation, so the work has waited since an evaluation that is at
        least SPOT_MINUTES old.
        """
        return self.minutes * -(-SPOT_MINUTES // self.minutes)


def autoscale_formula(scale: Scale) -> str:
    """Return the formula: Spot nodes first, then dedicated ones for what Spot cannot do, but never below the minimum.

    `$PendingTasks` counts waiting and running tasks, not slots, so it is divided by the slots. In a pool's
    first minutes it has no samples, and a window of them would be an error that leaves the pool at its
    size: until 70 % of the window is there, the newest sample is used, or 0 if there is none. The pool
    shrinks by the window's mean and grows by its newest sample, so that a pause between two submissions
    does not remove nodes. `taskcompletion` lets running tasks finish first.

    Spot nodes are late if their work has waited for `patience` and they do not exist: no quota, or no
    capacity. Booting nodes exist, and evicted ones count as existing ($CurrentLowPriorityNodes), so both
    can be added. Without samples from before the window (in a new pool) or of the nodes, nothing is late:
    full price is not paid on a guess.

    Variables and functions: https://learn.microsoft.com/azure/batch/batch-automatic-scaling. The service
    has not evaluated this formula yet.
    """
    return f"""\
// Spot nodes for the work there is, dedicated ones for what Spot cannot carry, none when idle.
slots = {scale.slots};
maxSpot = {scale.max_spot};
maxDedicated = {scale.max_dedicated};
minDedicated = {scale.min_dedicated};
window = 5 * TimeInterval_Minute;
patience = {scale.patience} * TimeInterval_Minute;
known = $PendingTasks.GetSamplePercent(window);
newest = max(0, $PendingTasks.GetSample(1));
pending = known < 70 ? newest : max(newest, avg($PendingTasks.GetSample(window)));
nodes = ceil(pending / slots);
spot = min(maxSpot, nodes);
evicted = max(0, $PreemptedNodeCount.GetSample(1));
waited = $PendingTasks.GetSamplePercent(patience, window) < 30 ? 0 : min($PendingTasks.GetSample(patience));
there = $CurrentLowPriorityNodes.GetSamplePercent(window) < 30 ? spot : max($CurrentLowPriorityNodes.GetSample(window));
late = max(0, min(spot, ceil(waited / slots)) - there);
missing = nodes - spot + min(spot, evicted + late);
$TargetLowPriorityNodes = spot;
$TargetDedicatedNodes = max(minDedicated, min(maxDedicated, missing));
$NodeDeallocationOption = taskcompletion;
"""
