"""Format sizes, times and names for people."""

import os
from contextlib import suppress

from runner.media.paths import below, is_address, plain

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def bytes_text(size: float) -> str:
    """Format *size* in bytes as "3.4 GB" (powers of ten, as disks are sold)."""
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def seconds_text(seconds: float) -> str:
    """Format *seconds* as "8 m 54 s" or "61 h 12 m"; short times with one decimal."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} m"


def count_text(count: int, noun: str) -> str:
    """Format *count* and *noun* as "1 file", "8 files" or "10,000 files"."""
    return f"{count} {noun}" if count == 1 else f"{count:,} {noun}s"


def shortened(text: str, width: int) -> str:
    """Shorten *text* to *width* by replacing its middle with an ellipsis."""
    if len(text) <= width:
        return text
    if width < 8:
        return text[: max(0, width)]
    tail = (width - 1) * 2 // 3
    return f"{text[: width - 1 - tail]}…{text[-tail:]}"


def printable(name: str) -> str:
    """Escape control characters and stray bytes in *name*, for one line on any terminal."""
    if name.isprintable():  # so are most of a million names, and stray bytes are not
        return name
    return "".join(c if c.isprintable() else _escaped(c) for c in _decodable(name))


def printable_text(text: str) -> str:
    """Escape whatever in *text* would control a terminal or change the direction of its lines.

    Only line breaks and tabs stay as they are.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else _escaped(c) for c in _decodable(text))


def _decodable(text: str) -> str:
    """Escape the stray bytes in *text*."""
    with suppress(UnicodeEncodeError):  # half a surrogate pair, which Windows allows
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return text


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def display_path(path: str | os.PathLike[str]) -> str:
    """Format *path* for people: relative if it is under the current folder, else absolute; on one line."""
    text = os.fspath(path)
    if is_address(text):
        return printable(text)
    return printable(path_from_here(path))


def path_from_here(path: str | os.PathLike[str]) -> str:
    """Return *path* relative to the current folder if it is under it, else absolute."""
    whole = os.path.abspath(path)
    return below(whole, os.getcwd()) or plain(whole)
