"""How the ledger stores the names of a file and of its result: what is shared is stored once."""

import hashlib
from typing import NamedTuple, Self


class FileRow(NamedTuple):
    """A source and its target, in the columns of the table `files`; the folders are numbers there.

    The target is its folder, the first `shared` characters of the source's name, and the tail.
    """

    folder: bytes
    """With the separator at its end, like the other one."""
    name: bytes
    target_folder: bytes
    shared: int
    tail: bytes
    target_key: int
    source_key: int

    @classmethod
    def of(cls, target: bytes, source: bytes) -> Self:
        """The row of *target*, made from *source*."""
        end = max(source.rfind(b"/"), source.rfind(b"\\")) + 1
        into = target.rfind(b"/") + 1
        name, file = source[end:], target[into:]
        stem = name[: max(name.rfind(b"."), 0)]
        shared = _characters(stem) if file.startswith(stem) else 0
        tail = file[len(stem) :] if shared else file
        keys = key_of(target), key_of(source)
        return cls(source[:end], name, target[:into], shared, tail, *keys)


def key_of(name: bytes) -> int:
    """The number by which *name* is looked up: an index of numbers is a third of one of names."""
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big", signed=True)


def _characters(name: bytes) -> int:
    """How many characters *name* has; 0 if SQLite might count them in another way."""
    try:
        return 0 if b"\0" in name else len(name.decode())
    except UnicodeDecodeError:
        return 0
