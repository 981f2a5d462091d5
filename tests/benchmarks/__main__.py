"""Measure, print the tables, and write them to BENCHMARKS.md: `make bench`."""

from itertools import chain
from pathlib import Path

from tests.benchmarks import azure, emulator, local, sample
from tests.benchmarks.tables import machine

_HEAD = """# Benchmarks

Made by `make bench` on {machine}.

Machines are noisy: the ways take turns within one run, and the ratios are what to quote.
"""


def main() -> None:
    """Measure everything."""
    parts = [_HEAD.format(machine=machine())]
    for table in chain(local.report(), sample.report(), azure.report(), emulator.report()):
        print(table, flush=True)  # noqa: T201
        parts.append(str(table))
    Path("BENCHMARKS.md").write_text("\n".join(parts))


if __name__ == "__main__":
    main()
