"""Remember whether Ctrl-C was pressed before a run started to handle it."""

import signal
from contextlib import suppress
from types import FrameType

_pressed = False
STATUS = ("SIGUSR1", "SIGINFO")
"""Signals that ask how far a run is; the second one is Ctrl-T on macOS and BSD. Windows has neither."""


def listen() -> None:
    """Remember Ctrl-C from now on, in addition to raising `KeyboardInterrupt`.

    Python ignores one that is raised in a finalizer or in a callback of an import:
    https://docs.python.org/3/reference/datamodel.html#object.__del__
    """
    # a parent that started this process in the background may want Ctrl-C to be ignored
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _remember)
    # who asks before there is a run, or after it, ends nothing
    for name in STATUS:
        if (number := getattr(signal, name, None)) is not None:
            with suppress(ValueError):  # not of the main thread
                signal.signal(number, _ignore)


def was_pressed() -> bool:
    """Return whether Ctrl-C was pressed since `listen`."""
    return _pressed


def press() -> None:
    """Remember that somebody wants to stop, for whoever asks `was_pressed` later."""
    global _pressed  # noqa: PLW0603 - a signal handler has no other place
    _pressed = True


def _ignore(number: int, frame: FrameType | None) -> None:
    pass


def _remember(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    global _pressed  # noqa: PLW0603 - a signal handler has no other place
    _pressed = True
    raise KeyboardInterrupt
