"""Check request bodies: shapes made of named checks, and their errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.emulator.errors import BatchError, invalid_property
from tests.emulator.times import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

Check = Callable[[str, Any], Any]
"""Takes a property's name and value and returns the value as it is kept; raises BatchError."""

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
WHOLE = re.compile(r"[+-]?\d+")


def wrong_type(name: str, wanted: str) -> BatchError:
    return BatchError("InvalidRequestBody", {"PropertyName": name, "Reason": f"wants {wanted}"})


def anything(_name: str, value: Any) -> Any:
    """Take every value: what the emulator stores and returns but does not use."""
    return without_nulls(value)


def an_object(name: str, value: Any) -> Any:
    if not isinstance(value, dict):
        raise wrong_type(name, "an object")
    return without_nulls(value)


def text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise wrong_type(name, "a string")
    return value


def boolean(name: str, value: Any) -> bool:
    """Take true and false, also written as strings: the service reads them, and az sends them."""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise wrong_type(name, "true or false")
    return value


def integer(name: str, value: Any) -> int:
    """Take a whole number, also written as a string: the service reads it, and az sends it."""
    if isinstance(value, str) and WHOLE.fullmatch(value):
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong_type(name, "a whole number")
    return value


def number(name: str, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
        raise wrong_type(name, "a number that is not negative")
    return float(value)


def identifier(name: str, value: Any) -> str:
    if not ID.fullmatch(text(name, value)):
        raise invalid_property(name, value, "1 to 64 letters, digits, hyphens and underscores")
    return str(value)


def text_up_to(limit: int) -> Check:
    def check(name: str, value: Any) -> str:
        if len(text(name, value)) > limit:
            raise invalid_property(name, value[:64], f"at most {limit} characters")
        return str(value)

    return check


def filled(name: str, value: Any) -> str:
    if not text(name, value):
        raise invalid_property(name, value, "must not be empty")
    return str(value)


def matching(pattern: str, words: str) -> Check:
    def check(name: str, value: Any) -> str:
        if not re.fullmatch(pattern, text(name, value)):
            raise invalid_property(name, value, words)
        return str(value)

    return check


address = matching(r"https?://[^\s/]+/\S+", "the address of something in storage")


def between(low: int, high: int) -> Check:
    def check(name: str, value: Any) -> int:
        number = integer(name, value)
        if not low <= number <= high:
            raise invalid_property(name, value, f"between {low} and {high}")
        return number

    return check


def duration(name: str, value: Any) -> str:
    try:
        parse_duration(text(name, value))
    except ValueError as error:
        raise invalid_property(name, value, "an ISO 8601 duration") from error
    return str(value)


def one_of(*values: str) -> Check:
    """Accept any casing of *values*, as the service does."""

    def check(name: str, value: Any) -> str:
        if text(name, value).lower() not in values:
            raise invalid_property(name, value, f"one of {', '.join(values)}")
        return str(value)

    return check


def list_of(item: Check, *, at_most: int | None = None) -> Check:
    def check(name: str, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise wrong_type(name, "a list")
        if at_most is not None and len(value) > at_most:
            raise invalid_property(name, len(value), f"at most {at_most} entries")
        return [item(name, entry) for entry in value]

    return check


@dataclass(frozen=True)
class Shape:
    """An object's properties. Others are refused; null is as good as nothing."""

    required: dict[str, Check] = field(default_factory=dict)
    optional: dict[str, Check] = field(default_factory=dict)
    also: Callable[[dict[str, Any]], None] = lambda _body: None
    """What is to be checked across properties."""

    def __call__(self, name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise wrong_type(name, "an object")
        for each in self.required:
            if value.get(each) is None:
                raise BatchError("MissingRequiredProperty", {"PropertyName": each})
        kept = {}
        for each, content in value.items():
            check = self.required.get(each) or self.optional.get(each)
            if check is None:
                raise unknown_property(each)
            if content is not None:
                kept[each] = check(each, content)
        self.also(kept)
        return kept


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
