"""Failures of conversions: their kind decides what happens next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Kind(str, Enum):
    """What a failure is about, and so how it can be fixed."""

    INPUT = "input"
    """The source: damaged, cut, or without the wanted stream. Never tried again."""
    SETTINGS = "settings"
    """ffmpeg's arguments: they would fail for every file."""
    NAME = "name"
    """The result cannot have its name."""
    TRANSIENT = "transient"
    """A temporary error, such as a killed process. Tried again."""
    TIMEOUT = "timeout"
    """It took too long, or made no progress."""
    ENVIRONMENT = "environment"
    """The environment: disk full, no permission, no ffmpeg. Every file would fail."""
    INTERNAL = "internal"
    """A bug in runner."""


@dataclass(frozen=True)
class Failure:
    """One failed attempt."""

    kind: Kind
    message: str
    """One line, without the file's name."""
    log: str = ""
    """The end of ffmpeg's log."""


class ConversionError(Exception):
    """Raised by the worker, with a `Failure`."""

    def __init__(self, kind: Kind, message: str, log: str = "") -> None:
        super().__init__(message)
        self.failure = Failure(kind, message, log)


class Stopped(Exception):  # noqa: N818 - not an error: somebody asked for it
    """The conversion was stopped from outside."""


_FAULT_LINE = re.compile(r"\[(?:error|fatal|panic)\]:? *(.*)")


def fault_lines(log: str) -> list[str]:
    """Return the lines of *log* that ffmpeg marks as errors, without their prefix."""
    return [found[1].strip() for line in log.splitlines() if (found := _FAULT_LINE.search(line))]
