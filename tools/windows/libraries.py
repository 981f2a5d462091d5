"""Write the libraries that Wine and this Python lack, and without which the Azure clients do not load.

python3 libraries.py FOLDER_OF_WINDOWS FOLDER_OF_PYTHON

Each has nothing but names for what is in another one:
https://learn.microsoft.com/windows/win32/debug/pe-format#export-address-table
"""

import struct
import sys
from itertools import accumulate
from pathlib import Path

PAGE, SECTOR = 0x1000, 0x200
DIRECTORY = 40


def library(name: str, instead: dict[str, str]) -> bytes:
    """The library *name* for x64, in which each function is *instead* one of another, LIBRARY.FUNCTION."""
    content = _exports(name, dict(sorted(instead.items())))
    size = _rounded(len(content), SECTOR)
    dos = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    is_library = 0x2022  # of 64 bits
    file_header = struct.pack("<4sHHIIIHH", b"PE\0\0", 0x8664, 1, 0, 0, 0, 240, is_library)
    in_memory = PAGE + _rounded(size, PAGE)
    optional = struct.pack(
        "<HBBIIIIIQIIHHHHHHIIIIHHQQQQII",
        *(0x20B, 0, 0, 0, size, 0, 0, PAGE),  # no code
        *(0x7E0000000, PAGE, SECTOR, 6, 0, 0, 0, 6, 0, 0, in_memory, SECTOR, 0, 2, 0x100),
        *(0x100000, 0x1000, 0x100000, 0x1000, 0, 16),
    )
    directories = struct.pack("<II", PAGE, len(content)).ljust(16 * 8, b"\0")
    readable = 0x40000040
    section = struct.pack(
        "<8sIIIIIIHHI", b".rdata", len(content), PAGE, size, SECTOR, 0, 0, 0, 0, readable
    )
    headers = dos + file_header + optional + directories + section
    return headers.ljust(SECTOR, b"\0") + content.ljust(size, b"\0")


def _exports(name: str, instead: dict[str, str]) -> bytes:
    count = len(instead)
    texts = [f"{text}\0".encode() for text in (name, *instead, *instead.values())]
    addresses = PAGE + DIRECTORY
    names = addresses + 4 * count
    numbers = names + 4 * count
    places = list(accumulate(map(len, texts), initial=numbers + 2 * count))
    directory = struct.pack(
        "<IIHHIIIIIII", 0, 0, 0, 0, places[0], 1, count, count, addresses, names, numbers
    )
    # an address within these exports is that of the name of a function elsewhere
    tables = struct.pack(f"<{2 * count}I", *places[count + 1 : -1], *places[1 : count + 1])
    return directory + tables + struct.pack(f"<{count}H", *range(count)) + b"".join(texts)


def _rounded(size: int, unit: int) -> int:
    return -(-size // unit) * unit


def exported(data: bytes) -> list[str]:
    """The names of the functions in a library for x64."""
    header = struct.unpack_from("<I", data, 60)[0]
    sections, size = struct.unpack_from("<6xH12xH", data, header)
    table = header + 24 + size
    found = [struct.unpack_from("<8x4I", data, table + 40 * n) for n in range(sections)]

    def place(address: int) -> int:
        within = next(each for each in found if each[1] <= address < each[1] + each[0])
        return int(address - within[1] + within[3])

    at = place(struct.unpack_from("<I", data, header + 24 + 112)[0])
    count, _, names = struct.unpack_from("<24xIII", data, at)
    addresses = struct.unpack_from(f"<{count}I", data, place(names))
    return [data[(at := place(a)) : data.index(b"\0", at)].decode() for a in addresses]


def main(windows: Path, python: Path) -> None:
    """Write each that is not there."""
    system = windows / "system32/bcryptprimitives.dll"
    if not system.exists():  # Wine 8 has none
        system.write_bytes(library(system.name, {"ProcessPrng": "advapi32.SystemFunction036"}))
    stable = python / "python3.dll"
    if not stable.exists():
        [whole] = python.glob("python3?*.dll")
        names = exported(whole.read_bytes())
        stable.write_bytes(library(stable.name, {name: f"{whole.stem}.{name}" for name in names}))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
