"""Programs that are linked statically, and what that means for the character sets of files."""

from __future__ import annotations

import struct
from functools import lru_cache

_HEADER = struct.Struct("<4sBB10x16xQ14xHH")
"""Magic, class (2: 64 bits), byte order (1: little) and, of the program headers: start, size, number;
see https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html."""
_ELF, _64_BITS, _LITTLE = b"\x7fELF", 2, 1
_INTERPRETER = 3
"""PT_INTERP, the program header that names the dynamic linker."""


@lru_cache(maxsize=8)  # it is asked at each start
def is_static(program: str) -> bool:
    """Whether *program* is a Linux program for 64 bits that needs no dynamic linker.

    False where it cannot be read.
    """
    try:
        with open(program, "rb") as file:
            head = file.read(_HEADER.size)
            if len(head) < _HEADER.size:
                return False
            magic, bits, order, start, size, number = _HEADER.unpack(head)
            if (magic, bits, order) != (_ELF, _64_BITS, _LITTLE):
                return False
            file.seek(start)
            headers = file.read(size * number)
    except OSError:
        return False
    kinds = (headers[i : i + 4] for i in range(0, len(headers), size or 1))
    return _INTERPRETER.to_bytes(4, "little") not in kinds
