"""The HTTP side: a request in, through faults, checks and sign-in to its operation, an answer out."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qsl

from tests.emulator import (
    routes_control,
    routes_files,
    routes_jobs,
    routes_nodes,
    routes_other,
    routes_pools,
    routes_tasks,
)
from tests.emulator.auth import CHALLENGE, Signed, authenticate
from tests.emulator.enum_casing import cased
from tests.emulator.errors import BatchError
from tests.emulator.operations import Answer, Call, Route, read_body
from tests.emulator.roles import batch_need
from tests.emulator.times import http_date
from tests.emulator.wire import ERROR_KIND, error_body, reset, response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from aiohttp import web

    from tests.emulator.account import Account

ROUTES: list[Route] = [
    *routes_pools.routes.table,
    *routes_nodes.routes.table,
    *routes_jobs.routes.table,
    *routes_tasks.routes.table,
    *routes_files.routes.table,
    *routes_other.routes.table,
    *routes_control.routes.table,
]
LARGEST_BODY = 1_048_576
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
    status: int = 0
    """What it was answered; 0 is a broken connection instead."""


class Crashes:
    """The emulator's own errors, kept by whoever works ``with`` it; they are raised all the same."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.errors.append(error)


@dataclass(kw_only=True)
class Server:
    """Serves one account. Everything in it happens on the event loop's thread."""

    account: Account
    key: str
    crashes: Crashes
    after_each: Callable[[], None]
    """Called when something may have been scheduled."""
    record: bool = True
    requests: deque[Seen] = field(default_factory=deque)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, or do to it what a fault wants."""
        content = await request.read() if request.can_read_body else b""
        path = request.raw_path.partition("?")[0]
        route, arguments = find_route(request.method, path)
        seen = Seen(
            operation=route.operation if route else "unknown",
            method=request.method,
            target=request.raw_path,
            headers={name.lower(): value for name, value in request.headers.items()},
            content=content,
        )
        faults = self.account.faults
        if slow := faults.take("slow", seen.operation):
            await asyncio.sleep(slow.seconds)
        if faults.take("reset_before", seen.operation):
            self.remember(seen)
            return reset(request)
        with self.crashes:
            answer = self.answer(seen, route, arguments)
        self.after_each()
        if faults.take("reset_after", seen.operation):
            self.remember(seen)
            return reset(request)
        self.remember(replace(seen, status=answer.status or 200))
        return response(request, answer)

    def remember(self, seen: Seen) -> None:
        if self.record:
            self.requests.append(seen)

    def answer(self, seen: Seen, route: Route | None, arguments: dict[str, str]) -> Answer:
        path, _, query = seen.target.partition("?")
        call = Call(
            account=self.account,
            path=path,
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers=seen.headers,
            content=seen.content,
        )
        try:
            self.inject(seen.operation)
            if route is None:
                raise unknown_route(seen.method, path)
            if not route.public:
                self.let_in(seen.method, call, query)
            return self.finished(call, route, self.perform(call, route, arguments))
        except BatchError as error:
            return self.refusal(error)
        finally:
            self.account.settle()

    def inject(self, operation: str) -> None:
        """Let a fault answer instead of the operation."""
        fault = self.account.faults.take("status", operation)
        if fault is not None:
            code = fault.code or USUAL_CODES.get(fault.status, "InternalError")
            raise BatchError(code, status=fault.status, retry_after=fault.retry_after)

    def perform(self, call: Call, route: Route, arguments: dict[str, str]) -> Answer:
        body = read_body(call.content, route.shape)
        answer = route.handler(replace(call, body=body), **arguments)
        self.account.settle()  # so that what follows is visible in the next answer
        return replace(answer, status=answer.status or route.status)

    def let_in(self, method: str, call: Call, query: str) -> None:
        """Check what is the same for all operations: sign-in, version, parameters, the body's type."""
        settings = self.account.settings
        signed = Signed(method=method, path=call.path, query=query, headers=call.headers)
        caller = authenticate(signed, settings.name, self.key, shared_key=settings.shared_key)
        if caller is not None:
            self.authorize(caller, method, call.path)
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

    def authorize(self, caller: str, method: str, path: str) -> None:
        """Refuse *caller* what none of its roles allows."""
        need, account = batch_need(method, path), self.account.settings.resource_id
        if not self.account.rights.allows(caller, need, account):
            raise BatchError("PermissionDenied", {"Action": need.action, "Resource": account})

    def finished(self, call: Call, route: Route, answer: Answer) -> Answer:
        """Give an answer the casing that this client, or a fault, calls for."""
        if route.public:
            return answer
        # what the account does is told by its own clock, as its times are; sign-ins live by the real one
        now = {"Date": http_date(self.account.now())}
        answer = replace(answer, headers={**now, **answer.headers})
        if answer.body is None:
            return answer
        faults = self.account.faults
        pascal = call.is_old
        if faults.take("pascal_case", route.operation):
            pascal = True
        elif faults.take("lower_case", route.operation):
            pascal = False
        return replace(answer, body=cased(answer.body, pascal=pascal))

    def refusal(self, error: BatchError) -> Answer:
        if error.status == 304:
            return Answer(status=304)
        request_id = str(uuid.uuid4())
        headers = {"request-id": request_id}
        if error.retry_after is not None:
            headers["Retry-After"] = str(error.retry_after)
        if error.status == 401:
            headers["WWW-Authenticate"] = CHALLENGE
        kind = {"odata.metadata": f"{self.account.url}/$metadata#{ERROR_KIND}"}
        described = error_body(error, self.account.now(), request_id)
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
