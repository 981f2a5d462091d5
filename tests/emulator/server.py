"""The HTTP side: a request in, through faults, checks and sign-in to its operation, an answer out."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from aiohttp import web

from tests.emulator import (
    routes_files,
    routes_jobs,
    routes_nodes,
    routes_other,
    routes_pools,
    routes_side,
    routes_tasks,
    views,
)
from tests.emulator.auth import CHALLENGE, Signed, authenticate
from tests.emulator.calls import Answer, Call, Route, read_body
from tests.emulator.errors import BatchError
from tests.emulator.times import from_epoch, http_date
from tests.emulator.wire import ERROR_KIND, error_body

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.emulator.account import Account

ROUTES: list[Route] = [
    *routes_pools.routes.table,
    *routes_nodes.routes.table,
    *routes_jobs.routes.table,
    *routes_tasks.routes.table,
    *routes_files.routes.table,
    *routes_other.routes.table,
    *routes_side.routes.table,
]
LARGEST_BODY = 1_048_576
JSON_TYPE = "application/json;odata=minimalmetadata"
ALWAYS = {
    "DataServiceVersion": "3.0",
    "Server": "Microsoft-HTTPAPI/2.0",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
}
QUERIES = frozenset(
    [
        "api-version",
        "timeOut",
        "timeout",
        "maxresults",
        "$filter",
        "$select",
        "$expand",
        "$skiptoken",
        "recursive",
        "force",
        "starttime",
        "endtime",
        "startTime",
        "endTime",
        "resource",
    ]
)
"""The query parameters that some operation takes."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A request that arrived, for tests to look at."""

    operation: str
    method: str
    target: str
    """Path and query as sent."""
    headers: Mapping[str, str]
    """With names in lower case."""
    content: bytes
    status: int


@dataclass(kw_only=True)
class Server:
    """Serves one account. Everything in it happens on the event loop's thread."""

    account: Account
    key: str
    requests: deque[Seen] = field(default_factory=deque)
    record: bool = True
    after_each: Callable[[], None] = lambda: None
    """Called when something may have been scheduled."""
    crashed: Callable[[BaseException], None] = lambda _error: None
    """Told of errors of the emulator's own."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        content = await request.read() if request.can_read_body else b""
        path, _, query = request.raw_path.partition("?")
        route, arguments = find_route(request.method, path)
        operation = route.operation if route else "unknown"
        request_id = str(uuid.uuid4())
        faults = self.account.faults
        if slow := faults.take("slow", operation):
            await asyncio.sleep(slow.seconds)
        if faults.take("reset_before", operation):
            return reset(request)
        try:
            answer = self.answer(request, content, (path, query), (route, arguments), request_id)
        except Exception as error:  # an error of the emulator's own: seen to, and still an error
            self.crashed(error)
            raise
        if self.record:
            self.requests.append(
                Seen(
                    operation=operation,
                    method=request.method,
                    target=request.raw_path,
                    headers={name.lower(): value for name, value in request.headers.items()},
                    content=content,
                    status=answer.status or 200,
                )
            )
        self.after_each()
        if faults.take("reset_after", operation):
            return reset(request)
        return response(request, answer, request_id)

    def answer(
        self,
        request: web.BaseRequest,
        content: bytes,
        target: tuple[str, str],
        found: tuple[Route | None, dict[str, str]],
        request_id: str,
    ) -> Answer:
        route, arguments = found
        path, query = target
        call = Call(
            account=self.account,
            path=path,
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in request.headers.items()},
            content=content,
        )
        try:
            self.inject(route)
            answer = self.perform(request.method, call, query, route, arguments)
        except BatchError as error:
            return self.refusal(error, request_id)
        return self.finished(call, route, answer)

    def inject(self, route: Route | None) -> None:
        """Let a fault answer instead of the operation."""
        fault = self.account.faults.take("status", route.operation) if route else None
        if fault is not None:
            code = fault.code or USUAL_CODES.get(fault.status, "InternalError")
            raise BatchError(code, status=fault.status, retry_after=fault.retry_after)

    def perform(
        self, method: str, call: Call, query: str, route: Route | None, arguments: dict[str, str]
    ) -> Answer:
        if route is None:
            raise unknown_route(method, call.path)
        if not route.public:
            self.let_in(method, call, query)
        body = read_body(call.content, route.shape)
        call = Call(**{**vars(call), "body": body})
        answer = route.handler(call, **arguments)
        self.account.settle()
        return Answer(**{**vars(answer), "status": answer.status or route.status})

    def let_in(self, method: str, call: Call, query: str) -> None:
        """Check what is the same for all operations: sign-in, version, parameters, the body's type."""
        settings = self.account.settings
        signed = Signed(method=method, path=call.path, query=query, headers=call.headers)
        authenticate(signed, settings.name, self.key, shared_key=settings.shared_key)
        check_version(call.query.get("api-version"), settings.api_versions)
        for name in call.query:
            if name not in QUERIES:
                raise BatchError("UnsupportedQueryParameter", {"QueryParameterName": name})
        if len(call.content) > LARGEST_BODY:
            raise BatchError("RequestBodyTooLarge", {"MaxLimit": LARGEST_BODY})
        if call.content and "odata=minimalmetadata" not in content_type(call):
            raise BatchError(
                "InvalidHeaderValue",
                {"HeaderName": "Content-Type", "HeaderValue": call.headers.get("content-type", "")},
            )

    def finished(self, call: Call, route: Route | None, answer: Answer) -> Answer:
        """Give an answer the casing that this client, or a fault, calls for."""
        if answer.body is None or route is None or route.public:
            return answer
        faults = self.account.faults
        pascal = call.is_old
        if faults.take("pascal_case", route.operation):
            pascal = True
        elif faults.take("lower_case", route.operation):
            pascal = False
        return Answer(**{**vars(answer), "body": views.cased(answer.body, pascal=pascal)})

    def refusal(self, error: BatchError, request_id: str) -> Answer:
        if error.status == 304:
            return Answer(status=304)
        kind = {"odata.metadata": f"{self.account.url}/$metadata#{ERROR_KIND}"}
        described = error_body(error, self.account.now(), request_id)
        headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
        if error.status == 401:
            headers["WWW-Authenticate"] = CHALLENGE
        return Answer(body={**kind, **described}, status=error.status, headers=headers)


