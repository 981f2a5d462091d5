"""Compile ``$filter`` to a predicate, and apply ``$select``. Pure.

A filter is compiled against a table of fields: the names that may be filtered on, each with the
way to read it. Moments are ticks; a missing value equals only null.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tests.emulator.times import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Item = TypeVar("Item")

TOKEN = re.compile(
    r"""
    \s*(?:
      (?P<time>datetime'[^']*')
    | (?P<string>'(?:[^']|'')*')
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<word>[A-Za-z_][\w/]*)
    | (?P<mark>[(),])
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
CONSTANTS = {"true": True, "false": False, "null": None}


class FilterError(ValueError):
    """The filter cannot be read, or asks for what cannot be filtered on."""


def compile_filter(
    text: str, fields: Mapping[str, Callable[[Item], object]]
) -> Callable[[Item], bool]:
    """Return the predicate that *text* says.

    Raises:
        FilterError: Syntax, an unknown field, or a comparison of different types.
    """
    return FilterCompiler(split(text), fields).whole()


def split(text: str) -> list[tuple[str, str]]:
    """Cut the filter into (kind, text) pairs, closed by ("end", "")."""
    words, position = [], 0
    text = text.rstrip()
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            raise FilterError(f"unexpected text at {position}: {text[position:]!r}")
        words.append((str(match.lastgroup), match.group().strip()))
        position = match.end()
    return [*words, ("end", "")]


class FilterCompiler(Generic[Item]):
    """A cursor over the words of a filter; each rule returns a predicate."""

    def __init__(
        self, words: list[tuple[str, str]], fields: Mapping[str, Callable[[Item], object]]
    ) -> None:
        self.words = words
        self.fields = fields
        self.position = 0

    def take(self) -> tuple[str, str]:
        word = self.words[self.position]
        self.position += 1
        return word

    def found(self, text: str) -> bool:
        kind, word = self.words[self.position]
        if kind in ("word", "mark") and word.lower() == text:
            self.position += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.found(text):
            raise FilterError(f"expected {text!r}, found {self.words[self.position][1]!r}")

    def whole(self) -> Callable[[Item], bool]:
        predicate = self.alternatives()
        if self.take()[0] != "end":
            raise FilterError("text after the end of the filter")
        return predicate

    def alternatives(self) -> Callable[[Item], bool]:
        sides = [self.conditions()]
        while self.found("or"):
            sides.append(self.conditions())
        if len(sides) == 1:
            return sides[0]
        return lambda item: any(side(item) for side in sides)

    def conditions(self) -> Callable[[Item], bool]:
        sides = [self.condition()]
        while self.found("and"):
            sides.append(self.condition())
        if len(sides) == 1:
            return sides[0]
        return lambda item: all(side(item) for side in sides)

    def condition(self) -> Callable[[Item], bool]:
        if self.found("not"):
            inner = self.condition()
            return lambda item: not inner(item)
        if self.found("("):
            inside = self.alternatives()
            self.expect(")")
            return inside
        if self.found("startswith"):
            return self.starts_with()
        return self.comparison()

    def starts_with(self) -> Callable[[Item], bool]:
        self.expect("(")
        field = self.field()
        self.expect(",")
        prefix = self.literal()
        self.expect(")")
        if not isinstance(prefix, str):
            raise FilterError("startswith wants a string")
        return lambda item: str(field(item) or "").startswith(prefix)

    def comparison(self) -> Callable[[Item], bool]:
        field = self.field()
        name = self.take()[1].lower()
        if name not in COMPARISONS:
            raise FilterError(f"unknown operator {name!r}")
        value = self.literal()
        return comparing(field, COMPARISONS[name], value)

    def field(self) -> Callable[[Item], object]:
        kind, name = self.take()
        if kind != "word" or name not in self.fields:
            raise FilterError(f"{name!r} cannot be filtered on")
        return self.fields[name]

    def literal(self) -> object:
        kind, text = self.take()
        if kind == "string":
            return text[1:-1].replace("''", "'")
        if kind == "number":
            return float(text)
        if kind == "time":
            return moment(text[len("datetime'") : -1])
        if kind == "word" and text.lower() in CONSTANTS:
            return CONSTANTS[text.lower()]
        raise FilterError(f"expected a value, found {text!r}")


def moment(text: str) -> int:
    try:
        return parse_timestamp(text)
    except ValueError as error:
        raise FilterError(str(error)) from error


def comparing(
    field: Callable[[Item], object], compare: Callable[[Any, Any], bool], value: object
) -> Callable[[Item], bool]:
    if value is None or compare in (operator.eq, operator.ne):
        return lambda item: compare(field(item), value)

    def ordered(item: Item) -> bool:
        found = field(item)
        if found is None:
            return False
        try:
            return compare(found, value)
        except TypeError as error:
            raise FilterError(f"cannot compare with {value!r}") from error

    return ordered


def select(entity: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Keep the named properties of *entity*; ``executionInfo/exitCode`` keeps one of a part."""
    kept: dict[str, Any] = {}
    wanted = set(names)
    for name, value in entity.items():
        if name in wanted:
            kept[name] = value
        elif isinstance(value, dict):
            inner = {n.partition("/")[2] for n in wanted if n.startswith(f"{name}/")}
            if part := select(value, inner) if inner else {}:
                kept[name] = part
    return kept
