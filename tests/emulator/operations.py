"""A call and its answer, between HTTP and the operations; and the table of the operations."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote, urlencode

from tests.emulator.errors import BatchError, invalid_query
from tests.emulator.odata import FilterError, compile_filter, select
from tests.emulator.times import SECOND, etag, http_date, parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.emulator.account import Account
    from tests.emulator.checks import Shape
    from tests.emulator.model import Json

Item = TypeVar("Item")
LARGEST_PAGE = 1000
TOKEN = "WATASKSTORE=1+/&"
"""How continuation tokens begin: with all that a client may forget to escape."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an operation says: a JSON body or raw bytes, headers, and the status."""

    body: Json | None = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None
    """None is the operation's usual one."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request that has been let in. Header names are in lower case."""

    account: Account
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes = b""
    body: Json = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The account's, without a slash at the end."""
        return self.account.url

    @property
    def metadata(self) -> str:
        return f"{self.url}/$metadata#"

    @property
    def is_old(self) -> bool:
        """Whether the client speaks a version before 2025-06-01."""
        return self.query.get("api-version", "") < "2025"

    def expect(self, modified: int, *, read: bool = False) -> None:
        """Check the request's conditions against when the entity was last modified.

        Raises:
            BatchError: ConditionNotMet, as 304 for reads and 412 for writes.
        """
        if not all(self._conditions(modified)):
            raise BatchError("ConditionNotMet", status=304 if read else 412)

    def _conditions(self, modified: int) -> list[bool]:
        current, second = etag(modified), modified // SECOND
        met = []
        for header, wanted in (("if-match", True), ("if-none-match", False)):
            if value := self.headers.get(header):
                tags = [tag.strip().strip('"') for tag in value.split(",")]
                met.append(("*" in tags or current in tags) is wanted)
        if value := self.headers.get("if-modified-since"):
            met.append(second > http_seconds(value))
        if value := self.headers.get("if-unmodified-since"):
            met.append(second <= http_seconds(value))
        return met

    @property
    def wanted(self) -> frozenset[str]:
        """The properties that $select names; none is all."""
        names = self.query.get("$select", "").split(",")
        return frozenset(name.strip() for name in names if name.strip())

    def selected(self, entity: Json) -> Json:
        return select(entity, self.wanted) if self.wanted else entity


def http_seconds(text: str) -> int:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 -- rarely needed

    try:
        return parse_timestamp(parsedate_to_datetime(text).isoformat()) // SECOND
    except ValueError as error:
        raise BatchError("InvalidHeaderValue", {"HeaderValue": text}) from error


def entity(call: Call, view: Json, fragment: str, modified: int | None = None) -> Answer:
    """Answer with one thing; *modified* adds its ETag and Last-Modified."""
    body = {"odata.metadata": f"{call.metadata}{fragment}/@Element", **call.selected(view)}
    return Answer(body=body, headers={} if modified is None else tags(modified))


def tags(modified: int) -> dict[str, str]:
    return {"ETag": etag(modified), "Last-Modified": http_date(modified)}


def done(call: Call, modified: int | None = None) -> Answer:
    """Answer that an action has been taken (up), without a body."""
    headers = {} if modified is None else tags(modified)
    return Answer(headers={"DataServiceId": f"{call.url}{call.path}", **headers})


def created(url: str, modified: int) -> Answer:
    return Answer(headers={"DataServiceId": url, "Location": url, **tags(modified)})


def listing(
    call: Call,
    items: Sequence[Item],
    view: Callable[[Item], Json],
    *,
    fragment: str,
    fields: Mapping[str, Callable[[Item], object]],
    order: Callable[[Item], Any],
) -> Answer:
    """Answer with a page of *items*, which are sorted by *order*: an int or a string."""
    start = 0
    if token := call.query.get("$skiptoken"):
        start = bisect_right(items, after(token, items, order), key=order)
    text = call.query.get("$filter")
    try:
        predicate = compile_filter(text, fields) if text else None
        page, more = take_page(items, start, page_size(call), predicate)
    except FilterError as error:
        raise invalid_query("$filter", text, str(error)) from error
    body: Json = {
        "odata.metadata": f"{call.metadata}{fragment}",
        "value": [call.selected(view(item)) for item in page],
    }
    if more:
        body["odata.nextLink"] = next_link(call, order(page[-1]))
    return Answer(body=body)


