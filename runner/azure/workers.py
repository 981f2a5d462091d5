"""Threads that work through a queue, end with the process, and never fail silently."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Stopped(Exception):  # noqa: N818 - not an error: somebody asked for it
    """The work was stopped because the run is over."""


class Workers(Generic[Item]):
    """Threads that call *work* for each item of a queue.

    They are daemon threads: a transfer that hangs must not delay the end after Ctrl-C. An exception in
    one of them is passed to *failed*, in that thread.
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
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def put(self, item: Item) -> None:
        """Add *item* to the queue."""
        self._queue.put(item)

    @property
    def waiting(self) -> int:
        """How many items no thread has begun."""
        return self._queue.qsize()

    def close(self) -> None:
        """Let each thread end once the queue is empty, without waiting for it."""
        for _ in self._threads:
            self._queue.put(None)

    def wait(self, seconds: float) -> None:
        """Wait up to *seconds* for the closed threads to end."""
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


def meanwhile(work: Callable[[], None]) -> Future[None]:
    """Do *work* in a thread of its own, which ends with the process; the future says how it went."""
    done = Future[None]()

    def run() -> None:
        try:
            work()
            done.set_result(None)
        except BaseException as error:  # noqa: BLE001 - raised again where its end is waited for
            done.set_exception(error)

    threading.Thread(target=run, name="meanwhile", daemon=True).start()
    return done
