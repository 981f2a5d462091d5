"""The result of a check."""

from collections.abc import Iterator

Findings = Iterator[tuple[str, str]]
"""Names of fields of Settings, each with what to do about it."""
