"""Authentication: check shared keys, read Entra tokens, and a credential with valid tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl

from azure.core.credentials import AccessToken

from tests.emulator.errors import BatchError

if TYPE_CHECKING:
    from collections.abc import Mapping

TENANT = "ab1f708d-50f6-404c-a006-d71b2ac7a606"
ISSUER = f"https://sts.windows.net/{TENANT}/"
AUDIENCES = ("https://batch.core.windows.net/", "https://batch.core.windows.net")
CHALLENGE = (
    f'Bearer authorization_uri="https://login.windows.net/{TENANT}/oauth2/authorize", '
    'resource_id="https://batch.core.windows.net/"'
)
"""The challenge for a request without a valid token."""
PRINCIPAL = "23657296-5cd5-45b0-a809-d972a7f4dfe1"
CLOCK_SKEW = 15 * 60
"""Seconds that a signed request's date may be off."""
SIGNED_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


@dataclass(frozen=True, kw_only=True)
class Signed:
    """The parts of a request that a shared key signs. Header names are in lower case."""

    method: str
    path: str
    """As sent, percent-encoded."""
    query: str
    headers: Mapping[str, str]


def shared_key_signature(request: Signed, account: str, key: str, *, no_length: str = "0") -> str:
    """Return the signature; *no_length* is what stands for the length where there is no body."""
    values = {name: request.headers.get(name, "") for name in SIGNED_HEADERS}
    if values["content-length"] in ("", "0"):
        values["content-length"] = "" if request.method in ("GET", "HEAD") else no_length
    lines = [request.method, *values.values()]
    ocp = sorted((n, v) for n, v in request.headers.items() if n.startswith("ocp-"))
    lines += [f"{name}:{value}" for name, value in ocp]
    lines.append(f"/{account}{request.path}")
    first: dict[str, str] = {}
    for name, value in parse_qsl(request.query):  # blank values are dropped
        first.setdefault(name.lower(), value)
    lines += [f"{name}:{value}" for name, value in sorted(first.items())]
    digest = hmac.new(base64.b64decode(key), "\n".join(lines).encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def refused(detail: str, *, status: int = 403) -> BatchError:
    return BatchError("AuthenticationFailed", {"AuthenticationErrorDetail": detail}, status=status)


def check_shared_key(request: Signed, account: str, key: str) -> None:
    """Refuse a request whose signature or date is wrong."""
    given_account, _, signature = request.headers["authorization"].partition(" ")[2].partition(":")
    if given_account != account:
        raise refused(f"The account {given_account} is not {account}.")
    stamp = request.headers.get("ocp-date") or request.headers.get("date") or ""
    try:
        sent = parsedate_to_datetime(stamp).timestamp()
    except ValueError as error:
        raise refused("The Date or ocp-date header is missing or malformed.") from error
    if abs(time.time() - sent) > CLOCK_SKEW:
        raise refused(f"The date header {stamp} is outside the allowed time skew.")
    # earlier clients sign a missing body as nothing, later ones as 0
    expected = [shared_key_signature(request, account, key, no_length=n) for n in ("0", "")]
    if not any(hmac.compare_digest(signature, each) for each in expected):
        raise refused("The MAC signature found in the HTTP request is not the computed one.")


def check_token(authorization: str) -> str:
    """Refuse a token of another issuer or for another audience, or one that is not valid now.

    Returns the object id of the principal that it was issued to.
    """
    try:
        claims = read_claims(authorization.partition(" ")[2])
        lifetime = float(claims["nbf"]), float(claims["exp"])
        principal = str(claims["oid"])
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise refused("The bearer token cannot be read.", status=401) from error
    if claims.get("iss") != ISSUER:
        raise refused("The token is of another tenant.", status=401)
    if claims.get("aud") not in AUDIENCES:
        raise refused("The token is for another audience.", status=401)
    if not lifetime[0] - 300 <= time.time() < lifetime[1]:
        raise refused("The token is not valid at this time.", status=401)
    return principal


def read_claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def authenticate(request: Signed, account: str, key: str, *, shared_key: bool) -> str | None:
    """Accept a request by its Authorization header, or refuse it.

    Returns the object id of the caller; None for a key, which may do everything.

    Raises:
        BatchError: 403 for keys, 401 for tokens or their absence.
    """
    scheme = request.headers.get("authorization", "").partition(" ")[0]
    if scheme == "SharedKey" and shared_key:
        check_shared_key(request, account, key)
        return None
    if scheme == "SharedKey":
        raise refused("The account does not allow authentication with shared keys.")
    if scheme == "Bearer":
        return check_token(request.headers["authorization"])
    raise refused("The Authorization header is missing.", status=401)


def token(
    audience: str, *, lifetime: float = 3600, issuer: str = ISSUER, principal: str = PRINCIPAL
) -> str:
    """Return a token as Entra would issue it to *principal*, but unsigned."""
    now = int(time.time())
    claims = {
        "aud": audience,
        "iss": issuer,
        "iat": now,
        "nbf": now - 60,
        "exp": now + lifetime,
        "tid": TENANT,
        "oid": principal,
        "sub": principal,
        "ver": "1.0",
    }
    parts = [{"alg": "RS256", "typ": "JWT", "kid": "test"}, claims]
    encoded = [
        base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=").decode() for p in parts
    ]
    return ".".join([*encoded, "c2lnbmF0dXJl"])


def audience_of(scope: str) -> str:
    """Return the audience that a scope asks for, as Entra derives it."""
    return scope.removesuffix("/.default")


class EmulatedCredential:
    """A TokenCredential for the emulator and for Azurite, whose tokens live *lifetime* seconds."""

    def __init__(self, lifetime: float = 3600, principal: str = PRINCIPAL) -> None:
        self.lifetime = lifetime
        self.principal = principal
        self.issued = 0

    def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        self.issued += 1
        audience = audience_of(scopes[0])
        text = token(audience, lifetime=self.lifetime, principal=self.principal)
        return AccessToken(text, int(time.time() + self.lifetime))


class AsyncEmulatedCredential:
    """The same for the aio clients."""

    def __init__(self, lifetime: float = 3600) -> None:
        self._credential = EmulatedCredential(lifetime)

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return self._credential.get_token(*scopes, **options)

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Do nothing: there is no connection."""
