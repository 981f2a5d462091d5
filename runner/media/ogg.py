"""Check whether an Ogg file is complete: it has no length in its header, only a last page (RFC 3533)."""

from __future__ import annotations

import os
from dataclasses import dataclass

_MARK = b"OggS"
_HEAD = 27
_END_OF_STREAM = 0x04
_LONGEST_PAGE = _HEAD + 255 + 255 * 255
_LOOKED_AT = 4 * _LONGEST_PAGE
"""Bytes at the end of the file that contain a page of each stream that has not ended before."""


@dataclass(frozen=True)
class Ending:
    """How an Ogg file ends."""

    missing: int
    """The number of bytes missing from the last page."""
    is_ended: bool
    """Whether each stream's last page is marked as its last."""


def ending_of(path: str) -> Ending | None:
    """Return how the Ogg file at *path* ends; None if its end is not Ogg."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - _LOOKED_AT))
        data = file.read()
    flags: dict[bytes, int] = {}
    missing, position = 0, data.find(_MARK)
    while position >= 0:
        head = data[position : position + _HEAD]
        segments = (
            data[position + _HEAD : position + _HEAD + head[26]] if len(head) == _HEAD else b""
        )
        if len(head) < _HEAD or len(segments) < head[26]:
            # not even its header is complete
            missing = max(1, _HEAD - len(head))
            break
        if head[4] == 0:
            flags[head[14:18]] = head[5]
            end = position + _HEAD + head[26] + sum(segments)
            missing = max(0, end - len(data))
            rest = data[end : end + len(_MARK)]
            if rest and len(rest) < len(_MARK) and _MARK.startswith(rest):
                missing = _HEAD - len(rest)
            # data inside another page may look like an incomplete page
            following = data.find(_MARK, position + 4)
            position = end if data[end : end + 4] == _MARK else following
        else:
            position = data.find(_MARK, position + 4)
    if not flags:
        return None
    return Ending(missing, all(flag & _END_OF_STREAM for flag in flags.values()))
