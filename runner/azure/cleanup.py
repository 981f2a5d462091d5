"""Clean up after a run: only what can still be collected stays in storage."""

import os
from collections.abc import Iterable

from runner.azure.stored import StoredRun
from runner.clashes import folded
from runner.followup import FollowUp
from runner.formatting import count_text
from runner.models import Conversion, Event, Notice, Plan, State


class Settled:
    """The conversions of a run that need no further work."""

    def __init__(self, done: Iterable[Conversion]) -> None:
        self._ids = set()
        self._targets = set()
        for conversion in done:
            self._ids.add(conversion.id)
            self._targets.add(folded(conversion.target))

    def note(self, result: Event) -> None:
        """Note a final event."""
        if not result.uncollected:
            self._ids.add(result.conversion.id)
        if result.state is State.CONVERTED:
            self._targets.add(folded(result.conversion.target))

    def clear(self, stored: StoredRun, *, keep: bool) -> tuple[Conversion, ...]:
        """Remove everything settled from storage, except sources to *keep*; return the conversions that are not settled.

        These are files that were not replaced here, or were not part of this command. An older version of a
        source does not count, because its target was converted again.
        """
        left = stored.retain(
            lambda c: c.id not in self._ids and folded(c.target) not in self._targets
        )
        if not keep:
            stored.delete_sources(keep={conversion.id for conversion in left})
        return left


def left_over_notice(left: tuple[Conversion, ...], plan: Plan, follow_up: FollowUp) -> Notice:
    """Return the notice about the files of the run of *plan* that are *left* to collect."""
    files = f"{count_text(len(left), 'file')} of run {plan.id} left on Azure"
    if any(os.path.lexists(plan.destination / conversion.target) for conversion in left):
        attach = follow_up.attach(plan.id, "--overwrite", "always")
        how = f", because files here were kept: replace those with `{attach}`, or use another -o"
    else:
        how = f": collect the rest with `{follow_up.attach(plan.id)}`"
    return Notice(files + how, uncollected=len(left))


def interrupted_text(going_on: int, ended: int, run: str, follow_up: FollowUp) -> str:
    """Return the message for a user who stops *run*: how many of its tasks continue, or can be collected."""
    goes = f"{count_text(going_on, 'task')} still running on Azure"
    waits = f"{count_text(ended, 'task')} done there"
    said = ", ".join(text for text, count in ((goes, going_on), (waits, ended)) if count)
    if not said:
        return "stopped; nothing is running on Azure; run the same command again to continue"
    them = "it" if going_on + ended == 1 else "them"
    commands = f"collect {them} with `{follow_up.attach(run)}`"
    if going_on:
        commands += f", or cancel the run with `{follow_up.cancel(run)}`"
    return f"stopped here; {said}: {commands}"
