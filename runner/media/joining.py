"""The video of a film that was encoded in pieces, as an input for ffmpeg."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.media.listing import Packets

WITHOUT_JOIN = 0.97
"""The share of the progress that is made with the last piece."""


@dataclass(frozen=True)
class Encoded:
    """A finished piece."""

    path: str
    packets: Packets

    @property
    def length(self) -> float:
        """Its length in seconds, by the encoder's clock."""
        times = self.packets.times
        step = times[1] - times[0] if len(times) > 1 else 0
        return float(len(times) * step * self.packets.base)


@dataclass(frozen=True)
class Joined:
    """The video of a film, finished in pieces."""

    pieces: tuple[Encoded, ...]
    list_path: str
    offset: float
    """When its first frame is shown, in seconds from the start of the source."""

    @property
    def input(self) -> tuple[str, ...]:
        """The arguments of ffmpeg for a second input."""
        late = ("-itsoffset", f"{self.offset:.6f}") if self.offset else ()
        # all pieces have the same header, so what is in them can stay as it is
        return (*late, "-f", "concat", "-auto_convert", "0", "-i", f"file:{self.list_path}")
