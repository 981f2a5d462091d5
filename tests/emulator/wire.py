"""The service's errors as JSON."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from tests.emulator.times import timestamp

if TYPE_CHECKING:
    from tests.emulator.errors import BatchError
    from tests.emulator.model import Json

ERROR_KIND = "Microsoft.Azure.Batch.Protocol.Entities.Container.errors/@Element"


def error_body(error: BatchError, now: int, request_id: str | None = None) -> Json:
    """Describe *error* with the request's id and time in the message, as the service does."""
    words = f"{error.message}\nRequestId:{request_id or uuid.uuid4()}\nTime:{timestamp(now)}"
    body: Json = {"code": error.code, "message": {"lang": "en-US", "value": words}}
    if error.values:
        body["values"] = [{"key": key, "value": value} for key, value in error.values.items()]
    return body
