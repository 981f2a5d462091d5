"""The enumerations whose casing differs between versions of the service, in either of the two. Pure."""

from __future__ import annotations

from typing import Any

PASCAL = {
    "success": "Success",
    "clienterror": "ClientError",
    "servererror": "ServerError",
    "usererror": "UserError",
    "spread": "Spread",
    "pack": "Pack",
    "tasksuccess": "TaskSuccess",
    "taskfailure": "TaskFailure",
    "taskcompletion": "TaskCompletion",
}
PASCAL_FIELDS = frozenset({"status", "category", "nodeFillType", "uploadCondition"})
"""The fields whose casing has been seen to differ between versions of the service."""


def cased(value: Any, *, pascal: bool, name: str = "") -> Any:
    """Return *value* with the doubtful enumerations in PascalCase or in lower case."""
    if isinstance(value, dict):
        return {k: cased(v, pascal=pascal, name=k) for k, v in value.items()}
    if isinstance(value, list):
        return [cased(item, pascal=pascal, name=name) for item in value]
    if name in PASCAL_FIELDS and isinstance(value, str) and value.lower() in PASCAL:
        return PASCAL[value.lower()] if pascal else value.lower()
    return value
