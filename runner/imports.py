"""Import much at once, without Python looking for garbage in it on the way."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing_much() -> Iterator[None]:
    """Switch the garbage collector off: what is imported stays, and it would look through all of it again and again."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
