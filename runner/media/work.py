"""The input and output of a conversion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner.media.ffmpeg import Limits
from runner.media.target import ANYTHING, Replaceable

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.media.pieces import Cut, Split
    from runner.media.recipe import Recipe


def ignore_move(size: int, sha256: str, notices: tuple[str, ...]) -> None:
    """Do nothing with what `Work.before_move` is told."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """One file to convert."""

    source: str
    target: str
    """The final name; it exists only once the result is verified."""
    scratch: str
    """A folder for unfinished files, preferably on the target's file system."""
    name: str
    """The start of file names in *scratch*: plain ASCII, unlike the user's names."""
    recipe: Recipe
    ffmpeg: str = "ffmpeg"
    split: Split | None = None
    """How to encode a film in pieces; None for one."""
    cut: Cut | None = None
    """How the film was cut, if its pieces were encoded elsewhere."""
    pieces: tuple[str, ...] = ()
    """The files with these pieces; one that could not be encoded is empty."""
    limits: Limits = field(default_factory=Limits)
    threads: int | None = None
    """Threads for the video encoder, if it can be limited; None for as many as it likes."""
    replaceable: Replaceable = ANYTHING
    """Which existing file may be replaced."""
    mtime_ns: int | None = None
    """The modification time for the target, in nanoseconds; None for the current time."""
    size: int = 0
    """The size of the whole source in bytes, if this file is only a part of it."""
    expected: tuple[int, int] | None = None
    """The source's size in bytes and mtime in nanoseconds when it was planned, if known. If they
    have changed by then, or change during the conversion, it fails."""
    before_move: Callable[[int, str, tuple[str, ...]], None] = ignore_move
    """Told the result's size in bytes, its SHA-256 and its notices right before it gets its name."""


@dataclass(frozen=True, kw_only=True)
class ConversionResult:
    """A verified result."""

    size: int
    """Bytes."""
    sha256: str
    mtime_ns: int
    media_seconds: float
    """The length of the source, or of the result if the source's is unknown or other."""
    log: str
    encoded: float = 0.0
    """When ffmpeg was done and the checks began, in seconds since the epoch."""
    notices: tuple[str, ...] = ()
    """Problems that did not harm the result, one sentence each."""


@dataclass(frozen=True)
class Progress:
    """The progress of a conversion, in seconds of media."""

    done: float
    total: float | None
