"""The options of a run: set by its first command, stored with the run, and used again by later commands."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Self

from runner.media.recipe import VERIFY
from runner.media.strict import UnreadableError, parse_json, read_as
from runner.media.target import ANYTHING, Replaceable
from runner.prices import CURRENCY, HIGHEST, is_currency
from runner.source_choice import KEEP, is_choice

OVERWRITE = ("auto", "never", "if-newer", "always")
UPLOAD = ("auto", "whole", "audio-only")
"""What to upload of a film that is converted to audio."""
AUTO, OFF = "auto", "off"
LEAST_PIECE = 1.0
"""Seconds of the shortest piece of a film."""
MOST_TRANSFERS = 64
MOST_RETRIES = 1000
"""The number of an attempt is part of its task's name."""
LONGEST_TIMEOUT = 1e9
"""In seconds: about thirty years, which every clock can add."""
_LONGEST = 10_000
"""The longest options as JSON, in characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options that belong to a run, and not to the machine or the terminal of one command.

    ffmpeg and the number of cores belong to the machine: another machine may continue the run.
    """

    overwrite: str = "auto"
    """What to do about existing results: one of `OVERWRITE`."""
    verify: str = "duration"
    """How to check results: one of `VERIFY`."""
    retries: int = 2
    """Extra attempts after a temporary error."""
    timeout: float | None = None
    """Time limit for one file in seconds; None for no limit while it makes progress."""
    fail_fast: int | None = None
    """Stop after this many failed files. Later commands do not use it again: they would stop at the same files."""
    upload: str = "auto"
    """One of `UPLOAD`."""
    transfers: int = 4
    """Parallel uploads to Azure, and parallel downloads."""
    keep: bool = False
    """Whether the sources stay in storage after the run."""
    keep_times: bool = False
    """Whether results get the file times of their sources."""
    max_cost: float | None = None
    """What the nodes may cost, in `currency`: then nothing more is begun."""
    price_per_hour: float | None = None
    """What a node costs per hour; None for Azure's price list."""
    currency: str = CURRENCY
    pool: str = ""
    """The name of the pool on Azure; empty if the stack has one pool without a name."""
    split: str = AUTO
    """Whether films are encoded in pieces side by side: "auto", "off", or the length of a piece in seconds."""
    source: str = KEEP
    """What becomes of a source once its result is verified, as `SourceChoice.parse` reads it."""

    def __post_init__(self) -> None:
        for name, is_right in _IS_RIGHT.items():
            if not is_right(value := getattr(self, name)):
                raise UnreadableError(f"{name} cannot be {value!r}")

    def replaceable(self, planned: tuple[int, int] | str | None) -> Replaceable:
        """Return which file a result may replace, if the plan was to replace one in the state *planned*."""
        if self.overwrite == "always":
            return ANYTHING
        return Replaceable(planned if isinstance(planned, tuple) else None)

    def as_json(self) -> str:
        """Return one line of JSON for `from_json`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `as_json` wrote; missing options get their defaults, and unknown ones are ignored.

        Raises:
            UnreadableError: It is not such a line, or has an impossible value.
        """
        return read_as(cls, parse_json(text, _LONGEST))


def is_pool_name(value: str) -> bool:
    """Return whether *value* can be the name of a pool: control characters from outside are never shown."""
    return re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value) is not None


def is_split(value: object) -> bool:
    """Whether *value* can be that of `split`."""
    if value in (AUTO, OFF):
        return True
    if not isinstance(value, str) or not re.fullmatch(r"\d{1,9}(?:\.\d{1,6})?", value):
        return False
    return LEAST_PIECE <= float(value) <= LONGEST_TIMEOUT


def _is_whole(value: object, least: int, most: float = math.inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_time(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 < value <= LONGEST_TIMEOUT
    )


def _is_money(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value <= HIGHEST  # type: ignore[operator]


# Options also come from storage and from the ledger, which may contain anything.
_IS_RIGHT: dict[str, Callable[[Any], bool]] = {
    "overwrite": OVERWRITE.__contains__,
    "verify": VERIFY.__contains__,
    "retries": lambda value: _is_whole(value, 0, MOST_RETRIES),
    "timeout": lambda value: value is None or _is_time(value),
    "fail_fast": lambda value: value is None or _is_whole(value, 1),
    "upload": UPLOAD.__contains__,
    "transfers": lambda value: _is_whole(value, 1, MOST_TRANSFERS),
    "keep": lambda value: isinstance(value, bool),
    "keep_times": lambda value: isinstance(value, bool),
    "max_cost": lambda value: value is None or _is_money(value),
    "price_per_hour": lambda value: value is None or _is_money(value),
    "currency": lambda value: isinstance(value, str) and is_currency(value),
    "pool": lambda value: isinstance(value, str) and (not value or is_pool_name(value)),
    "split": is_split,
    "source": is_choice,
}
