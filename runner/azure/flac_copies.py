"""Decide whether a WAV file travels as FLAC: while that is faster than sending it as it is."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from runner.media.flac_copy import make_flac
from runner.media.wave import Wave

_FIRST = 256_000_000
"""Bytes of the largest WAV file that is encoded before anything has shown how fast the line is."""


class Speed:
    """How many bytes a second something got done, while it was going on at all; safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at_once = 0
        self._since = self._seconds = 0.0
        self._bytes = 0

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Count the time until the end, once for all that goes on at the same time."""
        with self._lock:
            if not self._at_once:
                self._since = time.monotonic()
            self._at_once += 1
        try:
            yield
        finally:
            with self._lock:
                now = time.monotonic()
                self._seconds += now - self._since
                self._since = now
                self._at_once -= 1

    def done(self, size: int) -> None:
        """Count *size* bytes."""
        with self._lock:
            self._bytes += size

    @property
    def rate(self) -> float | None:
        """Bytes a second; None before anything was done."""
        with self._lock:
            return self._bytes / self._seconds if self._seconds else None


class FlacCopies:
    """Makes FLAC copies of the WAV files of one run, and measures whether they are worth their time."""

    def __init__(self) -> None:
        self._line, self._encoder = Speed(), Speed()
        # more at a time would only delay the first upload
        self._turn = threading.Semaphore(max(1, (os.cpu_count() or 1) // 2))

    @contextmanager
    def uploading(self, size: int) -> Iterator[None]:
        """Measure the line by the upload of *size* bytes."""
        with self._line.going_on():
            yield
        self._line.done(size)

    def make(self, ffmpeg: str, wave: Wave, stem: str, *, is_wanted: bool) -> str | None:
        """Return the path of a copy, *stem* plus a suffix; None if the WAV file itself is to be uploaded.

        *is_wanted* asks for one even if it costs time.

        Raises:
            OSError: A file cannot be read.
        """
        with self._turn:
            if not is_wanted and not pays(self._line.rate, self._encoder.rate, wave.size):
                return None
            with self._encoder.going_on():
                copy = make_flac(ffmpeg, wave, stem)
            # what did not become smaller was time spent for nothing
            self._encoder.done(wave.size if copy else 0)
            return copy


def pays(line: float | None, encoder: float | None, size: int) -> bool:
    """Return whether to encode a WAV file of *size* bytes, with both speeds in bytes a second."""
    if line is None:
        return size <= _FIRST
    return encoder is None or encoder > line
