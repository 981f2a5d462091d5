"""Requests to Azure: what `-vv` shows of their addresses, and what is said where nobody answers."""

from contextlib import suppress

import pytest
from azure.core.exceptions import ServiceRequestError
from azure.core.rest import HttpRequest

from runner.azure.request_log import Transport, without_signature
from runner.errors import ExitCode, TransientError
from tests.conftest import Run
from tests.emulator.azurite import Azurite

NOBODY = "https://127.0.0.1:9"
"""A port that is for throwing away, on which nothing listens."""


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.blob.core/in/x.wav", "https://a.blob.core/in/x.wav"),
        ("https://a/in?comp=list&prefix=run%2F", "https://a/in?comp=list&prefix=run/"),
        (
            "https://a/x?sv=2024&se=2026-01-01&sig=SECRET%3D&sr=b",
            "https://a/x?sv=…&se=…&sig=…&sr=…",
        ),
        ("https://a/x?SIG=SECRET", "https://a/x?SIG=…"),
        ("https://a/x?token=SECRET&comp=block", "https://a/x?token=…&comp=block"),
        ("https://user:SECRET@a/x", "https://a/x"),
    ],
)
def test_what_is_shown_of_an_address_holds_no_secret(url: str, shown: str) -> None:
    assert without_signature(url) == shown


def test_who_is_reached_by_nobody_is_named_once_until_there_is_an_answer(
    storage: Azurite, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    with Transport(lambda: now[0], connection_verify=storage.ca_file) as transport:
        for moment, address in (
            *((0.0, storage.blob_endpoint), (0.0, NOBODY), (2.9, NOBODY), (3.0, NOBODY)),
            *((30.0, NOBODY), (31.0, storage.blob_endpoint), (32.0, NOBODY), (36.0, NOBODY)),
        ):
            now[0] = moment
            with suppress(ServiceRequestError):
                transport.send(HttpRequest("GET", f"{address}?sv=1&sig=hush"))
    said = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert (
        said
        == ["cannot reach 127.0.0.1; still trying (is the name right, and is this machine online?)"]
        * 2
    )


def test_who_has_never_answered_is_given_up_early_and_others_are_not(storage: Azurite) -> None:
    now = [0.0]
    request = HttpRequest("GET", f"{NOBODY}?sv=1&sig=hush")
    with Transport(lambda: now[0], connection_verify=storage.ca_file) as transport:
        for moment in (0.0, 2.9):
            now[0] = moment
            with pytest.raises(ServiceRequestError):  # which clients try again
                transport.send(request)
        now[0] = 3.0
        with pytest.raises(TransientError) as given_up:
            transport.send(request)
        assert str(given_up.value).startswith("cannot reach 127.0.0.1: is the name right")
        transport.send(HttpRequest("GET", storage.blob_endpoint))
        now[0] = 100.0
        with pytest.raises(ServiceRequestError):
            transport.send(request)


def test_a_command_says_soon_that_the_account_it_names_is_not_reached(run: Run) -> None:
    done = run("convert", f"{NOBODY}/account/films?sp=rl&sig=hush", "-n")
    assert done.exit_code == ExitCode.TRY_AGAIN, done.stderr
    assert done.error.startswith("cannot reach 127.0.0.1: is the name right"), done.stderr
    assert done.stderr.count("reach") == 1
