"""What ffmpeg complained of in a source while it went on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.media.ffmpeg import FfmpegResult


_FAULT = re.compile(
    # since ffmpeg 7 the part that speaks is named, with the stream that it works on
    r"\[(?:in#0|[vas]ist#0:(?P<ist>\d+))[^\]]*\] .*\[(?:error|fatal)\]"
    r"|Error while (?:decoding|processing the decoded data for) stream #0:(?P<stream>\d+)"
    r"|orrupt input packet in stream (?P<packet>\d+)"
    r"|[vas]ist#0:(?P<flagged>\d+).* corrupt decoded frame"
    r"|corrupt decoded frame in stream (?P<old>\d+)"
)
"""What ffmpeg's own parts, demuxers and checks say of a source, at whatever level."""

_NO_FAULT = "Found unknown-length element with ID 0x18538067"
"""Of Matroska: a further segment begins, as a live recording was put behind another."""


@dataclass(frozen=True)
class Doubt:
    """One complaint."""

    line: str
    stream: int | None
    """Which of the source's streams it is about, if it says so."""


def doubts_of(ran: FfmpegResult) -> tuple[Doubt, ...]:
    """What ffmpeg complained of in the source's streams that it decoded, in order."""
    source = ran.media
    # up to ffmpeg 6; since then these words are a muxer's or a codec's of the same name
    demuxer = f"[{source.format} @" if source and "[in#0" not in ran.log else "[in#0"
    found: list[Doubt] = []
    for line in ran.log.splitlines():
        if _NO_FAULT in line:
            continue
        match = _FAULT.search(line)
        if match is None and not ("[error]" in line and demuxer in line and "muxer" not in line):
            continue
        named = next((int(n) for n in match.groups() if n), None) if match else None
        if named is None or named in ran.frames:
            found.append(Doubt(line, named))
    return tuple(found)
