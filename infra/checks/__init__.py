"""Checks that settings are valid and work together, with what to do if not. Pure."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from infra.checks import basics, containers, existing, network, nodes, pools, private
from infra.findings import Findings
from infra.settings import Settings


@dataclass(frozen=True)
class Problem:
    """A setting that has to change."""

    key: str
    value: object
    remedy: str

    def __str__(self) -> str:
        return f"{self.key}: {json.dumps(self.value)}: {self.remedy}"


ELSEWHERE = {"location": "azure-native:location"}
"""Settings whose keys belong to another namespace."""


CHECKS: tuple[Callable[[Settings], Findings], ...] = (
    *basics.CHECKS,
    *containers.CHECKS,
    *existing.CHECKS,
    *network.CHECKS,
    *private.CHECKS,
    *nodes.CHECKS,
)


def key_of(name: str) -> str:
    """Return the configuration key of a field of Settings."""
    if name in ELSEWHERE:
        return ELSEWHERE[name]
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def problems(settings: Settings) -> Iterator[Problem]:
    """Find everything in *settings* that has to change."""
    for check in CHECKS:
        for name, remedy in check(settings):
            yield Problem(key_of(name), getattr(settings, name), remedy)
    # settings that several pools take from the stack are reported once
    yield from dict.fromkeys(problems_of_pools(settings))


def problems_of_pools(settings: Settings) -> Iterator[Problem]:
    """Find what has to change in a pool, by the key that sets it."""
    for index, key, value, remedy in pools.entries(settings):
        yield Problem(f"pools[{index}].{key}", value, remedy)
    for index, name, value, remedy in pools.each_pool(settings):
        is_own = bool(settings.pools) and name in settings.pools[index].own
        key = f"pools[{index}].{key_of(name)}" if is_own else key_of(name)
        yield Problem(key, value, remedy)
