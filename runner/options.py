"""How a run is done: what its first command said, stored with it, and gone on with by later ones."""

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
"""What travels to Azure of a film that becomes audio."""
MOST_TRANSFERS = 64
MOST_RETRIES = 1000
"""Each attempt has a number in the name of its task."""
LONGEST_TIMEOUT = 1e9
"""Seconds: some thirty years, which every clock can add."""
_LONGEST = 10_000
"""Characters of options as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options that belong to a run, not to the machine or to the terminal of one command.

    Which ffmpeg, and how many cores, are the machine's: another one may follow the run.
    """

    overwrite: str = "auto"
    """What is done about results that are there: one of `OVERWRITE`."""
    verify: str = "duration"
    """How results are checked: one of `VERIFY`."""
    retries: int = 2
    """Further attempts after a temporary error."""
    timeout: float | None = None
    """Seconds for one file; none for as long as it makes progress."""
    fail_fast: int | None = None
    """Stop after so many failed files; later commands do not: they would stop at the same ones."""
    upload: str = "auto"
    """One of `UPLOAD`."""
    transfers: int = 4
    """Files that travel to and from Azure at a time, each way."""
    keep: bool = False
    """Whether the sources stay in storage after the run."""
    keep_times: bool = False
    """Whether results get the file times of their sources."""
    max_cost: float | None = None
    """What the nodes may cost, in `currency`: then nothing more is begun."""
    price_per_hour: float | None = None
    """What a node costs an hour; none for what Azure's price list says."""
    currency: str = CURRENCY
    pool: str = ""
    """The name of the pool on Azure; empty where the stack has one that it does not name."""
    source: str = KEEP
    """What becomes of a source once its result is verified, as `SourceChoice.parse` reads it."""

    def __post_init__(self) -> None:
        for name, is_right in _IS_RIGHT.items():
            if not is_right(value := getattr(self, name)):
                raise UnreadableError(f"{name} cannot be {value!r}")

    def replaceable(self, planned: tuple[int, int] | str | None) -> Replaceable:
        """Which file a result may replace, if it was *planned* to replace one in that state."""
        if self.overwrite == "always":
            return ANYTHING
        return Replaceable(planned if isinstance(planned, tuple) else None)

    def as_json(self) -> str:
        """One line of JSON that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `as_json` wrote; what is not in it, or not known, is as it always was.

        Raises:
            UnreadableError: It is no such line, or says what no option can be.
        """
        return read_as(cls, parse_json(text, _LONGEST))


def is_pool_name(value: str) -> bool:
    """Whether a pool can be called *value*: no control character of a stranger is ever shown."""
    return re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value) is not None


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


# The options come from storage and from the ledger too, where anything may stand.
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
    "source": is_choice,
}
