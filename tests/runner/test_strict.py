"""JSON that somebody else may have written is read as what it is declared to be, or refused in one line."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from runner.media.strict import UnreadableError, number, parse_json, read_as, text, texts, whole


@dataclass(frozen=True)
class Inner:
    name: str


@dataclass(frozen=True)
class Outer:
    name: str
    size: int
    seconds: float
    is_whole: bool
    inner: Inner
    maybe: int | None
    several: tuple[str, ...]
    inners: tuple[Inner, ...]
    optional: str = "as it is"
    made: tuple[int, ...] = field(default_factory=lambda: (1,))


GOOD: dict[str, Any] = {
    "name": "a",
    "size": 1,
    "seconds": 1.5,
    "is_whole": True,
    "inner": {"name": "b"},
    "maybe": None,
    "several": ["x", "y"],
    "inners": [{"name": "c", "unknown": 1}],
}


def test_an_object_is_read_with_all_that_is_in_it_and_the_rest_as_declared() -> None:
    expected = Outer("a", 1, 1.5, True, Inner("b"), None, ("x", "y"), (Inner("c"),))
    assert read_as(Outer, GOOD) == expected
    given = {"optional": "z", "made": [2, 3], "maybe": 4, "another": []}
    read = read_as(Outer, {**GOOD, **given})
    assert (read.optional, read.made, read.maybe) == ("z", (2, 3), 4)


@pytest.mark.parametrize("name", GOOD)
def test_what_is_needed_is_not_done_without(name: str) -> None:
    rest = {known: value for known, value in GOOD.items() if known != name}
    with pytest.raises(UnreadableError, match=f"^without {name}$"):
        read_as(Outer, rest)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"name": 1}, "name: not a text"),
        ({"name": None}, "name: not a text"),
        ({"size": True}, "size: not a whole number"),
        ({"size": 1.0}, "size: not a whole number"),
        ({"size": 2**63}, "size: out of range"),
        ({"size": -(2**63) - 1}, "size: out of range"),
        ({"seconds": "1"}, "seconds: not a number"),
        ({"seconds": True}, "seconds: not a number"),
        ({"seconds": 1e999}, "seconds: not a finite number"),
        ({"seconds": 2**63}, "seconds: out of range"),
        ({"is_whole": 1}, "is_whole: neither true nor false"),
        ({"inner": {}}, "inner: without name"),
        ({"inner": []}, "inner: not an object"),
        ({"maybe": "1"}, "maybe: not a whole number"),
        ({"several": "xy"}, "several: not a list"),
        ({"several": ["x", 1]}, "several: not a text"),
        ({"inners": [{"name": "a"}, {}]}, "inners: without name"),
        ({"made": [1, None]}, "made: not a whole number"),
    ],
)
def test_another_type_is_refused_by_its_name(change: dict[str, Any], why: str) -> None:
    with pytest.raises(UnreadableError) as refused:
        read_as(Outer, {**GOOD, **change})
    assert str(refused.value) == why


def test_something_else_than_an_object_is_refused() -> None:
    with pytest.raises(UnreadableError, match=r"^not an object$"):
        read_as(Outer, [GOOD])


def test_the_ends_of_the_range_are_within_it() -> None:
    assert [whole(-(2**63)), whole(2**63 - 1)] == [-(2**63), 2**63 - 1]
    assert number(3) == 3.0
    assert type(number(3)) is float


def test_text_may_hold_stray_bytes_of_file_names_and_no_other_half_characters() -> None:
    assert text("a\udc80") == "a\udc80"
    assert texts(["a", "\udcff"]) == ("a", "\udcff")
    for half in ("\ud800", "\udfff"):
        with pytest.raises(UnreadableError, match="half a surrogate pair"):
            text(half)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("[1, 2]", "longer than 5 bytes"),
        (b"[1,2]]", "longer than 5 bytes"),
        ("[1,", "not JSON"),
        ("", "not JSON"),
        (b"\xff", "not JSON"),
        ('"a"'.encode("utf-16-le")[:5], "not JSON"),
        ("NaN", "NaN is not a number"),
    ],
)
def test_what_is_no_json_or_too_long_is_refused(data: str | bytes, why: str) -> None:
    with pytest.raises(UnreadableError) as refused:
        parse_json(data, 5)
    assert str(refused.value) == why


def test_what_is_exactly_as_long_as_may_be_is_read() -> None:
    assert parse_json("[1,2]", 5) == [1, 2]
    assert parse_json(b"[1,2]", 5) == [1, 2]


def test_json_that_would_exhaust_the_reader_is_refused() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    with pytest.raises(UnreadableError, match=r"^nested too deeply$"):
        parse_json(deep, len(deep))
    many_digits = "1" * 5000
    with pytest.raises(UnreadableError, match=r"^not JSON$"):
        parse_json(many_digits, 5000)
    with pytest.raises(UnreadableError, match=r"^-Infinity is not a number$"):
        parse_json(json.dumps([float("-inf")]), 100)
