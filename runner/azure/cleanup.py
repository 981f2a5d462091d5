"""Clean up after a run: only what can still be collected stays in storage."""

import os
from collections.abc import Sequence
from functools import cached_property

from runner.azure.conversion_index import ConversionIndex, id_of, target_of
from runner.azure.stored import StoredRun
from runner.azure.work_items import InFlightTasks
from runner.conversions import Conversions
from runner.followup import FollowUp
from runner.formatting import count_text
from runner.models import Conversion, Event, Notice, Plan, State

_DONE, _CONVERTED = 1, 2


class RunCleanup:
    """Deletes from storage what a run no longer needs."""

    def __init__(self, table: InFlightTasks, done: Sequence[Conversion]) -> None:
        """*table* has the conversions of the run; *done* are others, which were done before."""
        self._table = table
        self._done = Conversions.of(done)
        self._ends = bytearray(len(table.conversions))
        """How each one in the table has ended."""

    def note(self, result: Event) -> None:
        """Note a final event."""
        index = self._table.index_of(result.conversion.id)
        if index is not None:
            is_converted = result.state is State.CONVERTED
            self._ends[index] |= is_converted * _CONVERTED | (not result.uncollected) * _DONE

    def clear(self, stored: StoredRun, *, keep: bool) -> Conversions:
        """Remove all that needs no further work, except sources to *keep*; return the conversions that need some.

        These are files that were not replaced here, or were not part of this command. An older version of a
        source does not count, because its target was converted again.
        """
        left = stored.retain(lambda conversion: not self.is_done(conversion))
        if not keep:
            stored.delete_sources(keep={conversion.id for conversion in left})
        return left

    def is_done(self, conversion: Conversion) -> bool:
        """Return whether what storage has of *conversion* is needed no more."""
        index = self._table.index_of(conversion.id)
        if index is not None and self._ends[index] & _DONE:
            return True
        target = target_of(conversion)
        index = self._targets.find(target)
        if index is not None and self._ends[index] & _CONVERTED:
            return True
        done = (self._done_ids.find(conversion.id), self._done_targets.find(target))
        return done != (None, None)

    @cached_property
    def _targets(self) -> ConversionIndex:
        return ConversionIndex(self._table.conversions, target_of)

    @cached_property
    def _done_ids(self) -> ConversionIndex:
        return ConversionIndex(self._done, id_of)

    @cached_property
    def _done_targets(self) -> ConversionIndex:
        return ConversionIndex(self._done, target_of)


def left_over_notice(left: Conversions, plan: Plan, follow_up: FollowUp) -> Notice:
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
