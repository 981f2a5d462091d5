"""Notice that a Windows console is closed or the user logs off, which Python's signals report too late."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_ENDS = (2, 5, 6)
"""CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT and CTRL_SHUTDOWN_EVENT."""
_PATIENCE = 10.0
"""In seconds; Windows allows about five:
https://learn.microsoft.com/windows/console/handlerroutine"""


@contextmanager
def heard_console_end(end: Callable[[], None]) -> Iterator[None]:
    """Call *end* when the console ends, and keep the process alive until the block is left."""
    is_over = threading.Event()
    hear = listener(end, is_over)
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - for this alone
        from ctypes import wintypes  # noqa: PLC0415

        kernel = ctypes.WinDLL("kernel32")
        # the handler registered last is called first: before the runtime's own, which ends the process
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
    """Make the handler that Windows calls in a separate thread; when it returns, the process ends.

    Its result says whether it handled the event.
    """

    def hear(event: int) -> bool:
        if event not in _ENDS:
            return False
        end()
        is_over.wait(_PATIENCE)
        return True

    return hear
