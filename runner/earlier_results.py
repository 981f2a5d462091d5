"""Tell results of earlier runs from sources."""

import os
from functools import lru_cache

from runner.ledger import Ledger
from runner.media.paths import below, is_address


class EarlierResults:
    """What earlier runs made, by path: the destination may be the sources' own folder."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._root = os.path.abspath(ledger.destination)
        self._below = lru_cache(maxsize=1024)(lambda folder: below(folder, self._root))

    def __contains__(self, path: str) -> bool:
        """Return whether an earlier run made the file at the absolute *path*."""
        if is_address(path):
            return False
        folder, name = os.path.split(path)
        inside = self._below(folder)
        if inside is None:
            return False
        target = name if inside == os.curdir else f"{inside.replace(os.sep, '/')}/{name}"
        return self._ledger.find(target) is not None
