"""Measure, print the tables, and write them to BENCHMARKS.md: `make bench`.

    python -m tests.benchmarks [local] [per_file] [startup] [many] [blobs] [sample] [transfers] [azure] [nodes] [emulator]
        [estimates] [estimates_emulated] [encoders] [films]

Without a name all parts are measured; a part that is named alone replaces only its own tables.
"""

import re
import sys
from pathlib import Path

from tests.benchmarks import (
    azure,
    blobs,
    emulator,
    encoders,
    estimates,
    estimates_emulated,
    films,
    local,
    many,
    nodes,
    per_file,
    sample,
    startup,
    transfers,
)
from tests.benchmarks.tables import machine

PARTS = {
    "local": local,
    "per_file": per_file,
    "startup": startup,
    "many": many,
    "blobs": blobs,
    "sample": sample,
    "transfers": transfers,
    "azure": azure,
    "nodes": nodes,
    "emulator": emulator,
    "estimates": estimates,
    "estimates_emulated": estimates_emulated,
    "encoders": encoders,
    "films": films,
}
_FILE = Path("BENCHMARKS.md")
_HEAD = """# Benchmarks

Made by `make bench`. Machines are noisy: ways that are compared take turns within one run, and their
ratios are what to quote. Each part says when and where it was measured.
"""


def main() -> None:
    """Measure the named parts, or all."""
    written = _written()
    for name in sys.argv[1:] or PARTS:
        tables = []
        for table in PARTS[name].report():
            print(table, flush=True)  # noqa: T201
            tables.append(str(table))
        written[name] = "\n".join([f"Measured on {machine()}.\n", *tables])
        _write(written)


def _written() -> dict[str, str]:
    """The parts that the file has, by name."""
    text = _FILE.read_text() if _FILE.exists() else ""
    return dict(re.findall(r"<!-- (\w+) -->\n(.*?)<!-- end -->", text, re.DOTALL))


def _write(written: dict[str, str]) -> None:
    parts = [f"<!-- {name} -->\n{written[name]}<!-- end -->\n" for name in PARTS if name in written]
    _FILE.write_text("\n".join([_HEAD, *parts]))


if __name__ == "__main__":
    main()
