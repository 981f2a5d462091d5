"""The layout of a stream without a container, and the notices about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.media.tag_bytes import TAG_MARKS, ape_items_before, tag_length

if TYPE_CHECKING:
    import mmap

    Data = bytes | mmap.mmap


@dataclass(frozen=True)
class Gap:
    """Bytes that are not frames."""

    start: int
    end: int
    seconds: float
    """Its position, as the length of the frames before it."""
    unknown: int
    """How many of the bytes are not tags either."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the frames of a file are."""

    head: tuple[int, int]
    """The start and end of the stream's header before all frames."""
    before: Gap | None
    between: tuple[Gap, ...] = ()
    after: Gap | None
    frames: tuple[tuple[int, int], ...]
    """The starts and ends of uninterrupted series of frames."""
    is_cut: bool
    """Whether the last frame is incomplete."""
    count: int
    """The number of frames."""
    seconds: float = 0.0
    """The length of all frames; 0 if not measured."""
    without_data: int = 0
    """The number of frames without data, which phones write during silence."""

    @property
    def hole(self) -> Gap | None:
        """The first gap between frames in which something was lost."""
        return next((gap for gap in self.between if gap.unknown), None)

    @property
    def bytes_a_frame(self) -> float:
        """The average length of a frame."""
        return sum(end - start for start, end in self.frames) / max(1, self.count)

    @property
    def is_clean(self) -> bool:
        """Whether there are only frames."""
        return not (self.before or self.between or self.after)

    @property
    def notices(self) -> tuple[str, ...]:
        """Notices about everything that is not a frame."""
        said = []
        if self.before and self.before.unknown:
            said.append(_ignored(self.before.unknown, "before the first frame"))
        if self.hole:
            said.append(_ignored(self.hole.unknown, f"at {self.hole.seconds:.1f} s"))
        elif self.between:
            count = len(self.between) + 1
            said.append(f"{count} files are joined in it; the tags between them were ignored")
        if self.is_cut:
            said.append("the last frame is cut off and was left out")
        elif self.after and self.after.unknown:
            said.append(_ignored(self.after.unknown, "after the last frame"))
        return tuple(said)


def gap_between(data: Data, start: int, end: int, seconds: float) -> Gap | None:
    """Return the gap from *start* to *end*, if it is not empty."""
    if start >= end:
        return None
    position, unknown = start, 0
    while position < end:
        length = tag_length(data, position)
        if not 0 < length <= end - position:
            marks = [data.find(mark, position + 1, end) for mark in TAG_MARKS]
            length = min((at for at in marks if at >= 0), default=end) - position
            unknown += length
        else:
            unknown = max(0, unknown - ape_items_before(data, position))
        position += length
    return Gap(start, end, seconds, unknown)


def _ignored(count: int, where: str) -> str:
    return f"{count:,} bytes {where} were ignored" if count > 1 else f"1 byte {where} was ignored"
