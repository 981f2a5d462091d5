"""Read untrusted JSON of a limited size, whose values must have the declared types."""

from __future__ import annotations

import json
import math
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache, partial
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[object], Any]

Kind = TypeVar("Kind")

# The range of a ledger's INTEGER, and of a file system's sizes and times.
_LARGEST = 2**63


class UnreadableError(ValueError):
    """The data is not what it should be; the message is one line."""


def parse_json(data: str | bytes, longest: int) -> object:
    """Return the value in *data*, which may have *longest* bytes or characters.

    Raises:
        UnreadableError: It is longer, not JSON, nested too deeply, or contains NaN or Infinity.
    """
    if len(data) > longest:
        raise UnreadableError(f"longer than {longest} bytes")
    try:
        # json would also accept UTF-16
        words = data if isinstance(data, str) else data.decode()
        return json.loads(words, parse_constant=_refuse_constant)
    except UnreadableError:
        raise
    except ValueError as error:  # also for bytes that are not text, and numbers with 5,000 digits
        raise UnreadableError("not JSON") from error
    except RecursionError as error:
        raise UnreadableError("nested too deeply") from error


def read_as(kind: type[Kind], value: object) -> Kind:
    """Return *value*, a JSON object, as the dataclass *kind*; unknown properties are ignored.

    Raises:
        UnreadableError: A property is missing, or does not have the type that *kind* declares.
    """
    if not isinstance(value, dict):
        raise UnreadableError("not an object")
    known: dict[str, Any] = {}
    for name, (reader, is_needed) in _readers(kind).items():  # type: ignore[arg-type] # classes are hashable
        if name in value:
            known[name] = _named(name, reader, value[name])
        elif is_needed:
            raise UnreadableError(f"without {name}")
    return kind(**known)


def text(value: object) -> str:
    """Return *value* if it is text; it may contain stray bytes of file names, but no other surrogates."""
    if not isinstance(value, str):
        raise UnreadableError("not a text")
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise UnreadableError("not a text: half a surrogate pair") from error
    return value


def texts(value: object) -> tuple[str, ...]:
    """Return *value* if it is a list of texts."""
    return tuple(map(text, _items(value)))


def whole(value: object) -> int:
    """Return *value* if it is a whole number of up to 64 bits."""
    if type(value) is not int:
        raise UnreadableError("not a whole number")
    if not -_LARGEST <= value < _LARGEST:
        raise UnreadableError("out of range")
    return value


def number(value: object) -> float:
    """Return *value* if it is a finite number."""
    if type(value) is int:
        value = float(whole(value))
    if type(value) is not float:
        raise UnreadableError("not a number")
    if not math.isfinite(value):
        raise UnreadableError("not a finite number")
    return value


def _flag(value: object) -> bool:
    if type(value) is not bool:
        raise UnreadableError("neither true nor false")
    return value


def _named(name: str, reader: Reader, value: object) -> Any:
    try:
        return reader(value)
    except UnreadableError as error:
        raise UnreadableError(f"{name}: {error}") from error


@lru_cache
def _readers(kind: Any) -> dict[str, tuple[Reader, bool]]:
    """Return the reader of each property of the dataclass *kind*, and whether the property is required."""
    hints = get_type_hints(kind)
    return {
        f.name: (_reader(hints[f.name]), f.default is MISSING and f.default_factory is MISSING)
        for f in fields(kind)
    }


def _reader(hint: Any) -> Reader:
    simple: dict[Any, Reader] = {str: text, int: whole, float: number, bool: _flag}
    if hint in simple:
        return simple[hint]
    if isinstance(hint, type) and is_dataclass(hint):
        return partial(read_as, hint)
    arguments = get_args(hint)
    if NoneType in arguments:
        (inner,) = (one for one in arguments if one is not NoneType)
        read = _reader(inner)
        return lambda value: None if value is None else read(value)
    if get_origin(hint) is tuple and arguments[1:] == (...,):
        read = _reader(arguments[0])
        return lambda value: tuple(map(read, _items(value)))
    raise TypeError(f"no reader for {hint}")


def _items(value: object) -> list[object]:
    if not isinstance(value, list):
        raise UnreadableError("not a list")
    return value


def _refuse_constant(name: str) -> float:
    raise UnreadableError(f"{name} is not a number")
