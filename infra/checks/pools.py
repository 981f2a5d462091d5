"""Checks of the list of pools, and of each pool. Pure."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from infra.checks import nodes
from infra.findings import Findings
from infra.pools import pools_of
from infra.settings import Settings

_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")


def entries(settings: Settings) -> Iterator[tuple[int, str, Any, str]]:
    """Check the names, and that at most one pool is the default; yield index, key, value and remedy."""
    known = Counter(each.name for each in settings.pools)
    default = [index for index, each in enumerate(settings.pools) if each.default]
    for index, each in enumerate(settings.pools):
        if not _NAME.fullmatch(each.name):
            words = "must be 1-20 lower-case letters, digits and hyphens, starting with a letter"
            yield index, "name", each.name, words
        elif known[each.name] > 1:
            yield index, "name", each.name, "is also the name of another pool"
        if each.default and index != default[0]:
            yield (
                index,
                "default",
                True,
                f"pools[{default[0]}] is also the default; only one can be",
            )


def each_pool(settings: Settings) -> Iterator[tuple[int, str, Any, str]]:
    """Check each pool, with the stack's settings where it has none of its own."""
    for index, pool in enumerate(pools_of(settings)):
        for name, remedy in of_a_pool(pool.settings):
            yield index, name, getattr(pool.settings, name), remedy


def of_a_pool(settings: Settings) -> Findings:
    """Check one pool with its effective settings."""
    for check in nodes.OF_A_POOL:
        yield from check(settings)
