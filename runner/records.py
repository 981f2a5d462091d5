"""What the ledger's rows say, with names and types."""

import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from runner.models import Recipe, Result, Source, State
from runner.options import RunOptions

_LONGEST_LOG = 16 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """What a verified target was made from, and what it is."""

    source: Source
    recipe: str
    """Its fingerprint."""
    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run, as it was written down."""

    id: str
    place: str
    """"local", or the Batch account."""
    command: str
    started: datetime
    ended: datetime | None
    exit_code: int | None
    """None while it runs, or if it was killed."""
    files: int
    converted: int
    up_to_date: int
    failed: int
    unfinished: bool
    """Whether files are left that nobody has given up."""
    options: RunOptions

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> Self:
        """Read a row of `runs`."""
        return cls(
            id=row[0],
            place=row[1],
            command=row[2],
            started=datetime.fromtimestamp(row[3]).astimezone(),
            ended=row[4] and datetime.fromtimestamp(row[4]).astimezone(),
            exit_code=row[5],
            files=row[6],
            converted=row[7],
            up_to_date=row[8],
            failed=row[9],
            unfinished=bool(row[10]),
            options=RunOptions.from_json(row[11]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One attempt at one conversion, as it was written down."""

    run: str
    target: str
    number: int
    source: str
    recipe: Recipe
    state: State
    kind: str
    message: str
    seconds: float
    log: str

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> Self:
        """Read a row of `history`."""
        return cls(
            run=row[0],
            target=row[1],
            number=row[2],
            source=row[3],
            recipe=Recipe.from_json(row[4]),
            state=State(row[5]),
            kind=row[6] or "",
            message=row[7] or "",
            seconds=row[8],
            log=zlib.decompress(row[9]).decode("utf-8", "surrogateescape"),
        )


def packed(log: str) -> bytes:
    """*log* as it is kept: head and tail of a very long one, compressed."""
    if len(log) > _LONGEST_LOG:
        log = f"{log[: _LONGEST_LOG // 4]}\n[...]\n{log[-3 * _LONGEST_LOG // 4 :]}"
    return zlib.compress(log.encode("utf-8", "surrogateescape"), 1)
