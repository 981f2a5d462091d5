"""Post what came of a run to an address of the user's: Slack, Teams, or anything that takes JSON.

The address is a secret, as whoever has it may post there. So it is in no message, and every error is
told in words of our own: those of the libraries may quote it.
"""

import http.client
import json
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from runner import __version__

_TRIES = 4
_LONGEST_TEXT = 3000
"""Characters; Slack takes 40,000 and Teams 28 kB, and nobody reads that much there."""
_PASSING = (408, 425, 429, 500, 502, 503, 504)
# Flows of Power Automate, which Teams' own web hooks are, and the connectors before them.
_TEAMS = (".logic.azure.com", ".powerplatform.com", ".webhook.office.com")
_SLACK = ("hooks.slack.com", "hooks.slack-gov.com")


class NotSentError(Exception):
    """It was not posted; the words say why, without the address."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait, in seconds."""

    each: float = 10.0
    """For an answer."""
    whole: float = 20.0
    """For all tries."""
    pause: float = 1.0
    """Before the second try; it doubles."""


@dataclass(frozen=True)
class Address:
    """Where to post."""

    url: str = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Parse the address *url*.

        Raises:
            ValueError: It is none; the words do not quote it.
        """
        try:
            parts = urlsplit(url)
            is_good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            is_good = False
        if not is_good or not url.isascii() or not url.isprintable() or " " in url:
            raise ValueError("give an address that starts with https:// or http://")
        if "@" in parts.netloc:
            raise ValueError("leave the user name and the password out of the address")
        return cls(url)

    def body(self, lines: Sequence[str], facts: Mapping[str, Any]) -> bytes:
        """Return what to post there: *lines* for people, and *facts* for programs."""
        text = "\n".join(lines)[:_LONGEST_TEXT]
        host = (urlsplit(self.url).hostname or "").lower()
        if host.endswith(_TEAMS):
            return json.dumps(_card(text)).encode()
        if host in _SLACK:
            # https://docs.slack.dev/messaging/formatting-message-text: its three letters
            for letter, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
                text = text.replace(letter, name)
            return json.dumps({"text": text}).encode()
        return json.dumps({"text": text, **facts}).encode()


def _card(text: str) -> dict[str, Any]:
    """An adaptive card, the only thing that a flow of Teams posts."""
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "TextBlock", "text": line, "wrap": True} for line in text.split("\n")],
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}


def post_within(address: Address, body: bytes, patience: Patience) -> str:
    """Post *body*, and wait no longer than *patience* has; returns why it was not posted, or nothing."""
    said = [f"there was no answer within {patience.whole:.0f} seconds"]

    def work() -> None:
        try:
            post(address, body, patience)
        except NotSentError as error:
            said[0] = str(error)
        else:
            said[0] = ""

    # in a thread, as nothing bounds the time that a name takes to be looked up, or an answer to drip
    thread = threading.Thread(target=work, daemon=True)
    try:
        thread.start()
        thread.join(patience.whole)
    except RuntimeError:
        return "no more threads can be started"
    except KeyboardInterrupt:
        return "interrupted"
    return said[0]


def post(address: Address, body: bytes, patience: Patience) -> None:
    """Post *body*, once more after what passes.

    Raises:
        NotSentError: It was not taken.
    """
    deadline = time.monotonic() + patience.whole
    pause = patience.pause
    for number in range(1, _TRIES + 1):
        try:
            _post_once(address, body, patience)
        except _PassingError as error:
            wait = max(pause, error.retry_after)
            if number == _TRIES or time.monotonic() + wait >= deadline:
                raise NotSentError(str(error)) from None
            time.sleep(wait)
            pause *= 2
        else:
            return


class _PassingError(NotSentError):
    """It may be taken later."""

    def __init__(self, why: str, retry_after: float = 0.0) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class _NoRedirect(HTTPRedirectHandler):
    """Refuses redirects: they would be followed without the body, and to any server."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _post_once(address: Address, body: bytes, patience: Patience) -> None:
    agent = f"runner/{__version__}"
    headers = {"Content-Type": "application/json", "User-Agent": agent}
    request = Request(address.url, body, headers, method="POST")  # noqa: S310 - http(s) alone
    opener = build_opener(_NoRedirect, HTTPSHandler(context=ssl.create_default_context()))
    try:
        opener.open(request, timeout=patience.each).close()
    except HTTPError as error:
        error.close()
        why = f"the server answered with status {error.code}"
        if error.code in _PASSING:
            raise _PassingError(why, _retry_after(error.headers)) from None
        raise NotSentError(f"{why}, a redirect" if 300 <= error.code < 400 else why) from None
    except ssl.SSLError:
        raise NotSentError(_UNTRUSTED) from None
    except URLError as error:
        if isinstance(error.reason, ssl.SSLError):
            raise NotSentError(_UNTRUSTED) from None
        raise _PassingError("the server cannot be reached") from None
    except TimeoutError:
        raise _PassingError("the server did not answer in time") from None
    except (OSError, http.client.HTTPException):
        raise _PassingError("the server closed the connection") from None
    except ValueError:
        raise NotSentError("nothing can be posted to that address") from None


_UNTRUSTED = "no secure connection (TLS) to the server: check its certificate"


def _retry_after(headers: Message) -> float:
    value = str(headers.get("Retry-After", ""))
    return min(float(value), 60.0) if value.isdecimal() else 0.0
