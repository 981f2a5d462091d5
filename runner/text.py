"""Read text that people, and other programs than ours, have written: on Windows, in several ways."""

import codecs
import os
import re
import sys
from collections.abc import Callable, Iterable

# longer marks first: that of UTF-32 begins as that of UTF-16 does
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
# Some programs write no mark. No list that NUL separates has a line's end among its names.
_LINE_ENDS = ((b"\r\0\n\0", "utf-16-le"), (b"\0\r\0\n", "utf-16-be"))
_LINE_END = re.compile(r"\r\n|\n|\r")


def decoded(data: bytes) -> str:
    """*data* as text: in UTF-8, or in what its byte-order mark says, as Windows PowerShell's `>` does.

    Raises:
        UnicodeDecodeError: It is neither.
    """
    return data.decode(_marked(data) or "utf-8")


def listed_names(
    data: bytes,
    code_pages: Iterable[str] | None = None,
    exists: Callable[[str], bool] = os.path.lexists,
) -> list[str]:
    """The file names in *data*: a line each, or NUL-separated.

    Without *code_pages*, names in no known encoding are bytes, as POSIX has them. With them, it is
    the one in which most of the names are there.

    Raises:
        UnicodeDecodeError: There are code pages, and it is in none.
    """
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
    """The encodings that programs on this machine may write besides UTF-8; none on POSIX."""
    pages: tuple[str, ...] | None = None
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - for this alone

        console = ctypes.WinDLL("kernel32").GetConsoleOutputCP()
        pages = (*((f"cp{console}",) if console else ()), "oem", "mbcs")
    return pages


def _marked(data: bytes) -> str:
    return next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "")


def _by_line_ends(data: bytes) -> str:
    """The encoding in which *data* has lines of Windows, if they are of 16 bits."""
    for end, encoding in _LINE_ENDS:
        if (found := data.find(end)) >= 0 and found % 2 == 0:
            return encoding
    return ""


def _in_best_code_page(
    names: list[bytes], code_pages: Iterable[str], exists: Callable[[str], bool]
) -> list[str]:
    """*names* in the first of the code pages in which most of those that tell are there."""
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
