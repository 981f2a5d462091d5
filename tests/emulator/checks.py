"""The means to check request bodies: shapes made of named checks, and the errors they answer with."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.emulator.errors import BatchError, invalid_property
from tests.emulator.times import parse_duration, parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable

Check = Callable[[str, Any], None]
"""Takes a property's name and value; raises BatchError."""

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def wrong_type(name: str, wanted: str) -> BatchError:
    return BatchError("InvalidRequestBody", {"PropertyName": name, "Reason": f"wants {wanted}"})


def typed(kind: type, words: str) -> Check:
    def check(name: str, value: Any) -> None:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise wrong_type(name, words)

    return check


TEXT = typed(str, "a string")
BOOLEAN = typed(bool, "true or false")
INTEGER = typed(int, "a whole number")
OBJECT = typed(dict, "an object")


def anything(_name: str, _value: Any) -> None:
    """Let every value pass: what the emulator stores and returns but does not use."""


def identifier(name: str, value: Any) -> None:
    TEXT(name, value)
    if not ID.fullmatch(value):
        raise invalid_property(name, value, "1 to 64 letters, digits, hyphens and underscores")


def text_up_to(limit: int) -> Check:
    def check(name: str, value: Any) -> None:
        TEXT(name, value)
        if len(value) > limit:
            raise invalid_property(name, value[:64], f"at most {limit} characters")

    return check


def filled(name: str, value: Any) -> None:
    TEXT(name, value)
    if not value:
        raise invalid_property(name, value, "must not be empty")


def between(low: int, high: int) -> Check:
    def check(name: str, value: Any) -> None:
        INTEGER(name, value)
        if not low <= value <= high:
            raise invalid_property(name, value, f"between {low} and {high}")

    return check


def duration(name: str, value: Any) -> None:
    TEXT(name, value)
    try:
        parse_duration(value)
    except ValueError as error:
        raise invalid_property(name, value, "an ISO 8601 duration") from error


def moment(name: str, value: Any) -> None:
    TEXT(name, value)
    try:
        parse_timestamp(value)
    except ValueError as error:
        raise invalid_property(name, value, "an ISO 8601 time") from error


def one_of(*values: str) -> Check:
    """Accept any casing of *values*, as the service does."""

    def check(name: str, value: Any) -> None:
        TEXT(name, value)
        if value.lower() not in values:
            raise invalid_property(name, value, f"one of {', '.join(values)}")

    return check


def list_of(item: Check, *, at_most: int | None = None) -> Check:
    def check(name: str, value: Any) -> None:
        if not isinstance(value, list):
            raise wrong_type(name, "a list")
        if at_most is not None and len(value) > at_most:
            raise invalid_property(name, len(value), f"at most {at_most} entries")
        for entry in value:
            item(name, entry)

    return check


@dataclass(frozen=True)
class Shape:
    """An object's properties. Others are refused; null is as good as nothing."""

    required: dict[str, Check] = field(default_factory=dict)
    optional: dict[str, Check] = field(default_factory=dict)
    also: Callable[[dict[str, Any]], None] = lambda _body: None
    """What is to be checked across properties."""

    def __call__(self, name: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise wrong_type(name, "an object")
        for each in self.required:
            if value.get(each) is None:
                raise BatchError("MissingRequiredProperty", {"PropertyName": each})
        for each, content in value.items():
            check = self.required.get(each) or self.optional.get(each)
            if check is None:
                raise unknown_property(each)
            if content is not None:
                check(each, content)
        self.also(value)


def unknown_property(name: str) -> BatchError:
    reason = f"The property '{name}' does not exist on the type of this request's entity."
    return BatchError("InvalidRequestBody", {"PropertyName": name, "Reason": reason})


def exactly_one(body: dict[str, Any], names: Iterable[str], where: str) -> None:
    given = [name for name in names if body.get(name)]
    if len(given) != 1:
        reason = f"exactly one of {', '.join(names)} must be given"
        raise invalid_property(where, ", ".join(given), reason)


def without_nulls(value: Any) -> Any:
    """Return *value* without the properties that are null."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value
