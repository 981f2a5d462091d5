"""The interface of an engine, which runs a plan on this machine or on Azure Batch."""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar

from runner.errors import SetupError
from runner.media.work import ConversionResult
from runner.models import Conversion, Event, NodeUse, Notice, Plan, Result, Source

Item = TypeVar("Item")
_SIGNALS_WAIT = 0.5
"""The longest time in seconds until a signal is noticed."""


class Stop:
    """A request to stop a run: first gently, then at once.

    Safe to call from a signal handler.
    """

    def __init__(self) -> None:
        self.level = 0
        self.at_limit = False
        """Whether nothing more may be begun, as it would cost too much."""
        self._listeners: list[Callable[[], None]] = []

    def request(self) -> None:
        """Request a stop: the first time nothing new is started, the second time everything ends."""
        self.level += 1
        for listener in self._listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call *listener* at each request; it must not block."""
        self._listeners.append(listener)

    def wind_down(self) -> None:
        """Have what runs come to its end, and its results taken in, and begin nothing else.

        Unlike a request to stop, this waits for what is running on nodes.
        """
        if not self.at_limit:
            self.at_limit = True
            for listener in self._listeners:
                listener()

    @property
    def gently(self) -> bool:
        """Whether nothing new may be started."""
        return self.level >= 1

    @property
    def at_once(self) -> bool:
        """Whether everything that is running must end."""
        return self.level >= 2


def next_of(queue: SimpleQueue[Item]) -> Item:
    """Return the next item of *queue*; the main thread still notices signals while it waits.

    On Windows, Ctrl-C does not interrupt a wait without a timeout: https://bugs.python.org/issue35935
    """
    while True:
        with suppress(Empty):
            return queue.get(timeout=_SIGNALS_WAIT)


def awaited(future: Future[Item]) -> Item:
    """Return the result of *future*, waiting in the same way."""
    while not wait([future], timeout=_SIGNALS_WAIT).done:
        pass
    return future.result()


@contextmanager
def starting_threads() -> Iterator[None]:
    """Raise `SetupError` if this machine cannot start more threads."""
    try:
        yield
    except RuntimeError as error:  # Python's error for this
        advice = "raise `ulimit -u`, or convert fewer files at a time"
        raise SetupError(f"no more threads can be started: {advice}") from error


class Fetch(Protocol):
    """Brings sources to this machine that lie elsewhere."""

    def __call__(self, source: Source, path: str, is_stopped: Callable[[], bool]) -> None:
        """Put what *source* is, the version that was planned, into the file *path*.

        Raises:
            ConversionError: It cannot be had.
            OSError: The file cannot be written.
            Stopped: *is_stopped* says that nobody waits for it any more.
        """

    def check(self, source: Source) -> None:
        """See that *source* is still the version that was planned.

        Raises:
            ConversionError: It is not, or nobody can tell.
        """


class ResultStore(Protocol):
    """Stores results that this machine makes where they stay, which is not here."""

    def made(self, plan: Plan, conversion: Conversion) -> Result | None:
        """Return the result of *conversion* that is already stored; None if it has to be made.

        Raises:
            ConversionError: Something is there that may not be replaced, or the place is unfit.
        """

    def put(
        self,
        plan: Plan,
        conversion: Conversion,
        path: str,
        result: ConversionResult,
        before_commit: Callable[[], None],
    ) -> Result:
        """Store the verified *result*, the file at *path*, under its final name.

        *before_commit* is called at the last moment, and may raise.

        Raises:
            ConversionError: It cannot be stored; what was there before is as it was.
        """


class Engine(Protocol):
    """Runs plans."""

    def run(self, plan: Plan, stop: Stop) -> Generator[Event | Notice | NodeUse, None, None]:
        """Yield everything that happens to the conversions of *plan*.

        A failed file is an event. When *stop* asks for it, the generator ends early; closing it
        stops everything.

        Raises:
            RunnerError: The whole run cannot continue.
        """
