"""What a run leaves in storage: nothing but what is still to be collected, and how that is done."""

import os
from collections.abc import Iterable

from runner.azure.stored import StoredRun
from runner.clashes import folded
from runner.followup import FollowUp
from runner.models import Conversion, Event, Notice, Plan, State
from runner.wording import count_text


class Settled:
    """The conversions of a run that nothing is left to do about."""

    def __init__(self, done: Iterable[Conversion]) -> None:
        self._ids = set()
        self._targets = set()
        for conversion in done:
            self._ids.add(conversion.id)
            self._targets.add(folded(conversion.target))

    def note(self, result: Event) -> None:
        """Take a final event into account."""
        if not result.uncollected:
            self._ids.add(result.conversion.id)
        if result.state is State.CONVERTED:
            self._targets.add(folded(result.conversion.target))

    def clear(self, stored: StoredRun, *, keep: bool) -> tuple[Conversion, ...]:
        """Take what is settled out of storage, but for sources to *keep*; returns what is not.

        That is what was kept here, or was not asked for this time. What a source was before it
        changed is not among it: its target has been made anew.
        """
        left = stored.retain(
            lambda c: c.id not in self._ids and folded(c.target) not in self._targets
        )
        if not keep:
            stored.delete_sources(besides={conversion.id for conversion in left})
        return left


def about(left: tuple[Conversion, ...], plan: Plan, follow_up: FollowUp) -> Notice:
    """What to do about the files of the run of *plan* that are *left* to be collected."""
    files = f"{count_text(len(left), 'file')} of run {plan.id} left in Azure"
    if any(os.path.lexists(plan.destination / conversion.target) for conversion in left):
        attach = follow_up.attach(plan.id, "--overwrite", "always")
        how = f", as what is here was kept: `{attach}` replaces it, another -o puts them elsewhere"
    else:
        how = f": `{follow_up.attach(plan.id)}` collects the rest"
    return Notice(files + how, uncollected=len(left))
