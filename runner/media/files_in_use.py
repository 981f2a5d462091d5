"""Files that another program holds open: Windows cannot open, replace or delete them."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")

# ERROR_ACCESS_DENIED, which can also mean an open file, ERROR_SHARING_VIOLATION and ERROR_LOCK_VIOLATION:
# https://learn.microsoft.com/windows/win32/debug/system-error-codes--0-499-
_HELD = (5, 32, 33)
_PATIENCE = 5.0
"""In seconds: virus scanners, indexers and backups close files soon."""
_PAUSE = 0.1


def is_in_use(error: OSError, *, windows: bool = os.name == "nt") -> bool:
    """Return whether *error* may mean that another program has the file open."""
    code = getattr(error, "winerror", None)
    if code is None:  # open() only gives POSIX error codes
        return windows and isinstance(error, PermissionError)
    return code in _HELD


def retry_while_in_use(action: Callable[[], Answer], *, patience: float = _PATIENCE) -> Answer:
    """Return what *action* returns; repeat it for some seconds while a file is held open.

    Raises:
        OSError: The file is still held, or something else is wrong.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return action()
        except OSError as error:
            if not is_in_use(error) or time.monotonic() >= deadline:
                raise
        time.sleep(_PAUSE)
