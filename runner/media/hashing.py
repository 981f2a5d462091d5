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