USUAL_CODES = {
    401: "AuthenticationFailed",
    403: "AuthenticationFailed",
    408: "OperationTimedOut",
    409: "OperationInvalidForCurrentState",
    413: "RequestBodyTooLarge",
    429: "TooManyRequests",
    503: "ServerBusy",
}


def content_type(call: Call) -> str:
    return call.headers.get("content-type", "").lower().replace(" ", "")


def check_version(given: str | None, accepted: tuple[str, ...]) -> None:
    if given is None:
        raise BatchError("MissingRequiredQueryParameter", {"QueryParameterName": "api-version"})
    if not any(fnmatchcase(given, pattern) for pattern in accepted):
        raise BatchError("UnsupportedRequestVersion", {"QueryParameterValue": given})


def find_route(method: str, path: str) -> tuple[Route | None, dict[str, str]]:
    segments = path.strip("/").split("/")
    for route in ROUTES:
        if route.method == method:
            arguments = route.match(segments)
            if arguments is not None:
                return route, arguments
    return None, {}


def unknown_route(method: str, path: str) -> BatchError:
    segments = path.strip("/").split("/")
    if any(route.match(segments) is not None for route in ROUTES):
        return BatchError("UnsupportedHttpVerb", {"Verb": method})
    return BatchError("InvalidUri", {"Path": path})


def reset(request: web.BaseRequest) -> web.Response:
    """Break the connection off, as a failing network does."""
    transport = request.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


def response(request: web.BaseRequest, answer: Answer, request_id: str) -> web.Response:
    """Turn an answer into HTTP: chunked when it is a success, with its length when an error."""
    status = answer.status or 200
    headers = {**ALWAYS, "request-id": request_id, "Date": http_date(from_epoch(time.time()))}
    headers |= answer.headers
    if request.headers.get("return-client-request-id", "").lower() == "true":
        headers["client-request-id"] = request.headers.get("client-request-id", "")
    body = answer.content
    if answer.body is not None:
        body = json.dumps(answer.body, separators=(",", ":")).encode()
        headers["Content-Type"] = JSON_TYPE
    if request.method == "HEAD":
        return web.Response(status=status, headers=headers)
    reply = web.Response(status=status, headers=headers, body=body or b"")
    if status < 300 and status != 204:
        reply.enable_chunked_encoding()
    return reply
