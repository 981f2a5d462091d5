"""Decode text from people and other programs, which on Windows has several encodings."""

import codecs
import os
import re
import sys
from collections.abc import Callable, Iterable

# longer marks first: UTF-32's mark starts with UTF-16's
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
# Some programs write no mark. In a NUL-separated list, no name contains a line break.
_LINE_ENDS = ((b"\r\0\n\0", "utf-16-le"), (b"\0\r\0\n", "utf-16-be"))
_LINE_END = re.compile(r"\r\n|\n|\r")


def decoded(data: bytes) -> str:
    """Decode *data* as UTF-8, or as its byte-order mark says, which Windows PowerShell's `>` writes.

    Raises:
        UnicodeDecodeError: It is neither.
    """
    return data.decode(_marked(data) or "utf-8")


def listed_names(
    data: bytes,
    code_pages: Iterable[str] | None = None,
    exists: Callable[[str], bool] = os.path.lexists,
) -> list[str]:
    """Return the file names in *data*, one per line or NUL-separated.

    Without *code_pages*, names in an unknown encoding are kept as bytes, as on POSIX. Otherwise, the
    code page is used in which most of the names exist.

    Raises:
        UnicodeDecodeError: There are code pages, and none fits.
    """
    names = _listed(data, code_pages, exists)
    # a line of spaces is the name of a file on POSIX; Windows takes it for the current folder
    return names if code_pages is None else [name for name in names if not name.isspace()]


def _listed(
    data: bytes, code_pages: Iterable[str] | None, exists: Callable[[str], bool]
) -> list[str]:
    data = data.removeprefix(codecs.BOM_UTF8)
    if marked := _marked(data) or _by_line_ends(data):
        text = data.decode(marked)
        return [
            name for name in (text.split("\0") if "\0" in text else _LINE_END.split(text)) if name
        ]
    names = [name for name in (data.split(b"\0") if b"\0" in data else data.splitlines()) if name]
    if code_pages is None:
        return list(map(os.fsdecode, names))
    try:
        return [name.decode() for name in names]
    except UnicodeDecodeError:
        if found := _in_best_code_page(names, code_pages, exists):
            return found
        raise


def code_pages() -> tuple[str, ...] | None:
    """Return the encodings that programs on this machine may use besides UTF-8; none on POSIX."""
    pages: tuple[str, ...] | None = None
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - for this alone

        console = ctypes.WinDLL("kernel32").GetConsoleOutputCP()
        pages = (*((f"cp{console}",) if console else ()), "oem", "mbcs")
    return pages


def _marked(data: bytes) -> str:
    return next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "")


def _by_line_ends(data: bytes) -> str:
    """Return the 16-bit encoding in which *data* has Windows line ends, if any."""
    for end, encoding in _LINE_ENDS:
        if (found := data.find(end)) >= 0 and found % 2 == 0:
            return encoding
    return ""


def _in_best_code_page(
    names: list[bytes], code_pages: Iterable[str], exists: Callable[[str], bool]
) -> list[str]:
    """Decode *names* in the first code page in which most of the non-ASCII ones exist."""
    best: list[str] = []
    most = 0
    for page in code_pages:
        try:
            texts = [name.decode(page) for name in names]
        except (UnicodeDecodeError, LookupError):
            continue
        there = sum(exists(text) for text in texts if not text.isascii())
        if there > most:
            best, most = texts, there
    return best
