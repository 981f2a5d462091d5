"""The HTTP requests of the Azure clients: a line each for `-vv`, and a word where nobody answers."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from azure.core.exceptions import AzureError, ServiceRequestError
from azure.core.pipeline.transport import RequestsTransport

from runner.errors import TransientError
from runner.options import MOST_TRANSFERS

LOG = logging.getLogger("runner.requests")
_HOSTS = 10
"""To so many, connections are kept; this is what the clients' own transport has."""
_LONG = 3.0
"""Seconds without an answer after which something is said. Who has never answered is then given up, after two or
three attempts; for others the clients go on for 40 s."""
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

    since: float | None = None
    is_said: bool = False
    has_answered: bool = False
    """Whether anybody ever has."""

    def begin(self, began: float) -> None:
        """Take note of a request that began then, and has reached nobody."""
        self.since = began if self.since is None else self.since

    def is_to_be_said(self, now: float) -> bool:
        """Return, once, whether it is time to say so."""
        is_due = not self.is_said and self._lasts(now)
        self.is_said |= is_due
        return is_due

    def is_to_be_given_up(self, now: float) -> bool:
        """Return whether the address is most likely wrong, or this machine not online."""
        return not self.has_answered and self._lasts(now)

    def end(self) -> None:
        """Take note of an answer."""
        self.since, self.is_said, self.has_answered = None, False, True

    def _lasts(self, now: float) -> bool:
        return self.since is not None and now - self.since >= _LONG


class Transport(RequestsTransport):  # type: ignore[misc] # its package loads it when asked
    """Sends requests as the clients' own transport does, logs each, and says if nobody answers for a while."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, **settings: Any) -> None:
        super().__init__(**settings)
        self.silence = Silence()
        self._clock = clock

    def open(self) -> None:
        """Begin a session that keeps a connection for each transfer; the clients' own keeps ten of them."""
        is_new = self.session is None
        super().open()
        if is_new and self.session is not None:
            for adapter in set(self.session.adapters.values()):
                adapter.init_poolmanager(_HOSTS, MOST_TRANSFERS)

    def send(self, request: Any, **options: Any) -> Any:
        """Send *request*, and log what came of it.

        Raises:
            TransientError: Nobody is reached at all, for long enough: the client is not to try again.
        """
        began = self._clock()
        try:
            response = super().send(request, **options)
        except AzureError as error:
            LOG.debug(
                "%s failed (%s) after %s", _words(request), type(error).__name__, self._ms(began)
            )
            if isinstance(error, ServiceRequestError):
                self.silence.begin(began)
                self._say(urlsplit(request.url).hostname or "")
            raise
        self.silence.end()
        headers = response.headers
        name = headers.get("x-ms-request-id") or headers.get("request-id") or "none"
        LOG.debug(
            "%s %s, %s, request id %s", _words(request), response.status_code, self._ms(began), name
        )
        return response

    def _say(self, host: str) -> None:
        """Say that nobody is reached at *host*, once that has lasted; more than that, give up."""
        now = self._clock()
        if self.silence.is_to_be_given_up(now):
            raise TransientError(
                f"cannot reach {host}: is the name right, and is this machine online? Run the same command again"
            ) from None
        if self.silence.is_to_be_said(now):
            LOG.warning(
                "cannot reach %s; still trying (is the name right, and is this machine online?)",
                host,
            )

    def _ms(self, began: float) -> str:
        return f"{(self._clock() - began) * 1000:.0f} ms"


def without_signature(url: str) -> str:
    """*url* without what could be one, nor a name or a password before its host."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    shown = [f"{name}={value}" if name.lower() in _SHOWN else f"{name}=…" for name, value in query]
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}{'?' if shown else ''}{'&'.join(shown)}"


def _words(request: Any) -> str:
    return f"{request.method} {without_signature(request.url)}"
