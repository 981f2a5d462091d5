"""Why a conversion failed: its kind decides what happens next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Kind(str, Enum):
    """What a failure is about, and so who or what can mend it."""

    INPUT = "input"
    """The source: damaged, cut, without the wanted stream. Never tried again."""
    SETTINGS = "settings"
    """What ffmpeg was told: it would fail for every file."""
    NAME = "name"
    """The result cannot have the name that it would get."""
    TRANSIENT = "transient"
    """A temporary error, such as a killed process. Tried again."""
    TIMEOUT = "timeout"
    """It took too long, or stood still."""
    ENVIRONMENT = "environment"
    """The place: disk full, no rights, no ffmpeg. Every file would fail."""
    INTERNAL = "internal"
    """A bug of ours."""


@dataclass(frozen=True)
class Failure:
    """One failed attempt."""

    kind: Kind
    message: str
    """One line, without the file's name."""
    log: str = ""
    """The last of ffmpeg's own words."""


class ConversionError(Exception):
    """Leaves the worker with a `Failure`."""

    def __init__(self, kind: Kind, message: str, log: str = "") -> None:
        super().__init__(message)
        self.failure = Failure(kind, message, log)


class Stopped(Exception):  # noqa: N818 - not an error: somebody asked for it
    """The conversion was ended from outside."""


_FAULT_LINE = re.compile(r"\[(?:error|fatal|panic)\]:? *(.*)")


def fault_lines(log: str) -> list[str]:
    """The lines of *log* that ffmpeg itself marks as errors, without their prefix."""
    return [found[1].strip() for line in log.splitlines() if (found := _FAULT_LINE.search(line))]
