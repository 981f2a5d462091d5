"""Read what ffmpeg itself knows of a source's tags and chapters, from a file in its own format.

https://ffmpeg.org/ffmpeg-formats.html#Metadata-2
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from runner.media.tags.charset import decode

# A section's name, a pair, or a line that is neither. Texts are matched in runs between what is escaped:
# character by character, lyrics of 16 MB would take two seconds.
_KEY, _VALUE = rb"[^=\\\n]*(?:\\.[^=\\\n]*)*", rb"[^\\\n]*(?:\\.[^\\\n]*)*"
_LINE = re.compile(rb"\[(\w+)\]\n|(%s)=(%s)\n?|[^\n]*\n?" % (_KEY, _VALUE), re.DOTALL)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_LONGEST = 16 * 1024 * 1024


@dataclass(frozen=True)
class Chapter:
    """A part of the sound that has a name."""

    start: float
    """Seconds."""
    end: float
    title: str


def read(path: str) -> tuple[list[tuple[str, str]], list[Chapter]]:
    """Read the tags and chapters in the file at *path*; None if there is no such file."""
    try:
        with open(path, "rb") as file:
            data = file.read(_LONGEST)
    except OSError:
        return [], []
    sections: list[tuple[bytes, list[tuple[str, str]]]] = [(b"", [])]
    for section, key, value in _LINE.findall(data):
        if section:
            sections.append((section, []))
        elif key:
            sections[-1][1].append((_text(key), _text(value)))
    chapters = [_chapter(dict(pairs)) for name, pairs in sections if name == b"CHAPTER"]
    return sections[0][1], [chapter for chapter in chapters if chapter is not None]


def _text(escaped: bytes) -> str:
    return decode(_ESCAPE.sub(rb"\1", escaped)).strip("\n")


def _chapter(facts: dict[str, str]) -> Chapter | None:
    try:
        over, under = map(int, facts.get("TIMEBASE", "1/1000000000").split("/"))
        start, end = (int(facts[name]) * over / under for name in ("START", "END"))
    except (KeyError, ValueError, ZeroDivisionError):
        return None
    return Chapter(start, end, facts.get("title", ""))
