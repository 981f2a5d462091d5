"""Put right what a killed run left of its sources: each is at its own place, or where it was to go."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from runner.errors import TransientError
from runner.formatting import count_text, display_path
from runner.ledger import Ledger
from runner.source_choice import DONE, KEPT, MOVE
from runner.source_records import SourceRecord
from runner.sources.durable import StaysError, reason_of, sha256_from_disk
from runner.sources.removal import as_it_is_now, discard, name_beside, put_back

_CUT_OFF = "the run ended before it could be dealt with"


def put_right(destination: Path) -> list[str]:
    """Look after the sources that a killed run in *destination* was about to take away.

    Returns a line for each thing that the user should know. Where another runner is at work, they
    are its own.
    """
    if not Ledger.exists(destination):
        return []
    with Ledger.peek(destination) as ledger:
        if not ledger.sources.leaving():
            return []
    with (
        suppress(TransientError),
        Ledger.open(destination) as ledger,
        ledger.lock.held_for("sources"),
    ):
        return list(_lines(ledger))
    return []


def _lines(ledger: Ledger) -> Iterator[str]:
    gone = 0
    for record in ledger.sources.leaving():
        settled = _settled(record)
        ledger.sources.set(settled)
        if settled.state != KEPT:
            gone += 1
        elif settled.reason != _CUT_OFF:
            yield f"{display_path(record.path)}: {settled.reason}"
    if gone:
        yield f"{count_text(gone, 'source')} had been dealt with when a run was killed"


def _settled(record: SourceRecord) -> SourceRecord:
    """Settle *record*: a source that was being removed is put back, so that the same command can handle it again."""
    try:
        with suppress(FileNotFoundError):
            discard(name_beside(record.place, record.run) if record.place else "")
        beside = name_beside(record.path, record.run)
        if os.path.lexists(beside):
            put_back(beside, record.path, StaysError("the run was killed"))
            record = as_it_is_now(record)
        if os.path.lexists(record.path):
            _discard_copy(record)
            return replace(record, state=KEPT, place="", reason=_CUT_OFF)
        _require_copy(record)
    except (StaysError, OSError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else str(error)
        return replace(record, state=KEPT, place="", reason=reason)
    return replace(record, state=DONE[record.choice.action])


def _require_copy(record: SourceRecord) -> None:
    """Refuse that a source was moved, which is gone, where another file is at its place.

    Raises:
        StaysError: With the reason; so for `OSError`.
    """
    if record.choice.action != MOVE:
        return
    place = display_path(record.place)
    if not os.path.lexists(record.place):
        raise StaysError(f"it is gone, and {place} is not there")
    if os.path.getsize(record.place) != record.identity.size:
        raise StaysError(f"it is gone, and {place} is another file")


def _discard_copy(record: SourceRecord) -> None:
    """Remove what a source that is there was moved to in part: a name without content, or a copy."""
    place = record.place
    if not place or not os.path.lexists(place) or os.path.samefile(place, record.path):
        return
    if os.path.getsize(place) == 0 or _are_alike(place, record.path):
        discard(place)


def _are_alike(one: str, other: str) -> bool:
    sizes = os.path.getsize(one), os.path.getsize(other)
    return sizes[0] == sizes[1] and sha256_from_disk(one) == sha256_from_disk(other)
