"""Decode text of unknown encoding: ID3v1, and the headers of old containers."""

from __future__ import annotations

import re

# A word of Latin letters has one or two with accents; one of Cyrillic letters nothing else.
_HIGH_WORD = re.compile(r"[\xc0-\xff\xa8\xb8]{3,}")
_CYRILLIC = re.compile(r"[\u0400-\u045f]+")
_JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uff00-\uffef\u3000-\u303f]")


def decode(data: bytes) -> str:
    """Decode *data*; if the encoding is unclear, as Windows-1252."""
    for charset in ("utf-8", "cp932", "cp1251"):
        try:
            text = data.decode(charset)
        except UnicodeDecodeError:
            continue
        if charset == "utf-8" or _is_likely(charset, data, text):
            return text
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _is_likely(charset: str, data: bytes, text: str) -> bool:
    latin = data.decode("latin-1")
    if charset == "cp932":
        # its first bytes are control characters in Latin-1, and rare signs in Microsoft's
        leads = len(re.findall(r"[\x81-\x9f]", latin))
        return leads > 0 and len(_JAPANESE.findall(text)) * 2 >= len(re.findall(r"\S", text))
    high = len(re.findall(r"[\x80-\xff]", latin))
    letters = len(re.findall(r"[A-Za-z]", latin)) + high
    words = _HIGH_WORD.findall(latin)
    return (
        len("".join(words)) >= 4
        and len("".join(words)) * 3 >= letters * 2
        and len("".join(_CYRILLIC.findall(text))) == high
        and not re.search(r"[\u0430-\u045f][\u0400-\u042f]", text)  # no capital inside a word
    )
