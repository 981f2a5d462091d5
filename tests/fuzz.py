"""Mutate what storage, nodes and disks may hand us: seeded, so that what failed can be had again."""

import gzip
import json
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

SEED = os.environ.get("RUNNER_FUZZ_SEED", "1")
CASES = int(os.environ.get("RUNNER_FUZZ", "300"))
"""Of each kind; `make fuzz` has 10,000."""

HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 7, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**400),
    *(1.5, -0.0, 1e300, float("inf"), float("-inf"), float("nan")),
    *("", "x", "..", "../../x", "/etc/x", "sub/../../x", "a\0b", "\ud800", "\udcff", "a\nb"),
    *(".runner/ledger.sqlite", "C:\\x", "x" * 5000, "\x1b[2J", "\u202e", "input", "%s{0}{x}"),
    *([], {}, [[]], {"x": 1}, [1, "a", None]),
)


def cases(kind: str) -> Iterator[tuple[str, random.Random]]:
    """As many sources of chance as were asked for, each with its name."""
    for number in range(CASES):
        name = f"RUNNER_FUZZ_SEED={SEED} {kind} {number}"
        yield name, random.Random(name)


@contextmanager
def told(name: str) -> Iterator[None]:
    """Say of which case an error is that nobody declared."""
    try:
        yield
    except Exception as error:
        raise AssertionError(name) from error


def mutated_json(value: Any, chance: random.Random) -> Any:
    """*value*, something that JSON can hold, with something in it that should not be there."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        name = chance.choice(list(value))
        return chance.choice(_OF_OBJECTS)(dict(value), name, chance)
    if isinstance(value, list) and value and chance.random() < 0.9:
        place = chance.randrange(len(value))
        return chance.choice(_OF_LISTS)(list(value), place, chance)
    if isinstance(value, str) and value.startswith(("{", "[")) and chance.random() < 0.8:
        with suppress(ValueError, RecursionError):  # it was mutated before
            return text_of(mutated_json(json.loads(value), chance), chance)
    if isinstance(value, str) and chance.random() < 0.3:
        return value[: chance.randrange(len(value) + 1)] + chance.choice(
            ("", "/", "..", "\0", "\ud900")
        )
    return chance.choice(HOSTILE)


def text_of(value: Any, chance: random.Random) -> str:
    """*value* as JSON, or nearly."""
    text = json.dumps(value)
    if chance.random() < 0.05:
        return text[: chance.randrange(len(text) + 1)]
    if chance.random() < 0.02:
        return "[" * chance.choice((500, 50_000)) + text
    return text


def mutated_bytes(data: bytes, chance: random.Random) -> bytes:
    """*data* with some of it lost, changed, moved or added."""
    for _ in range(chance.choice((1, 1, 1, 2, 5, 20))):
        data = chance.choice(_OF_BYTES)(data, chance)
    return data


def mutated_plan(plan: bytes, chance: random.Random) -> bytes:
    """A plan as it lies in storage, with something wrong in its lines, or in its bytes."""
    if chance.random() < 0.2:
        return mutated_bytes(plan, chance)
    lines = [json.loads(line) for line in gzip.decompress(plan).splitlines()]
    for _ in range(chance.choice((1, 1, 2, 5))):
        place = chance.randrange(len(lines))
        lines[place] = mutated_json(lines[place], chance)
    if chance.random() < 0.2:
        lines.insert(chance.randrange(len(lines)), chance.choice(lines))
    text = "\n".join(text_of(line, chance) for line in lines)
    return gzip.compress(text.encode("utf-8", "surrogatepass"), 1)


def _drop(value: dict[str, Any], name: str, chance: random.Random) -> Any:
    del value[name]
    return value


def _add(value: dict[str, Any], name: str, chance: random.Random) -> Any:
    return {**value, name + "x": value[name]}


def _inside(value: Any, where: Any, chance: random.Random) -> Any:
    value[where] = mutated_json(value[where], chance)
    return value


def _shorter(value: list[Any], place: int, chance: random.Random) -> Any:
    return value[:place]


def _twice(value: list[Any], place: int, chance: random.Random) -> Any:
    return [*value, value[place]]


_OF_OBJECTS: tuple[Callable[..., Any], ...] = (_drop, _add, *4 * (_inside,))
_OF_LISTS: tuple[Callable[..., Any], ...] = (_shorter, _twice, *6 * (_inside,))


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)] if chance.random() < 0.3 else data


def _change(data: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(data) + 1)
    new = chance.randbytes(chance.choice((1, 1, 4, 100, 1000)))
    return data[:start] + new + data[start + len(new) :]


def _flip(data: bytes, chance: random.Random) -> bytes:
    if not data:
        return data
    place = chance.randrange(min(len(data), chance.choice((100, 1_000_000))))
    return data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]


def _blank(data: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(data) + 1) // 512 * 512
    length = chance.choice((512, 4096))
    return data[:start] + bytes(length) + data[start + length :]


def _swap(data: bytes, chance: random.Random) -> bytes:
    pages = [data[start : start + 4096] for start in range(0, len(data), 4096)]
    chance.shuffle(pages)
    return b"".join(pages)


def _insert(data: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(data) + 1)
    return data[:start] + chance.randbytes(9) + data[start:]


_OF_BYTES = (_cut, _change, _change, _flip, _flip, _blank, _swap, _insert)
