"""The service's notions of time: .NET ticks, ETags, timestamps and ISO 8601 durations. Pure.

A moment is an int: ticks of 100 ns since year 1, UTC. An ETag is that number in hexadecimal.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

SECOND = 10_000_000
"""Ticks a second."""
EPOCH = 621_355_968_000_000_000
"""1970-01-01 in ticks."""
UNLIMITED = "P10675199DT2H48M5.4775807S"
"""The longest .NET duration: how the service says "no limit"."""

DURATION = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)?"
)


def from_epoch(seconds: float) -> int:
    return EPOCH + round(seconds * SECOND)


def to_datetime(ticks: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=(ticks - EPOCH) // 10)


def timestamp(ticks: int) -> str:
    """Write a moment as the service does: up to 7 digits, trailing zeros dropped."""
    whole, fraction = divmod(ticks, SECOND)
    text = to_datetime(whole * SECOND).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f"{fraction:07d}".rstrip("0")
    return f"{text}.{digits}Z" if digits else f"{text}Z"


def parse_timestamp(text: str) -> int:
    """Read a timestamp; without a zone it is UTC.

    Raises:
        ValueError: It is none.
    """
    match = TIMESTAMP.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a time: {text!r}")
    day, clock, fraction, zone = match.groups()
    moment = datetime.fromisoformat(f"{day}T{clock or '00:00:00'}{zone or '+00:00'}")
    return from_epoch(int(moment.timestamp())) + int((fraction or "0").ljust(7, "0")[:7])


def etag(ticks: int) -> str:
    return f"0x{ticks:X}"


def http_date(ticks: int) -> str:
    return format_datetime(to_datetime(ticks).replace(microsecond=0), usegmt=True)


def parse_duration(text: str) -> float:
    """Read an ISO 8601 duration in seconds; the service's longest one is infinite.

    Raises:
        ValueError: It is none.
    """
    match = DURATION.fullmatch(text)
    if match is None or text.endswith(("P", "T")):
        raise ValueError(f"not a duration: {text!r}")
    parts = {name: float(value) for name, value in match.groupdict(default="0").items()}
    if parts["days"] >= 10_675_199:
        return float("inf")
    return timedelta(**parts).total_seconds()


def duration(seconds: float) -> str:
    """Write seconds as the service does: PT15M, P7D, P1DT2H, PT0S."""
    if seconds == float("inf"):
        return UNLIMITED
    ticks = round(seconds * SECOND)
    whole, fraction = divmod(ticks, SECOND)
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    digits = f"{fraction:07d}".rstrip("0")
    seconds_text = f"{left}.{digits}" if digits else str(left)
    clock = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M")) if n)
    if left or digits:
        clock += f"{seconds_text}S"
    text = (f"{days}D" if days else "") + (f"T{clock}" if clock else "")
    return f"P{text}" if text else "PT0S"
