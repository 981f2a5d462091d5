"""Make a call to Azure again after a temporary error: a bounded number of times, with jitter."""

import random
import threading
from collections.abc import Callable
from itertools import count
from typing import TypeVar

from azure.core.exceptions import AzureError

from runner.azure.errors import is_transient

Answer = TypeVar("Answer")

TRIES = 8
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0


def call_with_retry(call: Callable[[], Answer], ended: threading.Event) -> Answer:
    """The answer of *call*, made again after temporary errors, until *ended* is set.

    For calls that may arrive twice; with the client's own retries off, which repeat neither a POST
    whose connection broke nor one that was throttled.

    Raises:
        AzureError: That of the last try.
    """
    for tries in count(1):
        try:
            return call()
        except AzureError as error:
            if tries == TRIES or not is_transient(error) or ended.wait(wait_before(tries, error)):
                raise
    raise AssertionError


def wait_before(repetition: int, error: AzureError | None = None) -> float:
    """Seconds before the nth *repetition*: doubling, with jitter, so that many do not march.

    A time that the service asks for in its *error* counts, if it is longer; 30 s is the most.
    """
    longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (repetition - 1))
    jittered = random.uniform(longest / 2, longest)  # noqa: S311 - not a secret
    return min(_LONGEST_WAIT, max(jittered, _asked_for(error)))


def _asked_for(error: AzureError | None) -> float:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return float(headers.get("retry-after", 0))
    except ValueError:  # a date, which Azure does not use here
        return 0.0
