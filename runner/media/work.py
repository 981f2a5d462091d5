"""What a conversion is given, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner.media.ffmpeg import Limits
from runner.media.target import ANYTHING, Replaceable

if TYPE_CHECKING:
    from runner.media.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Work:
    """One file to convert."""

    source: str
    target: str
    """The final name; it exists only once the result is verified."""
    scratch: str
    """A folder for what is not finished, best on the target's file system."""
    name: str
    """Of the files in *scratch*: plain ASCII, unlike the user's names."""
    recipe: Recipe
    ffmpeg: str = "ffmpeg"
    limits: Limits = field(default_factory=Limits)
    replaceable: Replaceable = ANYTHING
    """Which file that has the target's name already may be replaced."""
    mtime_ns: int | None = None
    """The file time that the target gets, in nanoseconds; none for that of its making."""
    size: int = 0
    """Bytes of the source, if what lies here is only a part of it."""
    expected: tuple[int, int] | None = None
    """The source's size in bytes and its mtime in nanoseconds, as they were planned, where they
    are known; a source that is another one by then, or becomes one meanwhile, is a failure."""


@dataclass(frozen=True, kw_only=True)
class ConversionResult:
    """A verified result."""

    size: int
    """Bytes."""
    sha256: str
    mtime_ns: int
    media_seconds: float
    """Length of the source, or of the result where the source does not tell."""
    log: str
    encoded: float = 0.0
    """When ffmpeg was done and the checks began, in seconds since the epoch."""
    notices: tuple[str, ...] = ()
    """What was wrong without harming the result, a sentence each."""


@dataclass(frozen=True)
class Progress:
    """How far a conversion is, in seconds of media."""

    done: float
    total: float | None