def take_page(
    items: Sequence[Item], start: int, size: int, predicate: Callable[[Item], bool] | None
) -> tuple[list[Item], bool]:
    """Return up to *size* of the items that fit, and whether there are more."""
    page: list[Item] = []
    for index in range(start, len(items)):
        if predicate is None or predicate(items[index]):
            if len(page) == size:
                return page, True
            page.append(items[index])
    return page, False


def page_size(call: Call) -> int:
    text = call.query.get("maxresults", str(LARGEST_PAGE))
    if not text.lstrip("-").isdigit():
        raise invalid_query("maxresults", text, "a whole number")
    if not 1 <= int(text) <= LARGEST_PAGE:
        values = {
            "QueryParameterName": "maxresults",
            "QueryParameterValue": text,
            "MinimumAllowed": 1,
            "MaximumAllowed": LARGEST_PAGE,
        }
        raise BatchError("OutOfRangeQueryParameterValue", values)
    return int(text)


def after(token: str, items: Sequence[Item], order: Callable[[Item], Any]) -> Any:
    """Return what the last page ended with."""
    if not token.startswith(TOKEN):
        raise invalid_query("$skiptoken", token, "not a token of this service")
    value = token.removeprefix(TOKEN)
    return int(value) if items and isinstance(order(items[0]), int) else value


def next_link(call: Call, last: object) -> str:
    query = {**call.query, "$skiptoken": f"{TOKEN}{last}"}
    return f"{call.url}{call.path}?{urlencode(query, safe='$', quote_via=quote)}"


@dataclass(frozen=True)
class Route:
    """An operation: its name is that of the client's method."""

    method: str
    parts: tuple[str, ...]
    """The path's segments; ``{name}`` is an argument, ``{name...}`` the whole rest."""
    status: int
    shape: Shape | None
    handler: Callable[..., Answer]
    public: bool = False
    """No sign-in: the control API."""

    @property
    def operation(self) -> str:
        return self.handler.__name__

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """Return the arguments that the undecoded *segments* hold, or None if they do not fit."""
        rest = self.parts[-1].endswith("...}")
        if len(segments) < len(self.parts) or (len(segments) > len(self.parts) and not rest):
            return None
        found = {}
        for index, part in enumerate(self.parts):
            if not part.startswith("{"):
                if part != segments[index]:
                    return None
            elif part.endswith("...}"):
                found[part[1:-4]] = unquote("/".join(segments[index:]))
            else:
                found[part[1:-1]] = unquote(segments[index])
        return found


class Routes:
    """The table of the operations of one part of the service."""

    def __init__(self, *, public: bool = False) -> None:
        self.public = public
        self.table: list[Route] = []

    def add(
        self, method: str, path: str, status: int = 200, shape: Shape | None = None
    ) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
        """Register the decorated function for *method* and *path*."""

        def register(handler: Callable[..., Answer]) -> Callable[..., Answer]:
            parts = tuple(path.strip("/").split("/"))
            self.table.append(Route(method, parts, status, shape, handler, self.public))
            return handler

        return register


def read_body(content: bytes, shape: Shape | None) -> Json:
    """Read and check a request's JSON.

    Raises:
        BatchError: It is none, or not what the operation takes.
    """
    if shape is None:
        return {}
    if not content.strip():
        if shape.required:
            raise BatchError("InvalidRequestBody", {"Reason": "The request has no body."})
        return {}
    try:
        body = json.loads(content)
    except ValueError as error:
        raise BatchError("InvalidRequestBody", {"Reason": str(error)}) from error
    return shape("body", body)
