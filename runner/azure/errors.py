"""Translate the exceptions of the Azure clients into runner's errors, each with what to do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from runner.azure.refusals import refusal_of
from runner.azure.request_log import LOG
from runner.errors import RunnerError, SetupError, TransientError

_SECRET = re.compile(r"(?i)(\bsig=|\baccountkey=|\bsharedkey \S+?:|\bbearer )[^&\s'\"]+")
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)


class NoRoleError(SetupError):
    """The sign-in worked, but no role allows this."""


class JobLostError(TransientError):
    """A job of the run has ended or is gone, with tasks left."""

    def __init__(self, job: str, what: str) -> None:
        super().__init__(f"job {job} was {what}")


class JobCancelledError(JobLostError):
    """A job of the run was cancelled with `runner cancel`."""


class PoolLostError(SetupError):
    """No node of the pool can work, unless somebody fixes it."""


def redacted(text: str) -> str:
    """Return *text* without signatures of URLs and without keys."""
    return _SECRET.sub(r"\1…", text)


def code_of(error: BaseException) -> str:
    """Return the service's code of *error*, such as "JobExists"; empty if there is none."""
    inner = getattr(error, "error", None)
    code = getattr(inner, "code", None) or getattr(error, "error_code", None) or ""
    return str(getattr(code, "value", code))


def word(value: object) -> str:
    """Return the value of an enumeration as sent, in lower case, even if the client does not know it."""
    return str(getattr(value, "value", value)).lower()


def is_transient(error: AzureError) -> bool:
    """Return whether the same call may work later."""
    if isinstance(error, HttpResponseError):
        status = error.status_code
        # an interrupted response has the status of a success, or none
        return status is None or status < 300 or status in _TRANSIENT
    return isinstance(error, (ServiceRequestError, ServiceResponseError))


@contextmanager
def azure_errors(doing: str, service: str) -> Iterator[None]:
    """Translate exceptions of the Azure clients into runner's errors, which say what was being done.

    *service* is one of those in `refusal_of`.
    """
    try:
        yield
    except AzureError as error:
        raise translated(error, doing, service) from None  # its text may contain signatures


def translated(error: AzureError, doing: str, service: str) -> RunnerError:
    """Return runner's error for *error*, which occurred while *doing* something; its notes have the request's id."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    ours = _translated(error, doing, service, headers.get("date") or "")
    if request := headers.get("request-id") or headers.get("x-ms-request-id"):
        ours.add_note(f"request id {request}")
        LOG.info("%s: request id %s", doing, request)
    return ours


def _translated(error: AzureError, doing: str, service: str, date: str) -> RunnerError:
    status = getattr(error, "status_code", None)
    if status is None and isinstance(error, ClientAuthenticationError):
        status = 401  # no request was sent: this machine has no sign-in at all
    code = code_of(error)
    if refusal := refusal_of(service, status, code, date):
        detail = f" ({code})" if code else ""
        kind = NoRoleError if refusal.is_role else SetupError
        return kind(f"{doing}: {refusal.cause}{detail}; {refusal.remedy}")
    if code == "ContainerNotFound":
        return SetupError(f"{doing}: the container does not exist: run `pulumi up`")
    reason = redacted(f"{code}: {_first_line(error)}" if code else _first_line(error))
    if is_transient(error):
        return TransientError(f"{doing}: {reason}; run the same command again to continue")
    return SetupError(f"{doing}: {reason}")


def _first_line(error: AzureError) -> str:
    inner = getattr(error, "error", None)
    message = getattr(inner, "message", None) or error.message or str(error)
    text = getattr(message, "value", message)
    lines = str(text).strip().splitlines() or [type(error).__name__]
    return lines[0][:300].rstrip(".")
