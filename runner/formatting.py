"""Say sizes, times and names as people do."""

import os
from contextlib import suppress

from runner.media.paths import below, is_address, plain

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def bytes_text(size: float) -> str:
    """*size* in bytes as "3.4 GB" (powers of ten, as disks are sold)."""
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def seconds_text(seconds: float) -> str:
    """*seconds* as "8 m 54 s" or "61 h 12 m"; short ones with one decimal."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} m"


def count_text(count: int, noun: str) -> str:
    """*count* and *noun*, as in "1 file" and "8 files"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def shortened(text: str, width: int) -> str:
    """*text*, with its middle left out where it is longer than *width*."""
    if len(text) <= width:
        return text
    if width < 8:
        return text[: max(0, width)]
    tail = (width - 1) * 2 // 3
    return f"{text[: width - 1 - tail]}…{text[-tail:]}"


def printable(name: str) -> str:
    """*name* on one line of any terminal: control characters and stray bytes are escaped."""
    return "".join(c if c.isprintable() else _escaped(c) for c in _decodable(name))


def printable_text(text: str) -> str:
    """*text* for any terminal: what would control it, or turn its lines around, is escaped.

    Only lines and tabs stay as they are.
    """
    return "".join(c if c.isprintable() or c in "\n\t" else _escaped(c) for c in _decodable(text))


def _decodable(text: str) -> str:
    """*text* with its stray bytes escaped."""
    with suppress(UnicodeEncodeError):  # half a letter, which Windows allows
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return text


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def display_path(path: str | os.PathLike[str]) -> str:
    """*path* for people: from here if it lies below, else whole; on one line."""
    text = os.fspath(path)
    if is_address(text):
        return printable(text)
    return printable(path_from_here(path))


def path_from_here(path: str | os.PathLike[str]) -> str:
    """*path* as it is found from here: relative if it lies below, else whole."""
    whole = os.path.abspath(path)
    return below(whole, os.getcwd()) or plain(whole)
