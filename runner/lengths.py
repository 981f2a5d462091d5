"""Look up how long files are where it is written in their headers, so that the longest begin first."""

import os
import time

from runner.conversions import Conversions
from runner.media.tags.kinds import kind_of
from runner.media.tags.reading import HOSTILE, open_as
from runner.models import Conversion

_MOST_LOOKS = 500
"""A look takes half a millisecond, and among more files a single one is hardly a large part of the work."""
_PATIENCE = 0.5
"""Seconds: over a slow line to the files, looking could cost more than the better order saves."""
_LONGEST = 1e7
"""Seconds: what says to be longer is damaged."""


def longest_first(conversions: Conversions, at_a_time: int) -> Conversions:
    """Return *conversions*, of which so many are done *at_a_time*, by length, the longest first.

    Their sizes tell roughly, and for audio their headers exactly. Of films, sizes tell better how long
    they take to encode; and sources from elsewhere are not here yet.
    """
    by_size = conversions.longest_first()
    is_doubtful = at_a_time < len(by_size) <= _MOST_LOOKS and not by_size.blobs
    if is_doubtful and all(recipe.media == "audio" for recipe in by_size.recipes):
        return _by_heads(by_size)
    return by_size


def _by_heads(conversions: Conversions) -> Conversions:
    """Return *conversions* by the lengths in their headers; those without one where their sizes put them."""
    until = time.monotonic() + _PATIENCE
    known: dict[int, float] = {}
    for index, conversion in enumerate(conversions):
        if time.monotonic() > until:
            break
        if (seconds := _seconds_of(conversion)) is not None:
            known[index] = seconds
    guesses = [conversion.source.estimated_seconds for conversion in conversions]
    guessed = sum(map(guesses.__getitem__, known))
    scale = sum(known.values()) / guessed if guessed else 1.0
    lengths = [known.get(index, scale * guess) for index, guess in enumerate(guesses)]
    return conversions.only(sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True))


def _seconds_of(conversion: Conversion) -> float | None:
    """Return the length in the head of the source; None if it says nothing that mutagen reads."""
    path = conversion.source.path
    if not os.path.isfile(path):  # to open a FIFO would wait for whoever writes into it
        return None
    try:
        kind, name = kind_of(path)
        if kind == "mp3":
            name = name or "mp3.MP3"
        seconds = float(open_as(name, path).info.length) if name else 0.0
    except (*HOSTILE, OSError):
        return None
    return seconds if 0 < seconds < _LONGEST else None
