"""Files that another program holds: on Windows they can be neither opened, replaced nor deleted."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")

# ERROR_ACCESS_DENIED, which is also said of a file that is open; ERROR_SHARING_VIOLATION and
# ERROR_LOCK_VIOLATION
_HELD = (5, 32, 33)
_PATIENCE = 5.0
"""Seconds: virus scanners, indexers and backups let go again."""
_PAUSE = 0.1


def is_held(error: OSError, *, windows: bool = os.name == "nt") -> bool:
    """Whether an *error* may mean that another program has the file open."""
    code = getattr(error, "winerror", None)
    if code is None:  # of open(), which has only POSIX' words
        return windows and isinstance(error, PermissionError)
    return code in _HELD


def patiently(action: Callable[[], Answer], *, patience: float = _PATIENCE) -> Answer:
    """What *action* returns, which is tried again for some seconds while a file is held.

    Raises:
        OSError: It still is, or something else is wrong.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return action()
        except OSError as error:
            if not is_held(error) or time.monotonic() >= deadline:
                raise
        time.sleep(_PAUSE)
