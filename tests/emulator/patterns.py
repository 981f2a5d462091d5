"""Find the files that an output file's pattern means, and the blob each of them becomes. Pure reads."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WILDCARD = re.compile(r"[*?\[]")
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def find_outputs(
    pattern: str, *, base: Path, environment: Mapping[str, str], path: str | None
) -> Iterator[tuple[Path, str]]:
    """Yield each matching file with the name of its blob.

    A pattern without wildcards names one file, and *path* its blob; otherwise *path* is the
    virtual folder of all of them, and the structure below the pattern's fixed part is kept.
    """
    expanded = VARIABLE.sub(lambda m: environment.get(m[1] or m[2], ""), pattern)
    whole = os.path.normpath(base / expanded)
    if not WILDCARD.search(expanded):
        if Path(whole).is_file():
            yield Path(whole), path or Path(whole).name
        return
    fixed, rest = split(PurePosixPath(whole))
    matches = re.compile(to_regex(rest))
    for file in files_below(fixed):
        relative = file.relative_to(fixed).as_posix()
        if matches.fullmatch(relative):
            yield file, "/".join(filter(None, [(path or "").strip("/"), relative]))


def split(pattern: PurePosixPath) -> tuple[Path, str]:
    """Divide a pattern before its first part with a wildcard."""
    parts = pattern.parts
    first = next(i for i, part in enumerate(parts) if WILDCARD.search(part))
    return Path(*parts[:first]), "/".join(parts[first:])


def files_below(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in sorted(names):
            yield Path(parent, name)


def to_regex(pattern: str) -> str:
    """Translate wildcards; what begins with a dot is matched only by a pattern that does, too."""
    regex, position = "", 0
    while position < len(pattern):
        at_start = position == 0 or pattern[position - 1] == "/"
        piece, position = next_piece(pattern, position)
        if at_start and piece[:1] in "[(" and not piece.startswith("(?:[^/.]"):
            regex += r"(?!\.)"
        regex += piece
    return regex


def next_piece(pattern: str, position: int) -> tuple[str, int]:
    """Return the regex of what stands at *position*, and where the next piece begins."""
    if pattern.startswith("**/", position):
        return r"(?:[^/.][^/]*/)*", position + 3
    if pattern.startswith("**", position):
        return r"(?:[^/.][^/]*/)*(?:[^/.][^/]*)", position + 2
    character = pattern[position]
    if character == "*":
        return "[^/]*", position + 1
    if character == "?":
        return "[^/]", position + 1
    closing = pattern.find("]", position + 2)
    if character == "[" and closing > 0:
        inside = pattern[position + 1 : closing].replace("\\", r"\\").replace("[", r"\[")
        return f"[{'^/' + inside[1:] if inside.startswith('!') else inside}]", closing + 1
    return re.escape(character), position + 1
