"""The autoscale formula: how many nodes the work that waits is worth. Pure."""

from dataclasses import dataclass

MAX_FORMULA_BYTES = 8 * 1024
SPOT_MINUTES = 10
"""Minutes that Spot has to deliver what it was asked for, before full-price nodes carry that."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The bounds of a pool that scales itself, in nodes."""

    slots: int
    """Tasks that one node runs at once."""
    max_spot: int
    max_dedicated: int = 0
    """Full-price nodes that may carry what Spot does not: evicted, not delivered, over its bound."""
    min_dedicated: int = 0
    """Full-price nodes that stay when there is no work."""
    minutes: int = 5
    """Between two evaluations."""

    @property
    def patience(self) -> int:
        """Minutes of waiting work that show Spot to be late.

        Spot is asked at an evaluation, so the work has waited since one that is at least
        SPOT_MINUTES old.
        """
        return self.minutes * -(-SPOT_MINUTES // self.minutes)


def autoscale_formula(scale: Scale) -> str:
    """Return the formula: Spot first, dedicated for what Spot cannot carry, down to the floor.

    `$PendingTasks` counts tasks that wait or run, not slots, hence the division. It has no samples
    in a pool's first minutes, where asking for a window of them is an error that leaves the pool at
    its size: the newest sample stands in until 70 % of the window is there, and 0 if there is none.
    Going down follows the window's mean and going up its newest sample, so that a pause between
    two submissions does not cost the nodes. `taskcompletion` lets running tasks end first.

    What Spot was asked for is late when the work for it waited through `patience` and the nodes
    are not there: no quota, no capacity. Nodes that boot are there, and evicted ones are counted
    as there too ($CurrentLowPriorityNodes), which is why both can be added. Without samples from
    before the window (a new pool) or of the nodes, nobody is late: full price is not paid on a
    guess.
    Written from Batch's documentation and public formulas; not yet evaluated by the service.
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
