"""What carries out a plan: one method, whether the work is done here or on Azure Batch."""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar

from runner.errors import SetupError
from runner.models import Event, NodeUse, Notice, Plan

Item = TypeVar("Item")
_EARS = 0.5
"""Seconds after which a signal is heard at the latest."""


class Stop:
    """How a run is stopped from outside: first gently, then at once.

    Safe to call from a signal handler.
    """

    def __init__(self) -> None:
        self.level = 0
        self.at_limit = False
        """Whether nothing more may be begun, as it would cost too much."""
        self._listeners: list[Callable[[], None]] = []

    def request(self) -> None:
        """Ask once more: the first time nothing new is started, the second time all ends."""
        self.level += 1
        for listener in self._listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Have *listener* called at each request; it must not block."""
        self._listeners.append(listener)

    def begin_nothing_more(self) -> None:
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
        """Whether what runs must end."""
        return self.level >= 2


def next_of(queue: SimpleQueue[Item]) -> Item:
    """The next item of *queue*, for the main thread: a signal is heard while it waits.

    On Windows a wait without an end is not interrupted by Ctrl-C.
    """
    while True:
        with suppress(Empty):
            return queue.get(timeout=_EARS)


def awaited(future: Future[Item]) -> Item:
    """The result of *future*, waited for in the same way."""
    while not wait([future], timeout=_EARS).done:
        pass
    return future.result()


@contextmanager
def starting_threads() -> Iterator[None]:
    """Raise `SetupError` where this machine gives no more threads."""
    try:
        yield
    except RuntimeError as error:  # so Python says it
        advice = "raise `ulimit -u`, or take fewer files at a time"
        raise SetupError(f"no more threads can be started: {advice}") from error


class Engine(Protocol):
    """Carries out plans."""

    def run(self, plan: Plan, stop: Stop) -> Generator[Event | Notice | NodeUse, None, None]:
        """Yield all that happens to the conversions of *plan*.

        A failed file is an event. When *stop* asks for it, the generator ends early; closing it
        stops what runs.

        Raises:
            RunnerError: The run as a whole cannot go on.
        """
