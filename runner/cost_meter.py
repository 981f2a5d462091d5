"""Count what the nodes of a run cost while it goes on, and end it at its limit."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from runner.costs import Cost, cost_with, use_of_attempts
from runner.engine import Stop
from runner.errors import CostLimitError
from runner.ledger import Ledger
from runner.models import Event, NodeUse, Plan
from runner.options import RunOptions
from runner.prices import Prices
from runner.storage_use import NOTHING, Retained, use_of_event


class CostTerms(Protocol):
    """What the cost of a run depends on."""

    @property
    def vm_size(self) -> str:
        """Of the nodes; empty for this machine."""

    @property
    def prices(self) -> Callable[[], Prices | None]:
        """What they cost, as far as is known so far."""


class CostMeter:
    """Counts what the nodes of a run cost while it goes on, and ends it at its limit."""

    def __init__(
        self, plan: Plan, terms: CostTerms, options: RunOptions, ledger: Ledger, stop: Stop
    ) -> None:
        self._plan = plan
        self._terms = terms
        self._options = options
        self._ledger = ledger
        self._stop = stop
        self._uses: dict[tuple[str, float], NodeUse] | None = None
        self._earlier = use_of_attempts(())
        """What earlier commands of the same run did."""
        self._downloaded = 0
        self._storage = NOTHING
        self._staying = Retained(results=ledger.results_stay, sources=options.keep)
        self._cost: Cost | None = None

    def observe(self, use: NodeUse) -> None:
        """Take in a node that was seen."""
        run, ledger = self._plan.id, self._ledger
        if self._uses is None:
            self._uses = {(one.node, one.since): one for one in ledger.runs.node_uses(run)}
            self._earlier = use_of_attempts(ledger.attempts.each(run), self._staying)
        ledger.runs.record_node(run, use)
        self._uses[use.node, use.since] = use
        cost = cost_with(self._uses.values(), self._earlier, self._terms.prices())
        self._cost = replace(
            cost,
            downloaded=cost.downloaded + self._downloaded,
            storage=cost.storage + self._storage,
        )
        amount, limit = self._cost.amount, self._options.max_cost
        if limit is not None and amount is not None and amount >= limit:
            self._stop.wind_down()

    def note(self, event: Event) -> None:
        """Take in the end of an attempt."""
        if self._uses is None:
            return
        if event.result is not None and not self._staying.results:
            self._downloaded += event.result.size
        self._storage += use_of_event(event, time.time(), self._staying)

    def close(self) -> None:
        """Write down at what prices it was counted."""
        if self._terms.vm_size:
            prices = self._terms.prices()
            self._ledger.runs.record_prices(self._plan.id, self._terms.vm_size, prices)

    def raise_if_at_limit(self, left: int) -> None:
        """Raise `CostLimitError` if the run ended at its limit with files left."""
        if not self._stop.at_limit or not left or self._cost is None:
            return
        limit = f"--max-cost {self._options.max_cost:g} {self._options.currency}"
        raise CostLimitError(
            f"stopped at {limit} with {left} of {self._plan.files} files left"
            f" ({self._cost.text}); the same command with a higher limit continues it"
        )
