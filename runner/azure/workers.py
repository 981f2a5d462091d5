"""Threads that work through a queue, end with the process, and never fail in silence."""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Stopped(Exception):  # noqa: N818 - not an error: somebody asked for it
    """Work was given up because nobody waits for it any more."""


class Workers(Generic[Item]):
    """Some threads that call *work* for each item of a queue.

    They are daemons: a transfer that hangs must not keep a user who pressed Ctrl-C waiting. What
    one of them raises goes to *failed*, in its thread.
    """

    def __init__(
        self,
        name: str,
        count: int,
        work: Callable[[Item], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._queue: SimpleQueue[Item | None] = SimpleQueue()
        self._work = work
        self._failed = failed
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
            for number in range(count)
        ]

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    def put(self, item: Item) -> None:
        """Have *item* worked on."""
        self._queue.put(item)

    def close(self) -> None:
        """Let each thread end once the queue is empty; does not wait."""
        for _ in self._threads:
            self._queue.put(None)

    def wait(self, seconds: float) -> None:
        """Give the threads that were closed so long to end."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                self._work(item)
        except Stopped:
            return
        except BaseException as error:  # noqa: BLE001 - raised again in the thread of the run
            self._failed(error)
