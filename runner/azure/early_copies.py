"""Copies of a run's first sources, made while runner signs in and finds out what is there already."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from runner.engine import starting_threads
from runner.models import Conversion
from runner.parallel import usable_cores

LARGEST = 1_000_000_000
"""Bytes: an earlier command may have sent the source, and the copy of a larger one would be much work for nothing."""
Make = Callable[[Conversion], str | None]


class EarlyCopies:
    """Copies that nobody has asked for yet; safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._copies: dict[str, Future[str | None]] = {}

    def begin(
        self, conversions: Iterable[Conversion], make: Make, is_stopped: Callable[[], bool]
    ) -> None:
        """Have copies made of the sources of *conversions* that are here, on all cores."""
        waiting = SimpleQueue[tuple[Conversion, Future[str | None]]]()
        for conversion in conversions:
            if not conversion.source.is_blob and conversion.source.size <= LARGEST:
                copy = self._copies[conversion.id] = Future[str | None]()
                waiting.put((conversion, copy))

        def work() -> None:
            while not is_stopped():
                try:
                    conversion, copy = waiting.get_nowait()
                except Empty:
                    return
                if copy.set_running_or_notify_cancel():
                    _make(copy, make, conversion)

        with starting_threads():
            for _ in range(min(usable_cores(), waiting.qsize())):
                threading.Thread(target=work, name="copy", daemon=True).start()

    def take(self, conversion: Conversion, make: Make) -> str | None:
        """Return the copy for *conversion*, which is made now if nobody has begun it.

        Raises:
            ConversionError: There is none; so says *make*.
            OSError: As above.
        """
        with self._lock:
            copy = self._copies.pop(conversion.id, None)
        if copy is None or copy.cancel():
            return make(conversion)
        return copy.result()


def _make(copy: Future[str | None], make: Make, conversion: Conversion) -> None:
    try:
        copy.set_result(make(conversion))
    except BaseException as error:  # noqa: BLE001 - raised where the copy is wanted
        copy.set_exception(error)
