"""Results that have their names while the ledger does not have them: their runner was killed in between.

Before a result is moved into place, a note in the scratch folder says what it is; the note goes once the
ledger has the result. So the next run knows what runner made, and what it may replace.
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from runner.media.failures import ConversionError
from runner.media.hashing import sha256_of
from runner.media.paths import mtime_ns_of
from runner.media.recipe import Recipe
from runner.media.strict import UnreadableError, parse_json, read_as
from runner.media.target import target_path
from runner.models import Conversion, Event, Result, Source, State

_SUFFIX = ".moved"
_LONGEST = 1_000_000
"""Bytes."""


@dataclass(frozen=True, slots=True)
class _Moved:
    run: str
    target: str
    source: Source
    recipe: str
    """As JSON."""
    size: int
    sha256: str
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MoveNotes:
    """The notes of *run*, in *scratch*."""

    run: str
    scratch: Path

    def write(
        self, conversion: Conversion, size: int, sha256: str, notices: tuple[str, ...]
    ) -> None:
        """Note that the verified result of *conversion* is about to get its name.

        Raises:
            OSError: It cannot be written.
        """
        recipe = conversion.recipe.as_json()
        moved = _Moved(
            *(self.run, conversion.target, conversion.source, recipe), size, sha256, notices
        )
        self._of(conversion).write_text(json.dumps(asdict(moved)), encoding="utf-8")

    def remove(self, event: Event) -> None:
        """Remove the note of a conversion whose *event* the ledger has."""
        if event.state is State.CONVERTED:
            with suppress(OSError):  # with the scratch folder it goes anyway
                self._of(event.conversion).unlink()

    def _of(self, conversion: Conversion) -> Path:
        return self.scratch / f"{conversion.id}{_SUFFIX}"


def unrecorded_results(destination: Path, scratch: Path) -> Iterator[tuple[str, Event]]:
    """Return the run and the event of each result in *destination* with a note below *scratch*.

    Those that are gone, or are other files by now, are left out.
    """
    for note in scratch.glob(f"*/*{_SUFFIX}"):
        # a note that was cut off, or a name that this system cannot have, tells of no result
        with suppress(OSError, UnreadableError, ConversionError):
            moved = read_as(_Moved, parse_json(note.read_bytes(), _LONGEST))
            if event := _event_of(moved, destination):
                yield moved.run, event


def _event_of(moved: _Moved, destination: Path) -> Event | None:
    path = target_path(destination, moved.target)
    status = os.stat(path)
    if status.st_size != moved.size or sha256_of(path) != moved.sha256:
        return None
    return Event(
        conversion=Conversion(moved.source, moved.target, Recipe.from_json(moved.recipe)),
        state=State.UP_TO_DATE,
        result=Result(size=moved.size, sha256=moved.sha256, mtime_ns=mtime_ns_of(status)),
        notices=moved.notices,
    )
