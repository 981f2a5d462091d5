"""A Windows console that is closed, and a user who logs off, which no signal of Python tells in time."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_ENDS = (2, 5, 6)
"""CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT and CTRL_SHUTDOWN_EVENT."""
_PATIENCE = 10.0
"""Seconds; Windows itself gives about five."""


@contextmanager
def heard_console_end(end: Callable[[], None]) -> Iterator[None]:
    """Have *end* called when the console ends, and hold the process until the block is left."""
    is_over = threading.Event()
    hear = listener(end, is_over)
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - for this alone
        from ctypes import wintypes  # noqa: PLC0415

        kernel = ctypes.WinDLL("kernel32")
        # what is registered last is called first: ahead of the runtime's own, which ends the process
        routine = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.DWORD)(hear)
        kernel.SetConsoleCtrlHandler(routine, True)  # noqa: FBT003 - Windows' own argument
        try:
            yield
        finally:
            is_over.set()
            kernel.SetConsoleCtrlHandler(routine, False)  # noqa: FBT003
    else:
        yield


def listener(end: Callable[[], None], is_over: threading.Event) -> Callable[[int], bool]:
    """What Windows calls, in a thread of its own: when it returns, the process is ended.

    Its answer says whether the event was for it.
    """

    def hear(event: int) -> bool:
        if event not in _ENDS:
            return False
        end()
        is_over.wait(_PATIENCE)
        return True

    return hear
