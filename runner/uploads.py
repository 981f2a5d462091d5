"""Upload results, a few at a time, while the workers continue with the next files."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from runner.media.failures import Stopped

_LOOK_EVERY = 0.2


class Uploads:
    """Some threads, with a limit on what waits for them, because it takes space on this machine's disk."""

    def __init__(self, count: int, is_ended: Callable[[], bool]) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="upload")
        self._room = threading.Semaphore(2 * count)
        self._is_ended = is_ended
        self._all: list[Future[None]] = []

    def put(self, upload: Callable[[], None]) -> None:
        """Have *upload* called, once there is room for it.

        Raises:
            Stopped: Nobody waits for it any more.
        """
        while not self._room.acquire(timeout=_LOOK_EVERY):
            if self._is_ended():
                raise Stopped
        future = self._pool.submit(upload)
        future.add_done_callback(lambda _: self._room.release())
        # only those that have failed are of interest later: a bug
        self._all = [one for one in self._all if not one.done() or one.exception()]
        self._all.append(future)

    def join(self) -> None:
        """Wait for all; a bug that ended one is raised here."""
        self._pool.shutdown()
        for upload in self._all:
            upload.result()
