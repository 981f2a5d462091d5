"""Hash files."""

from __future__ import annotations

import hashlib


def sha256_of(path: str) -> str:
    """Return the SHA-256 of the file at *path*, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def md5_of(path: str, start: int, length: int) -> str:
    """Return the MD5 of *length* bytes of the file at *path* from *start* on, in hex."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        file.seek(start)
        while length > 0 and (block := file.read(min(length, 1 << 20))):
            digest.update(block)
            length -= len(block)
    return digest.hexdigest()
