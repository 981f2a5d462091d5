"""The HTTP requests of the Azure clients, a line each, without what signs them: for `-vv`."""

import logging
import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import RequestsTransport

LOG = logging.getLogger("runner.requests")
_SHOWN = frozenset(
    (
        *("comp", "restype", "blockid", "prefix", "marker", "maxresults", "include", "delimiter"),
        *("$filter", "$select", "$expand", "timeout", "api-version", "recursive"),
    )
)
"""Parts of a query that hold no secret; those of signatures, and what nobody knows, are left out."""


class LoggedTransport(RequestsTransport):  # type: ignore[misc] # its package loads it when asked
    """Sends requests as the clients' own transport does, and logs each."""

    def send(self, request: Any, **options: Any) -> Any:
        """Send *request*, and log what came of it."""
        began = time.monotonic()
        try:
            response = super().send(request, **options)
        except AzureError as error:
            LOG.debug("%s failed (%s) after %s", _words(request), type(error).__name__, _ms(began))
            raise
        headers = response.headers
        name = headers.get("x-ms-request-id") or headers.get("request-id") or "none"
        LOG.debug(
            "%s %s, %s, request id %s", _words(request), response.status_code, _ms(began), name
        )
        return response


def transport(**settings: Any) -> dict[str, Any]:
    """What has a client log its requests, where somebody wants to read that; *settings* are the client's own."""
    return {"transport": LoggedTransport(**settings)} if LOG.isEnabledFor(logging.DEBUG) else {}


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
