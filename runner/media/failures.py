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
    """A passing fault, such as a killed process. Tried again."""
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


_DAMAGE = r"corrupt (?:input|decoded)|[Dd]ecoding|decode_frame|Header missing|buffer exhausted|End of file"

# The first pattern that is found in ffmpeg's words names the failure. Collected from ffmpeg 4.2,
# 5.1, 7.0 and 9.0, whose words differ; `{0}` is the first group.
_VERDICTS: tuple[tuple[str, Kind, str], ...] = (
    (r"No space left on device", Kind.ENVIRONMENT, "the disk is full"),
    (r"Disk quota exceeded", Kind.ENVIRONMENT, "the disk quota is used up"),
    (r"Read-only file system", Kind.ENVIRONMENT, "the file system is read-only"),
    (r"Cannot allocate memory|Out of memory", Kind.TRANSIENT, "out of memory"),
    (r"Unknown encoder '([^']*)'", Kind.SETTINGS, "this ffmpeg has no encoder '{0}'"),
    (r"Unrecognized option '([^']*)'", Kind.SETTINGS, "ffmpeg knows no option '{0}'"),
    (r"No such filter: '([^']*)'", Kind.SETTINGS, "this ffmpeg has no filter '{0}'"),
    (
        r"Unable to (?:find|choose) a(?:n| suitable)? output format",
        Kind.SETTINGS,
        "ffmpeg knows no format for this suffix",
    ),
    (r"Error setting option (\S+) to value (.*?)\.?$", Kind.SETTINGS, "bad value for {0}: {1}"),
    (r"Unable to parse option value \"([^\"]*)\"", Kind.SETTINGS, "bad option value '{0}'"),
    (r"Expected number for (\S+) but found: (.*)", Kind.SETTINGS, "bad value for {0}: {1}"),
    (r"Invalid encoder type '([^']*)'", Kind.SETTINGS, "'{0}' is no encoder for this stream"),
    (r"Stream (?:map|specifier) '[^']*' .*matches no streams", Kind.INPUT, "{no_stream}"),
    (r"does not contain any stream", Kind.INPUT, "{no_stream}"),
    (r"Permission denied", Kind.ENVIRONMENT, "no right to write the result"),
    (r"moov atom not found", Kind.INPUT, "not a whole media file: moov atom not found"),
    (
        r"Invalid data found when processing input",
        Kind.INPUT,
        "damaged, or not a media file: invalid data",
    ),
    (r"could not find codec parameters|Could not find codec", Kind.INPUT, "unreadable streams"),
    (r"Decoder .* not found|Decoding requested, but no decoder", Kind.INPUT, "unknown codec"),
    (r"No such file or directory", Kind.INPUT, "the file is gone"),
    (_DAMAGE, Kind.INPUT, "damaged: not all of it can be read"),
    (r"Input/output error", Kind.TRANSIENT, "the disk or network reported an i/o error"),
)
_FAULT_LINE = re.compile(r"\[(?:error|fatal|panic)\] *(.*)")


def judge_log(log: str, *, wanted: str) -> tuple[Kind, str]:
    """Name the failure that ffmpeg's *log* tells of, as a kind and one line.

    *wanted* is the kind of stream that was asked for: "audio", "video" or "image".
    """
    faults = "\n".join(fault_lines(log))
    stream = "audio" if wanted == "audio" else "video"
    for pattern, kind, message in _VERDICTS:
        if found := re.search(pattern, faults, re.IGNORECASE | re.MULTILINE):
            return kind, message.format(*found.groups(), no_stream=f"no {stream} stream")
    # the first fault is the cause, what follows are its consequences
    first = faults.split("\n", 1)[0] or "it gave no reason"
    return Kind.INPUT, f"ffmpeg failed: {first[:200]}"


def fault_lines(log: str) -> list[str]:
    """The lines of *log* that ffmpeg itself marks as errors, without their prefix."""
    return [found[1].strip() for line in log.splitlines() if (found := _FAULT_LINE.search(line))]
