"""A proxy in front of Azurite that can delay or refuse each request.

`StorageFront` knows roles, which Azurite does not, and the refusals that a real account has.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, Self
from urllib.parse import parse_qsl, urlsplit

from aiohttp import ClientSession, TCPConnector, web

from tests.emulator.auth import read_claims
from tests.emulator.roles import BLOBS, storage_need

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tests.emulator.certificates import Certificates
    from tests.emulator.rights import Rights
    from tests.emulator.storage import StorageAccount

_HOP_BY_HOP = ("transfer-encoding", "connection", "host")


class Storage(Protocol):
    """A running blob storage: Azurite, or a proxy in front of it."""

    name: str
    key: str
    certificates: Certificates | None

    @property
    def blob_endpoint(self) -> str:
        """The account's, without a slash at the end; containers follow."""

    @property
    def ca_file(self) -> str:
        """Whom to trust there."""

    @property
    def account(self) -> StorageAccount:
        """What the nodes of an emulated account need to know of it."""


async def hang_up(http: web.Server) -> None:
    """End all connections of *http*, which listens no more."""
    for _ in range(3):  # one whose handshake (TLS) is going on is not among them yet
        for connection in http.connections:
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0.01)
    await http.shutdown(timeout=0.1)


class Proxy:
    """A storage at another address that passes everything on to the one *behind*."""

    def __init__(self, behind: Storage) -> None:
        self._behind = behind
        self.name, self.key, self.certificates = behind.name, behind.key, behind.certificates
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="front", daemon=True)
        self._port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._await(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._await(self._hang_up())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def blob_endpoint(self) -> str:
        return f"https://127.0.0.1:{self._port}{urlsplit(self._behind.blob_endpoint).path}"

    @property
    def ca_file(self) -> str:
        return self._behind.ca_file

    @property
    def account(self) -> StorageAccount:
        behind, origin = self._behind.account, self.blob_endpoint.rpartition("/")[0]
        accounts = [
            replace(account, blob_endpoint=f"{origin}/{account.name}", others=())
            for account in (behind, *behind.others)
        ]
        return replace(accounts[0], others=tuple(accounts[1:]))

    async def before(self, request: web.BaseRequest) -> web.Response | None:
        """Do what is to be done before *request* passes; an answer is instead of passing."""
        return None

    def _await(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> None:
        assert self.certificates is not None
        self._origin = self._behind.blob_endpoint.rsplit("/", 1)[0]
        trust = ssl.create_default_context(cafile=self.ca_file)
        self._session = ClientSession(
            connector=TCPConnector(ssl=trust, limit=100), auto_decompress=False
        )
        self._http = web.Server(self._pass_on, access_log=None)
        self._listener = await self._loop.create_server(
            self._http, "127.0.0.1", 0, ssl=self.certificates.server_context()
        )
        self._port = self._listener.sockets[0].getsockname()[1]

    async def _hang_up(self) -> None:
        self._listener.close()
        await hang_up(self._http)
        await self._session.close()
        await asyncio.sleep(0)

    async def _pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        content = await request.read()
        if (answer := await self.before(request)) is not None:
            return answer
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        async with self._session.request(
            request.method,
            self._origin + request.raw_path,
            headers=headers,
            data=content,
            skip_auto_headers=("content-type", "user-agent", "accept"),
        ) as passed:
            body = await passed.read()
            kept = {k: v for k, v in passed.headers.items() if k.lower() not in _HOP_BY_HOP}
            return web.Response(status=passed.status, headers=kept, body=body)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An answer of the blob service that refuses: the wire's status, code and words."""

    status: int
    code: str
    message: str


REFUSALS = {
    each.code: each
    for each in (
        Refusal(
            status=403,
            code="AuthorizationPermissionMismatch",
            message="This request is not authorized to perform this operation using this permission.",
        ),
        Refusal(
            status=403,
            code="AuthorizationFailure",
            message="This request is not authorized to perform this operation.",
        ),
        Refusal(
            status=403,
            code="AuthenticationFailed",
            message="Server failed to authenticate the request. Make sure the value of Authorization "
            "header is formed correctly including the signature.",
        ),
        Refusal(
            status=403,
            code="KeyBasedAuthenticationNotPermitted",
            message="Key based authentication is not permitted on this storage account.",
        ),
        Refusal(status=403, code="AccountIsDisabled", message="The specified account is disabled."),
        Refusal(
            status=403,
            code="InsufficientAccountPermissions",
            message="The account being accessed does not have sufficient permissions to execute "
            "this operation.",
        ),
        Refusal(
            status=403,
            code="AuthorizationSourceIPMismatch",
            message="This request is not authorized to perform this operation using this source IP.",
        ),
        Refusal(
            status=401,
            code="InvalidAuthenticationInfo",
            message="Server failed to authenticate the request. Please refer to the information in "
            "the www-authenticate header.",
        ),
        Refusal(
            status=401,
            code="NoAuthenticationInformation",
            message="Server failed to authenticate the request. Please refer to the information in "
            "the www-authenticate header.",
        ),
        Refusal(status=503, code="ServerBusy", message="The server is busy."),
        Refusal(status=429, code="TooManyRequests", message="Too many requests."),
        Refusal(
            status=409,
            code="BlobArchived",
            message="This operation is not permitted on an archived blob.",
        ),
        Refusal(
            status=409,
            code="BlobBeingRehydrated",
            message="This operation is not permitted because the blob is being rehydrated.",
        ),
        Refusal(
            status=409,
            code="PublicAccessNotPermitted",
            message="Public access is not permitted on this storage account.",
        ),
    )
}
"""By code: learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes."""


@dataclass(kw_only=True)
class StorageFault:
    """Requests of one kind that are refused for a while."""

    code: str
    """One of `REFUSALS`."""
    method: str
    holds: str
    """What is in their path or query."""
    times: int = 1
    """How many are still to be refused."""
    headers: dict[str, str] = field(default_factory=dict)
    """Others of the answer, such as Retry-After."""

    def __post_init__(self) -> None:
        if self.code not in REFUSALS:
            raise ValueError(f"unknown code of a refusal: {self.code}")

    def takes(self, request: web.BaseRequest) -> bool:
        """Whether *request* is refused; it is counted."""
        is_it = self.times > 0 and self.method == request.method and self.holds in request.raw_path
        self.times -= is_it
        return is_it


class StorageFront(Proxy):
    """A storage account with roles: each token may do what its principal's roles allow.

    So may a signature that was made with a principal's key. *resource_id* is the account's ARM id.
    """

    def __init__(self, behind: Storage, rights: Rights, resource_id: str) -> None:
        super().__init__(behind)
        self.rights = rights
        self.resource_id = resource_id
        self.refuses: str | None = None
        """The code with which all requests are refused, until it is reset."""
        self.headers: dict[str, str] = {}
        """Other headers of such an answer, such as a Date that does not match a wrong clock."""
        self.faults: list[StorageFault] = []

    async def before(self, request: web.BaseRequest) -> web.Response | None:
        """Refuse what the caller's roles do not allow."""
        if self.refuses is not None:
            return refusal(REFUSALS[self.refuses], self.headers)
        for fault in self.faults:
            if fault.takes(request):
                return refusal(REFUSALS[fault.code], fault.headers)
        caller = _caller(request)
        if caller is None or self._may(caller, request):
            return None
        return refusal(REFUSALS["AuthorizationPermissionMismatch"], {})

    def _may(self, caller: str, request: web.BaseRequest) -> bool:
        path, _, text = request.raw_path.partition("?")
        query = dict(parse_qsl(text, keep_blank_values=True))
        _account, container, blob, *_ = [*path.strip("/").split("/", 2), "", ""]
        need = storage_need(request.method, is_blob=bool(blob), query=query)
        resource = self.resource_id
        if container and need.action != f"{BLOBS}/generateUserDelegationKey/action":
            resource += f"/blobServices/default/containers/{container}"
        return self.rights.allows(caller, need, resource)


def refusal(what: Refusal, headers: dict[str, str]) -> web.Response:
    """An answer of the service that says *what*."""
    body = (
        '<?xml version="1.0" encoding="utf-8"?>'
        f"<Error><Code>{what.code}</Code><Message>{what.message}</Message></Error>"
    )
    known = {
        "x-ms-error-code": what.code,
        "x-ms-request-id": "00000000-0000-0000-0000-000000000403",
    }
    return web.Response(
        status=what.status, text=body, content_type="application/xml", headers={**known, **headers}
    )


def _caller(request: web.BaseRequest) -> str | None:
    """Return the object id of the caller, or of whose key signed; None for the account's own key."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme == "Bearer":
        return str(read_claims(token)["oid"])
    return dict(parse_qsl(request.raw_path.partition("?")[2])).get("skoid")
