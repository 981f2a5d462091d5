"""The values of the autoscale language, its operators and functions. Pure.

Errors are Python's own (TypeError, ValueError, …); the evaluator adds where they happened.
"""

from __future__ import annotations

import math
import operator
import random
import statistics
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

Value = float | str | datetime | timedelta | list[float]

COMPARISONS: dict[str, Callable[[object, object], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,  # type: ignore[dict-item]  # the operands' types are compared first
    "<=": operator.le,  # type: ignore[dict-item]
    ">": operator.gt,  # type: ignore[dict-item]
    ">=": operator.ge,  # type: ignore[dict-item]
}
NUMERIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def compare(mark: str, left: Value, right: Value) -> float:
    """Compare two values of one type; vectors cannot be compared."""
    if type(left) is not type(right) or isinstance(left, list):
        raise TypeError(f"cannot compare {kind(left)} with {kind(right)}")
    return float(COMPARISONS[mark](left, right))


def arithmetic(mark: str, left: Value, right: Value) -> Value:
    """Apply + - * / as the service's table of types allows it."""
    match left, right:
        case float(), float():
            return NUMERIC[mark](left, right)
        case (list(), float()) | (float(), list()) | (list(), list()):
            return elementwise(NUMERIC[mark], left, right)
        case _:
            return with_times(mark, left, right)


def elementwise(apply: Callable[[float, float], float], left: Value, right: Value) -> list[float]:
    size = max(len(side) for side in (left, right) if isinstance(side, list))
    lefts = left if isinstance(left, list) else [number(left)] * size
    rights = right if isinstance(right, list) else [number(right)] * size
    if len(lefts) != len(rights):
        raise ValueError("vectors of different lengths")
    return [apply(a, b) for a, b in zip(lefts, rights, strict=True)]


def with_times(mark: str, left: Value, right: Value) -> Value:  # noqa: PLR0911 -- a table of types
    match left, mark, right:
        case datetime(), "+", timedelta():
            return left + right
        case datetime(), "-", timedelta():
            return left - right
        case datetime(), "-", datetime():
            return left - right
        case timedelta(), "+", timedelta():
            return left + right
        case timedelta(), "-", timedelta():
            return left - right
        case (float(), "*", timedelta()) | (timedelta(), "*", float()):
            return left * right  # type: ignore[operator]  # one is a number
        case timedelta(), "/", float():
            return left / right
    raise TypeError(f"cannot apply {mark} to {kind(left)} and {kind(right)}")


def kind(value: Value) -> str:
    """Name a value's type as the service's documentation does."""
    names = {float: "double", str: "string", datetime: "timestamp", timedelta: "timeinterval"}
    return names.get(type(value), "doubleVec")


def number(value: Value) -> float:
    if not isinstance(value, float):
        raise TypeError(f"wants a double, not a {kind(value)}")
    return value


def as_vector(values: tuple[Value, ...]) -> list[float]:
    """Join doubles and vectors into one vector."""
    joined: list[float] = []
    for value in values:
        joined.extend(value if isinstance(value, list) else [number(value)])
    return joined


def some(values: tuple[Value, ...]) -> list[float]:
    joined = as_vector(values)
    if not joined:
        raise ValueError("no values")
    return joined


def of_vector(apply: Callable[[list[float]], float]) -> Callable[..., Value]:
    return lambda *values: float(apply(some(values)))


def of_number(apply: Callable[[float], float]) -> Callable[..., Value]:
    """Return *apply* for a double, or for each element of a vector."""

    def applied(value: Value) -> Value:
        if isinstance(value, list):
            return [float(apply(item)) for item in value]
        return float(apply(number(value)))

    return applied


def percentile(values: Value, percent: Value) -> float:
    """Interpolate the *percent*-th percentile (0 to 100) of a vector."""
    ordered = sorted(some((values,)))
    place = number(percent) / 100 * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def element(values: Value, index: Value) -> float:
    """Return one element of a vector, counted from 0."""
    position = int(number(index))
    vector = as_vector((values,))
    if not 0 <= position < len(vector):
        raise IndexError(f"no element {position}")
    return vector[position]


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "avg": of_vector(statistics.fmean),
    "len": lambda *values: float(len(as_vector(values))),
    "max": of_vector(max),
    "min": of_vector(min),
    "norm": of_vector(lambda values: math.hypot(*values)),
    "percentile": percentile,
    "rand": random.random,
    "range": of_vector(lambda values: max(values) - min(values)),
    "std": of_vector(lambda values: statistics.stdev(values) if len(values) > 1 else 0.0),
    "sum": of_vector(math.fsum),
    "val": element,
    "ceil": of_number(math.ceil),
    "exp": of_number(math.exp),
    "floor": of_number(math.floor),
    "lg": of_number(math.log2),
    "ln": of_number(math.log),
    "log": of_number(math.log10),
    "round": of_number(lambda value: math.floor(value + 0.5)),
}
