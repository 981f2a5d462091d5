"""What a check finds."""

from collections.abc import Iterator

Findings = Iterator[tuple[str, str]]
"""Names of fields of Settings, and what to do about each."""
