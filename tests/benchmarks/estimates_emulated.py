"""The estimates for Azure, held to what runs on the emulator took; see `estimates`."""

from tests.benchmarks.estimates import report_of_emulator as report

__all__ = ["report"]
