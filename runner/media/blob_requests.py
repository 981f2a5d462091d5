"""Send requests to Blob storage with the standard library alone: a node has no other client.

Tokens come from the instance metadata service, for the identity that the pool has:
learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
"""

from __future__ import annotations

import http.client
import json
import os
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib import error, parse, request

from runner.media.failures import ConversionError, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from email.message import Message

API_VERSION = "2021-12-02"
RESOURCE = "https://storage.azure.com/"
_METADATA = "http://169.254.169.254"
_METADATA_TIMEOUT = 10.0
"""Seconds; so are the next three."""
_TIMEOUT = 60.0
_LONGEST_WAIT = 30.0
_RENEWED_BEFORE = 300.0
_TRIES = 8
_PASSES = (408, 429, 500, 502, 503, 504)
"""Answers after which the same request may be accepted later."""
_PASSES_FOR_TOKENS = (404, 410, *_PASSES)
"""Those of the metadata service, which is not there for a while after an update."""
_LONGEST_ANSWER = 1 << 20


class BlobError(Exception):
    """Storage rejected a request."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}".strip())
        self.status = status
        """Of the answer; 0 where there was none."""
        self.code = code
        """The service's own word, such as "BlobNotFound"; else what went wrong on the way."""

    @property
    def may_pass(self) -> bool:
        """Whether the same request may be accepted later."""
        return self.status == 0 or self.status in _PASSES


class SignInError(ConversionError):
    """The node cannot sign in to storage, so every file of the pool would fail."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            Kind.ENVIRONMENT,
            f"the node cannot sign in to storage ({reason}): its tasks need http://169.254.169.254 and the "
            "pool's identity; run `pulumi up`, and see that no firewall on the node blocks that address",
        )


@dataclass(frozen=True)
class Answer:
    """What storage answers to a request that it carried out."""

    headers: Message
    body: bytes


@dataclass(frozen=True)
class Request:
    """One request to storage."""

    method: str
    address: str
    """Without a signature."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


class Identity:
    """Gives the tokens of one of the identities that the pool of this node has."""

    def __init__(self, arm_id: str, wait: Callable[[float], None] = time.sleep) -> None:
        """*arm_id* names it: a node may have several."""
        self._arm_id = arm_id
        self._wait = wait
        self._token = ""
        self._expires = 0.0

    def __call__(self) -> str:
        """A token that is good for some minutes yet.

        Raises:
            SignInError: There is none to be had.
        """
        if time.time() > self._expires - _RENEWED_BEFORE:
            self._token, self._expires = self._fetch()
        return self._token

    def _fetch(self) -> tuple[str, float]:
        host = os.environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST") or _METADATA
        query = {"api-version": "2018-02-01", "resource": RESOURCE, "msi_res_id": self._arm_id}
        asked = request.Request(  # noqa: S310 - the machine's own service, over http
            f"{host}/metadata/identity/oauth2/token?{parse.urlencode(query)}",
            headers={"Metadata": "true"},
        )
        # a proxy would ask for the token of its own machine
        opener = request.build_opener(request.ProxyHandler({}), _NoRedirects())
        for tries in range(1, _TRIES + 1):
            try:
                with opener.open(asked, timeout=_METADATA_TIMEOUT) as answer:
                    facts = json.loads(answer.read(_LONGEST_ANSWER))
                    return str(facts["access_token"]), float(facts["expires_on"])
            except error.HTTPError as refusal:
                refusal.close()
                reason = f"{refusal.code} {refusal.reason}"
                if refusal.code not in _PASSES_FOR_TOKENS:
                    break
            except (OSError, http.client.HTTPException) as fault:
                reason = _word_of(fault)
            except (ValueError, KeyError, TypeError):
                reason = "its answer cannot be read"
                break
            if tries < _TRIES:
                self._wait(_wait_before(tries, ""))
        raise SignInError(reason)


class BlobRequests:
    """Sends authorized requests: with tokens, or with a signature appended to each address."""

    def __init__(
        self,
        token: Callable[[], str] | None = None,
        signature: str = "",
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._token = token
        self._signature = signature
        self._wait = wait
        self._opener = request.build_opener(_NoRedirects())

    def send(self, asked: Request) -> Answer:
        """Have storage carry out *asked*, which is sent again after temporary errors.

        So the answer may be about what an earlier try has done.

        Raises:
            BlobError: It does not; the last of the temporary errors is raised too.
            SignInError: There is no token.
        """
        for tries in range(1, _TRIES + 1):
            retry_after = ""
            try:
                with self._opener.open(self._signed(asked), timeout=_TIMEOUT) as answer:
                    return Answer(answer.headers, answer.read())
            except error.HTTPError as refusal:
                retry_after = refusal.headers.get("Retry-After") or ""
                fault = BlobError(refusal.code, _code_of(refusal))
            except (OSError, http.client.HTTPException) as broken:
                fault = BlobError(0, _word_of(broken))
            if tries == _TRIES or not fault.may_pass:
                raise fault
            self._wait(_wait_before(tries, retry_after))
        raise AssertionError

    def _signed(self, asked: Request) -> request.Request:
        headers = {"x-ms-version": API_VERSION, **asked.headers}
        address = asked.address
        if not address.startswith("https://"):  # a token would be read on the way
            raise BlobError(400, "the address is none of https")
        if self._signature:
            address += ("&" if "?" in address else "?") + self._signature
        elif self._token is not None:
            headers["Authorization"] = f"Bearer {self._token()}"
        return request.Request(address, asked.body, headers, method=asked.method)  # noqa: S310 - as checked


class _NoRedirects(request.HTTPRedirectHandler):
    """Refuses redirects: storage sends none, and a token must not go to another server."""

    def redirect_request(self, *_: object) -> None:
        """Follow none."""


def _code_of(refusal: error.HTTPError) -> str:
    with refusal:
        return refusal.headers.get("x-ms-error-code") or str(refusal.reason)


def _word_of(fault: Exception) -> str:
    """Return what went wrong with the connection, without the address, which may be signed."""
    reason = getattr(fault, "reason", fault)
    if isinstance(reason, TimeoutError):
        return "timed out"
    return getattr(reason, "strerror", None) or type(reason).__name__


def _wait_before(repetition: int, retry_after: str) -> float:
    """Seconds before the nth *repetition*: doubling, with jitter, or what the service asks for."""
    longest = min(_LONGEST_WAIT, 2.0 ** (repetition - 1))
    asked = float(retry_after) if retry_after.isdigit() else 0.0
    jittered = random.uniform(longest / 2, longest)  # noqa: S311 - not a secret
    return min(_LONGEST_WAIT, max(asked, jittered))
