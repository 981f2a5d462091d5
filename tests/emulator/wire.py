"""How answers become HTTP: headers, framing, the service's errors; or no answer at all."""

from __future__ import annotations

import json
import socket
import struct
import time
import uuid
from typing import TYPE_CHECKING

from aiohttp import web

from tests.emulator.times import from_epoch, http_date, timestamp

if TYPE_CHECKING:
    from tests.emulator.errors import BatchError
    from tests.emulator.model import Json
    from tests.emulator.operations import Answer

JSON_TYPE = "application/json;odata=minimalmetadata"
ALWAYS = {
    "DataServiceVersion": "3.0",
    "Server": "Microsoft-HTTPAPI/2.0",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
}
ERROR_KIND = "Microsoft.Azure.Batch.Protocol.Entities.Container.errors/@Element"


def error_body(error: BatchError, now: int, request_id: str | None = None) -> Json:
    """Describe *error* with the request's id and time in the message, as the service does."""
    words = f"{error.message}\nRequestId:{request_id or uuid.uuid4()}\nTime:{timestamp(now)}"
    body: Json = {"code": error.code, "message": {"lang": "en-US", "value": words}}
    if error.values:
        body["values"] = [{"key": key, "value": value} for key, value in error.values.items()]
    return body


def reset(request: web.BaseRequest) -> web.Response:
    """Break the connection off, as a failing network does."""
    transport = request.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


def response(request: web.BaseRequest, answer: Answer) -> web.Response:
    """Turn an answer into HTTP: chunked when it is a success, with its length when an error."""
    status = answer.status or 200
    headers = {
        **ALWAYS,
        "request-id": str(uuid.uuid4()),
        "Date": http_date(from_epoch(time.time())),
    }
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
