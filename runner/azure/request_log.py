"""The HTTP requests of the Azure clients: a line each for `-vv`, and a word where nobody answers."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from azure.core.exceptions import AzureError, ServiceRequestError
from azure.core.pipeline.transport import RequestsTransport

LOG = logging.getLogger("runner.requests")
_SAID_AFTER = 3.0
"""Seconds."""
_SHOWN = frozenset(
    (
        *("comp", "restype", "blockid", "prefix", "marker", "maxresults", "include", "delimiter"),
        *("$filter", "$select", "$expand", "timeout", "api-version", "recursive"),
    )
)
"""Query parameters that hold no secret; signatures and unknown ones are not shown."""


@dataclass
class Silence:
    """How long nobody has answered, and whether that was said; the clients try for 40 s and more."""

    clock: Callable[[], float] = time.monotonic
    since: float | None = None
    is_said: bool = False

    def is_to_be_said(self) -> bool:
        """Take note of a request that reached nobody; whether it is time to say so."""
        now = self.clock()
        if self.since is None:
            self.since = now
        is_due = not self.is_said and now - self.since >= _SAID_AFTER
        self.is_said |= is_due
        return is_due

    def end(self) -> None:
        """Take note of an answer."""
        self.since, self.is_said = None, False


class Transport(RequestsTransport):  # type: ignore[misc] # its package loads it when asked
    """Sends requests as the clients' own transport does, logs each, and says if nobody answers for a while."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.silence = Silence()

    def send(self, request: Any, **options: Any) -> Any:
        """Send *request*, and log what came of it."""
        began = time.monotonic()
        try:
            response = super().send(request, **options)
        except AzureError as error:
            LOG.debug("%s failed (%s) after %s", _words(request), type(error).__name__, _ms(began))
            if isinstance(error, ServiceRequestError) and self.silence.is_to_be_said():
                host = urlsplit(request.url).hostname
                LOG.warning(
                    "cannot reach %s; still trying (is that its name, and is this machine online?)",
                    host,
                )
            raise
        self.silence.end()
        headers = response.headers
        name = headers.get("x-ms-request-id") or headers.get("request-id") or "none"
        LOG.debug(
            "%s %s, %s, request id %s", _words(request), response.status_code, _ms(began), name
        )
        return response


def without_signature(url: str) -> str:
    """*url* without what could be one, nor a name or a password before its host."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    shown = [f"{name}={value}" if name.lower() in _SHOWN else f"{name}=…" for name, value in query]
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}{'?' if shown else ''}{'&'.join(shown)}"


def _words(request: Any) -> str:
    return f"{request.method} {without_signature(request.url)}"


def _ms(began: float) -> str:
    return f"{(time.monotonic() - began) * 1000:.0f} ms"
