"""How often, and after how long, a call to Azure is repeated."""

import threading
from types import SimpleNamespace

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
)

from runner.azure.clients import blob_client
from runner.azure.retry_policy import RetryPolicy
from runner.azure.retrying import TRIES, call_with_retry, wait_before
from runner.azure.work_items import WorkItem
from runner.conversions import Conversions
from runner.errors import TransientError
from runner.models import Failure, Kind


class Calls:
    """A call that fails so many times, and counts how often it was made."""

    def __init__(self, failures: int, error: AzureError) -> None:
        self.made = 0
        self._failures = failures
        self._error = error

    def __call__(self) -> str:
        self.made += 1
        if self.made <= self._failures:
            raise self._error
        return "an answer"


class NeverEnds(threading.Event):
    """An event that is never set, and does not wait; it keeps the times that it was to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        return False


def status(code: int, **headers: str) -> HttpResponseError:
    error = HttpResponseError("words")
    error.status_code = code
    error.response = SimpleNamespace(headers=headers)
    return error


@pytest.mark.parametrize(
    ("failures", "error", "made"),
    [
        (1, ServiceRequestError("no connection"), 2),
        (3, status(503), 4),
        (TRIES - 1, status(503), TRIES),
    ],
)
def test_a_temporary_error_is_waited_out(failures: int, error: AzureError, made: int) -> None:
    calls, ended = Calls(failures, error), NeverEnds()
    assert call_with_retry(calls, ended) == "an answer"
    assert (calls.made, len(ended.waits)) == (made, failures)


@pytest.mark.parametrize(
    ("failures", "error", "made"),
    [(TRIES, status(503), TRIES), (1, status(403), 1), (1, status(404), 1)],
)
def test_the_last_error_is_raised(failures: int, error: AzureError, made: int) -> None:
    calls = Calls(failures, error)
    with pytest.raises(AzureError) as raised:
        call_with_retry(calls, NeverEnds())
    assert raised.value is error
    assert calls.made == made


def test_a_run_that_is_over_does_not_repeat_its_calls() -> None:
    calls, ended = Calls(1, status(503)), threading.Event()
    ended.set()
    with pytest.raises(HttpResponseError):
        call_with_retry(calls, ended)
    assert calls.made == 1


@pytest.mark.parametrize(
    ("repetition", "shortest", "longest"),
    [(1, 0.25, 0.5), (2, 0.5, 1.0), (4, 2.0, 4.0), (7, 15.0, 30.0), (8, 15.0, 30.0)],
)
def test_each_wait_is_twice_the_last_up_to_half_a_minute(
    repetition: int, shortest: float, longest: float
) -> None:
    waits = [wait_before(repetition) for _ in range(200)]
    assert shortest <= min(waits) < max(waits) <= longest
    assert max(waits) - min(waits) > (longest - shortest) / 2, "spread, so that clients part"


@pytest.mark.parametrize(
    ("asked", "wait"), [("12", 12.0), ("300", 30.0), ("Fri, 31 Dec 1999 23:59:59 GMT", None)]
)
def test_the_service_may_ask_for_a_longer_wait(asked: str, wait: float | None) -> None:
    waited = wait_before(1, status(503, **{"retry-after": asked}))
    assert waited == wait if wait else 0.25 <= waited <= 0.5


@pytest.mark.parametrize(
    ("files", "retries"), [(4, 2), (5, 2), (16, 2), (100, 2), (8, 1), (12, 0), (20, 0)]
)
def test_a_line_that_is_down_ends_the_run_rather_than_fail_its_files(
    files: int, retries: int
) -> None:
    policy = RetryPolicy(retries, min(16, files))
    faults = [TransientError("no line")] * (files * (1 + retries))
    with pytest.raises(TransientError, match="no line"):
        list(map(policy.count_fault, faults))


@pytest.mark.parametrize(
    ("at_a_time", "retries", "last"),
    [(1, 2, 12), (4, 2, 12), (5, 2, 15), (16, 2, 48), (16, 9, 48), (16, 1, 32), (16, 0, 16)],
)
def test_a_run_ends_when_each_of_those_that_travel_has_failed_as_often_as_it_may(
    at_a_time: int, retries: int, last: int
) -> None:
    policy = RetryPolicy(retries, at_a_time)
    policy.count_fault(TransientError("no line"))
    policy.succeeded()  # so the count begins anew
    for _ in range(last - 1):
        policy.count_fault(TransientError("no line"))
    with pytest.raises(TransientError, match="no line"):
        policy.count_fault(TransientError("no line"))


@pytest.mark.parametrize(
    ("kind", "retried", "is_earlier", "again"),
    [
        (Kind.TRANSIENT, 0, False, True),
        (Kind.TRANSIENT, 1, False, True),
        (Kind.TRANSIENT, 2, False, False),
        (Kind.TRANSIENT, 2, True, False),
        (Kind.ENVIRONMENT, 0, False, False),
        (Kind.ENVIRONMENT, 2, True, True),
        (Kind.INPUT, 0, True, False),
        (Kind.TIMEOUT, 0, False, False),
        (Kind.INTERNAL, 0, False, False),
    ],
)
def test_a_conversion_is_tried_again_where_another_attempt_may_succeed(
    kind: Kind, retried: int, is_earlier: bool, again: bool
) -> None:
    item = WorkItem(Conversions.of([]), 0, retried=retried, is_earlier=is_earlier)
    assert RetryPolicy(2, 4).may_try_again(item, Failure(kind, "")) is again


def test_a_moment_without_a_line_ends_no_run_in_which_many_files_travel() -> None:
    policy = RetryPolicy(2, 16)
    for _ in range(3):
        for _ in range(16):
            policy.count_fault(TransientError("no line"))
        policy.succeeded()


class _NotSignedIn:
    """A sign-in that fails, and how often it was tried."""

    def __init__(self) -> None:
        self.tries = 0

    def get_token(self, *_: str, **__: object) -> AccessToken:
        self.tries += 1
        raise ClientAuthenticationError("tried all")


def test_a_sign_in_that_failed_is_not_repeated() -> None:
    nobody = _NotSignedIn()
    client = blob_client("https://account.blob.core.windows.net", nobody)
    with pytest.raises(ClientAuthenticationError):
        client.get_container_client("media").get_container_properties()
    assert nobody.tries == 1
