"""How many files travel at a time: a few large ones fill a line, and so do many small ones."""

import threading
from contextlib import AbstractContextManager, nullcontext

from runner.options import RunOptions

_SMALL = 4 * 1024 * 1024
"""Bytes: a smaller file waits for answers about as long as it travels, or longer."""
_SMALL_AT_A_TIME = 16


class TransferLimit:
    """Lets so many files travel one way as the options say, or more of small ones if nobody chose a number."""

    def __init__(self, options: RunOptions) -> None:
        is_chosen = options.transfers != RunOptions().transfers
        self.at_a_time = options.transfers if is_chosen else _SMALL_AT_A_TIME
        self._large = threading.Semaphore(options.transfers)

    def of(self, size: int) -> AbstractContextManager[object]:
        """Return the lane of a file of *size* bytes, to be held while it travels."""
        return nullcontext() if size < _SMALL else self._large
