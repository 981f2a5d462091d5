"""Wait for Ctrl-C or a polite kill, for what is started by hand."""

from __future__ import annotations

import signal
import threading


class StopSignal:
    """Listens from when it is made, so that nothing is missed while things are being started."""

    def __init__(self) -> None:
        self._came = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._came.set())

    def wait(self) -> None:
        self._came.wait()
