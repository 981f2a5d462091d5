"""Find the frames of a stream without a container, and what is around and between them.

This is only done for files that ffmpeg complained about. The frames' own headers say where each frame
starts and ends, whatever tags, padding or other bytes were put before, after or between them.
"""

from __future__ import annotations

import mmap
import os
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runner.media.flac import find_flac
from runner.media.frame_headers import READERS, FrameHeader
from runner.media.layout import Gap, Layout, gap_between
from runner.media.tag_bytes import TAG_MARKS, tag_length

if TYPE_CHECKING:
    from runner.media.layout import Data

_IN_A_ROW = 3
"""This many consecutive frames are surely frames."""
_IN_A_ROW_WITHOUT_MARK = 12
"""The same for frames with almost no header."""


def find_frames(path: str, demuxer: str) -> Layout | None:
    """Return where the frames of the file at *path* are, which ffmpeg reads with *demuxer*.

    Return None if it has a container, or if no frames can be found.
    """
    if demuxer not in READERS and demuxer != "flac":
        return None
    with (
        open(path, "rb") as file,
        closing(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) as data,
    ):
        return find_flac(data) if demuxer == "flac" else _Search(data, demuxer).layout()


def find_hidden_frames(name: str, path: str) -> Layout | None:
    """Do the same for a file that ffmpeg does not recognise because of other data at its start.

    The suffix of *name* says what the file at *path* should be.
    """
    demuxer = os.path.splitext(name)[1].lower().removeprefix(".")
    layout = find_frames(path, demuxer)
    return layout if layout and layout.before and layout.before.unknown else None


def copy_frames(path: str, layout: Layout, copy: str) -> None:
    """Write only the header and the frames of the file at *path* to *copy*."""
    with open(path, "rb") as source, open(copy, "wb") as target:
        for start, end in (layout.head, *layout.frames):
            source.seek(start)
            left = end - start
            while left > 0 and (block := source.read(min(left, 1 << 20))):
                target.write(block)
                left -= len(block)


@dataclass
class _Search:
    data: Data
    demuxer: str

    def layout(self) -> Layout | None:
        head = self._head()
        start = self._next(head, None)
        if start is None:
            return None
        first = self._read(start)
        assert first is not None
        spans: list[tuple[int, int]] = []
        between: list[Gap] = []
        seconds, count, empty, position, span = 0.0, 0, 0, start, start
        while True:
            frame = self._read(position)
            if frame and frame.stream == first.stream and position + frame.length <= len(self.data):
                position += frame.length
                seconds += frame.seconds
                count += 1
                empty += not frame.has_data
                continue
            spans.append((span, position))
            again = self._next(position, first)
            if again is None:
                break
            if gap := gap_between(self.data, position, again, seconds):
                between.append(gap)
            span = position = again
        return Layout(
            head=(0, head),
            before=self._before(head, start),
            between=tuple(between),
            after=gap_between(self.data, position, len(self.data), seconds),
            frames=tuple(spans),
            is_cut=frame is not None and frame.stream == first.stream,
            count=count,
            seconds=seconds,
            without_data=empty,
        )

    def _read(self, position: int) -> FrameHeader | None:
        mark, read = READERS[self.demuxer]
        if not mark and tag_length(self.data, position):
            return None  # a header of one byte may be a letter of a tag
        return read(self.data, position)

    def _head(self) -> int:
        if self.demuxer == "amr":
            return tag_length(self.data, 0)
        keeps_tag = self.demuxer in ("mp3", "aac") and self.data[:3] == b"ID3"
        return min(tag_length(self.data, 0), len(self.data)) if keeps_tag else 0

    def _before(self, head: int, start: int) -> Gap | None:
        gap = gap_between(self.data, head, start, 0.0)
        if gap and head and not self.data[head:start].strip(b"\0"):
            return replace(gap, unknown=0)  # padding for a longer tag
        return gap

    def _next(self, position: int, like: FrameHeader | None) -> int | None:
        """Return where frames *like* one start, from *position* on; None if there are none."""
        mark = READERS[self.demuxer][0]
        while position < len(self.data):
            if length := tag_length(self.data, position):
                position += length
            elif self._is_run(position, like):
                return position
            else:
                found = [
                    at
                    for word in ((mark, *TAG_MARKS) if mark else ())
                    if (at := self.data.find(word, position + 1)) >= 0
                ]
                if mark and not found:
                    return None
                position = min(found) if mark else position + 1
        return None

    def _is_run(self, position: int, like: FrameHeader | None) -> bool:
        enough = _IN_A_ROW if READERS[self.demuxer][0] else _IN_A_ROW_WITHOUT_MARK
        for count in range(enough):
            frame = self._read(position)
            if frame is None or (like is not None and frame.stream != like.stream):
                # few frames may be followed by another file's tag, but by nothing else
                return count > 1 and tag_length(self.data, position) > 0
            like = frame
            position += frame.length
            if position >= len(self.data):
                is_end = position == len(self.data) and bool(READERS[self.demuxer][0])
                return is_end or count >= _IN_A_ROW - 1
        return True
