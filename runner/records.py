"""The ledger's rows, as typed records."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Self, TypeVar

from runner.errors import ExitCode
from runner.media.strict import UnreadableError, number, parse_json, text, texts, whole
from runner.models import STEPS, Kind, NodeUse, Recipe, Result, Source, State, Step
from runner.options import RunOptions
from runner.prices import Prices

Choice = TypeVar("Choice", bound=Enum)
Value = TypeVar("Value")
_LONGEST_LOG = 16 * 1024
"""Characters."""
_LONGEST_UNPACKED = 1024 * 1024
"""Bytes."""


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A verified target, and what it was made from."""

    source: Source
    recipe: str
    """The fingerprint of the recipe."""
    result: Result
    notices: tuple[str, ...]

    @property
    def is_ours(self) -> bool:
        """Whether runner made it, rather than found it."""
        return bool(self.result.sha256)

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> Self:
        """Read a row of `results`.

        Raises:
            UnreadableError: It is damaged; the same applies to the other rows.
        """
        source, source_size, source_mtime_ns, recipe, size, mtime_ns, sha256, notices, etag = row
        return cls(
            Source(text(source), whole(source_size), whole(source_mtime_ns), text(etag)),
            text(recipe),
            Result(size=whole(size), mtime_ns=whole(mtime_ns), sha256=_digest(sha256)),
            _sentences(notices),
        )


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """A failure caused by the source, and what was tried."""

    target: str
    source: str
    source_size: int
    source_mtime_ns: int
    recipe: str
    """Its identity."""
    kind: Kind
    message: str
    source_etag: str = ""

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> Self:
        """Read a row of `known_failures`, with the kind and message of its attempt."""
        target, source, size, mtime_ns, recipe, kind, message, etag = row
        return cls(
            *(text(target), text(source), whole(size), whole(mtime_ns), text(recipe)),
            *(_one_of(Kind, kind), text(message), text(etag)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run, as recorded."""

    id: str
    backend: str
    """"local", or the Batch account."""
    command: str
    started: datetime
    ended: datetime | None
    exit_code: int | None
    """None while the run is active, or if it was killed."""
    files: int
    converted: int
    up_to_date: int
    failed: int
    unfinished: bool
    """Whether files are left, and the run was not abandoned."""
    options: RunOptions
    runner: str
    """The version of runner that started it; empty if that was not recorded."""
    vm_size: str = ""
    """Of the nodes; empty for this machine."""
    prices: Prices | None = None
    """The prices of nodes at the time; None if unknown."""

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> Self:
        """Read a row of `runs`."""
        name, backend, command, started, ended, exit_code, *counts, unfinished = row[:11]
        options, runner, vm_size, prices = row[11:]
        files, converted, up_to_date, failed = map(whole, counts)
        return cls(
            id=_name(name),
            backend=_name(backend),
            command=text(command),
            started=_moment(started),
            ended=None if ended is None else _moment(ended),
            exit_code=None if exit_code is None else _one_of(ExitCode, exit_code),
            files=files,
            converted=converted,
            up_to_date=up_to_date,
            failed=failed,
            unfinished=bool(whole(unfinished)),
            options=RunOptions.from_json(text(options)),
            runner=_name(runner),
            vm_size=_name(vm_size),
            prices=Prices.from_json(text(prices)) if prices else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One attempt at one conversion, as recorded."""

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
    ended: datetime
    """When its end was recorded."""
    notices: tuple[str, ...]
    source_size: int | None
    """In bytes, like the next two; None if unknown."""
    size: int | None
    """The size of the result."""
    sent: int | None
    """The bytes that were uploaded for it."""
    media_seconds: float | None
    queued: datetime | None
    """When its task was queued."""
    began: datetime | None
    """When a worker or a node started it."""
    worker: str
    """The id of the node, or the worker on this machine; empty if unknown."""
    versions: str
    """The versions of the programs that made it."""
    steps: tuple[Step, ...] = ()
    """When its parts were done, each by the clock of where that was."""

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> Self:
        """Read a row of `history`."""
        run, target, attempt, source, recipe, state, kind, message, seconds, log, *rest = row
        ended, notices, source_size, size, media_seconds, sent, queued, began, *names = rest
        worker, versions, steps = map(text, names)
        return cls(
            run=_name(run),
            target=text(target),
            number=whole(attempt),
            source=text(source),
            recipe=Recipe.from_json(text(recipe)),
            state=_one_of(State, state),
            kind=text(kind or ""),
            message=text(message or ""),
            seconds=number(seconds),
            log=_unpacked(log),
            ended=_moment(ended),
            notices=_sentences(notices),
            source_size=_if_any(whole, source_size),
            size=_if_any(whole, size),
            sent=_if_any(whole, sent),
            media_seconds=_if_any(number, media_seconds),
            queued=_if_any(_moment, queued),
            began=_if_any(_moment, began),
            worker=worker,
            versions=versions,
            steps=_steps(steps, number(ended)),
        )


def node_use(row: tuple[Any, ...]) -> NodeUse:
    """Read a row of `node_uses`."""
    node, spot, since, until, allocated, ready = row
    return NodeUse(
        node=text(node),
        spot=None if spot is None else bool(whole(spot)),
        since=number(since),
        until=number(until),
        allocated=_if_any(number, allocated),
        ready=_if_any(number, ready),
    )


def _steps(value: str, end: float) -> tuple[Step, ...]:
    rows = parse_json(value, _LONGEST_UNPACKED)
    if not isinstance(rows, list) or len(rows) > len(STEPS):
        raise UnreadableError("steps that are none")
    return tuple(_step(row, end) for row in rows)


def _step(row: object, end: float) -> Step:
    """Read a step by its number, and in milliseconds before the *end* of its attempt.

    In older ledgers it has its name, and the seconds since the epoch.
    """
    if not isinstance(row, list) or len(row) != 3:
        raise UnreadableError("a step that is none")
    name, began, ended = row[0], number(row[1]), number(row[2])
    if name in STEPS:
        return Step(str(name), began, ended)
    if whole(name) not in range(len(STEPS)):
        raise UnreadableError("a step that is none")
    return Step(STEPS[whole(name)], end - began / 1000, end - ended / 1000)


def _digest(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else text(value)


def _if_any(read: Callable[[object], Value], value: object) -> Value | None:
    return None if value is None else read(value)


def _sentences(value: object) -> tuple[str, ...]:
    if value == "[]":  # of nearly all files
        return ()
    return texts(parse_json(text(value), _LONGEST_UNPACKED))


def _name(value: object) -> str:
    """Return *value* if it can be a name that runner made, which unlike file names are plain."""
    name = text(value)
    if not name.isascii() or not name.isprintable():
        raise UnreadableError("a name that runner did not make")
    return name


def _moment(value: object) -> datetime:
    try:
        return datetime.fromtimestamp(number(value), UTC).astimezone()
    except (OverflowError, ValueError, OSError) as error:
        raise UnreadableError("a time out of range") from error


def _one_of(kind: type[Choice], value: object) -> Choice:
    try:
        return kind(value)
    except ValueError as error:
        raise UnreadableError(f"an unknown {kind.__name__}") from error


def _unpacked(data: object) -> str:
    if not isinstance(data, bytes):
        raise UnreadableError("something else instead of a log")
    unpacking = zlib.decompressobj()
    log = unpacking.decompress(data, _LONGEST_UNPACKED)
    if not unpacking.eof:
        raise UnreadableError("a truncated log")
    return log.decode("utf-8", "surrogateescape")


def compressed(log: str) -> bytes:
    """Compress *log* for storage; of a very long one, only head and tail are kept."""
    if len(log) > _LONGEST_LOG:
        log = f"{log[: _LONGEST_LOG // 4]}\n[...]\n{log[-3 * _LONGEST_LOG // 4 :]}"
    return zlib.compress(log.encode("utf-8", "surrogateescape"), 1)
