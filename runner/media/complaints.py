"""Read from ffmpeg's log what it complained about in a source while it continued."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.media.ffmpeg import FfmpegResult


_FAULT = re.compile(
    # since ffmpeg 7, the component is named, with its stream
    r"\[(?:in#0|[vas]ist#0:(?P<ist>\d+))[^\]]*\] .*\[(?:error|fatal)\]"
    r"|Error while (?:decoding|processing the decoded data for) stream #0:(?P<stream>\d+)"
    r"|orrupt input packet in stream (?P<packet>\d+)"
    r"|[vas]ist#0:(?P<flagged>\d+).* corrupt decoded frame"
    r"|corrupt decoded frame in stream (?P<old>\d+)"
)
"""What ffmpeg's components, demuxers and checks say about a source, at any level."""

_NO_FAULT = "Found unknown-length element with ID 0x18538067"
"""In Matroska: another segment starts, because live recordings were joined."""


@dataclass(frozen=True)
class Complaint:
    """One complaint of ffmpeg."""

    line: str
    stream: int | None
    """The source's stream that it is about, if known."""


def complaints_of(ran: FfmpegResult) -> tuple[Complaint, ...]:
    """Return ffmpeg's complaints about the source's decoded streams, in order."""
    source = ran.media
    # up to ffmpeg 6; later, this prefix may also be a muxer or a codec of the same name
    demuxer = f"[{source.format} @" if source and "[in#0" not in ran.log else "[in#0"
    found: list[Complaint] = []
    for line in ran.log.splitlines():
        if _NO_FAULT in line:
            continue
        match = _FAULT.search(line)
        if match is None and not ("[error]" in line and demuxer in line and "muxer" not in line):
            continue
        named = next((int(n) for n in match.groups() if n), None) if match else None
        if named is None or named in ran.frames:
            found.append(Complaint(line, named))
    return tuple(found)
