"""Estimate how long files are without opening them, by what earlier runs found in files with the same suffix. Pure."""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence

from runner.estimate.contents import Contents, FileContent
from runner.models import Conversion
from runner.records import AttemptRecord

_ENOUGH = 0.8
"""Of the bytes must be in files with a suffix that earlier runs had."""
_IS_FILM = 0.8
"""Where less of the bytes was sent, it was the audio of films."""


def guess_contents(
    conversions: Sequence[Conversion], earlier: Iterable[AttemptRecord]
) -> Contents | None:
    """Return what *conversions* contain, if most are of a kind seen *earlier*."""
    known = _by_suffix(earlier)
    contents = [
        _content(one, known[suffix])
        for one in conversions
        if (suffix := _suffix(one.source.path)) in known and not one.source.is_blob
    ]
    size = sum(max(0, one.source.size) for one in conversions)
    found = Contents(tuple(contents), 0, 0, 0.0)
    return found if contents and found.bytes >= _ENOUGH * size else None


def _by_suffix(earlier: Iterable[AttemptRecord]) -> dict[str, tuple[float, float]]:
    """Seconds of media and bytes sent, for a byte of a source."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0, 0.0])
    for one in earlier:
        if one.source_size and one.media_seconds:
            total = sums[_suffix(one.source)]
            total[0] += one.source_size
            total[1] += one.media_seconds
            if one.sent is not None:
                total[2] += one.source_size
                total[3] += one.sent
    return {
        suffix: (seconds / size, sent / of if of else 1.0)
        for suffix, (size, seconds, of, sent) in sums.items()
    }


def _content(conversion: Conversion, known: tuple[float, float]) -> FileContent:
    size, (seconds, sent) = max(0, conversion.source.size), known
    return FileContent(conversion, size * seconds, size * sent, int(sent < _IS_FILM))


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()
