"""Repeat a call to Azure after a temporary error: a limited number of times, with jitter."""

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


def call_with_retry(call: Callable[[], Answer], stopped: threading.Event) -> Answer:
    """Return the result of *call*, repeated after temporary errors until *stopped* is set.

    This is for idempotent calls, with the client's own retries off: those repeat neither a POST whose
    connection broke nor one that was throttled
    (https://github.com/Azure/azure-sdk-for-python/blob/main/sdk/core/azure-core/azure/core/pipeline/policies/_retry.py).

    Raises:
        AzureError: The error of the last attempt.
    """
    for tries in count(1):
        try:
            return call()
        except AzureError as error:
            if tries == TRIES or not is_transient(error) or stopped.wait(wait_before(tries, error)):
                raise
    raise AssertionError


def wait_before(repetition: int, error: AzureError | None = None) -> float:
    """Return the seconds to wait before the nth *repetition*: doubling, with jitter, so that clients do not retry in step.

    If the service asks for a longer time in its *error*, that counts; the limit is 30 s.
    """
    longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (repetition - 1))
    jittered = random.uniform(longest / 2, longest)  # noqa: S311 - not a secret
    return min(_LONGEST_WAIT, max(jittered, _asked_for(error)))


def _asked_for(error: AzureError | None) -> float:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return float(headers.get("retry-after", 0))
    except ValueError:  # it may be a date, which Azure does not use here
        return 0.0
