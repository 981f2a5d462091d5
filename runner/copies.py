"""Copies of sources that lie elsewhere: fetched a few files ahead of the workers, deleted after them."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from runner.engine import Fetch, awaited, starting_threads
from runner.errors import SetupError
from runner.media.target import from_os
from runner.models import Conversion

_DOWNLOADS = 4
"""Files that travel at a time."""


class Copies:
    """The copies of one run; safe for several workers.

    There are never more at a time than are *ahead*, and one for each worker that has none of those.
    """

    def __init__(
        self,
        fetch: Fetch | None,
        folder: Path,
        conversions: Iterable[Conversion],
        ahead: int,
        is_stopped: Callable[[], bool],
    ) -> None:
        """*conversions* are those of the run whose sources are blobs, in the order in which workers take them."""
        self._fetch = fetch
        self._folder = folder
        self._coming = deque(conversions)
        self._ahead = ahead
        self._is_stopped = is_stopped
        self._lock = threading.Lock()
        self._copies: dict[str, Future[str]] = {}
        self._pool = ThreadPoolExecutor(_DOWNLOADS, thread_name_prefix="fetch")

    @contextmanager
    def of(self, conversion: Conversion) -> Iterator[str]:
        """Provide the path of a local copy of the source of *conversion*, as long as the context lasts.

        Raises:
            ConversionError: It cannot be had.
            Stopped: Nobody waits for it.
        """
        if not conversion.source.is_blob:
            yield conversion.source.path
            return
        with self._lock:
            copy = self._copies.get(conversion.id)
            if copy is None:
                with suppress(ValueError):
                    self._coming.remove(conversion)
                copy = self._start(conversion)
        try:
            self._start_more()
            yield awaited(copy)
        finally:
            with self._lock:
                del self._copies[conversion.id]
            with suppress(OSError):
                os.unlink(self._path(conversion))
            self._start_more()

    def close(self) -> None:
        """Begin no other one, and wait for those that travel."""
        with self._lock:
            self._coming.clear()
        self._pool.shutdown(cancel_futures=True)

    def _start_more(self) -> None:
        with self._lock:
            while self._coming and len(self._copies) < self._ahead and not self._is_stopped():
                conversion = self._coming.popleft()
                if conversion.id not in self._copies:
                    self._start(conversion)

    def _start(self, conversion: Conversion) -> Future[str]:
        with starting_threads():
            copy = self._pool.submit(self._copy, conversion)
        self._copies[conversion.id] = copy
        return copy

    def _copy(self, conversion: Conversion) -> str:
        if self._fetch is None:
            raise SetupError("sources in Azure storage are not taken here")
        path = self._path(conversion)
        try:
            self._fetch(conversion.source, path, self._is_stopped)
        except OSError as error:
            raise from_os(error) from error
        return path

    def _path(self, conversion: Conversion) -> str:
        suffix = os.path.splitext(conversion.source.path)[1]
        plain = suffix if suffix[1:].isascii() and suffix[1:].isalnum() else ""
        return str(self._folder / f"{conversion.id}-source{plain.lower()}")
