"""What carries out a plan: one method, whether the work is done here or on Azure Batch."""

from collections.abc import Callable, Generator
from typing import Protocol

from runner.models import Event, Notice, Plan


class Stop:
    """How a run is stopped from outside: first gently, then at once.

    Safe to call from a signal handler.
    """

    def __init__(self) -> None:
        self.level = 0
        self._listeners: list[Callable[[], None]] = []

    def request(self) -> None:
        """Ask once more: the first time nothing new is started, the second time all ends."""
        self.level += 1
        for listener in self._listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Have *listener* called at each request; it must not block."""
        self._listeners.append(listener)

    @property
    def gently(self) -> bool:
        """Whether nothing new may be started."""
        return self.level >= 1

    @property
    def at_once(self) -> bool:
        """Whether what runs must end."""
        return self.level >= 2


class Engine(Protocol):
    """Carries out plans."""

    def run(self, plan: Plan, stop: Stop) -> Generator[Event | Notice, None, None]:
        """Yield all that happens to the conversions of *plan*.

        A failed file is an event. When *stop* asks for it, the generator ends early; closing it
        stops what runs.

        Raises:
            RunnerError: The run as a whole cannot go on.
        """
