"""What a check of `runner doctor` finds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    what: str
    good: bool
    detail: str
    remedy: str = ""
    """One thing to do, where it is not good."""
    lines: tuple[str, ...] = ()
    """Further text to show: the end of a log."""
