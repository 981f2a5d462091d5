"""Azure's way to say no, and how properties are found in what it was asked for. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class ArmError(Exception):
    """Azure's refusal."""

    status: int
    code: str
    message: str

    def __str__(self) -> str:
        return f'Status={self.status} Code="{self.code}" Message="{self.message}"'


def at(inputs: Mapping[str, Any], path: str) -> Any:
    """Return what is at *path*; None for nothing."""
    value: Any = inputs
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def find(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """List the places that *path* leads to, and what is there: `rules[].name`, `actions{}.days`."""
    step = re.match(r"(\w+)(\[\]|\{\})?\.?", path)
    if step is None:
        yield "", value
        return
    name, many = step.groups()
    found = value.get(name) if isinstance(value, Mapping) else None
    if found is None:
        return
    if many == "[]":
        members = [(f"{name}[{place}]", each) for place, each in enumerate(found)]
    elif many == "{}":
        members = [(f"{name}.{key}", each) for key, each in found.items()]
    else:
        members = [(name, found)]
    for where, member in members:
        for below, each in find(member, path[step.end() :]):
            yield f"{where}.{below}".rstrip("."), each
