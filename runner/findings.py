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
    """What is to be read besides: the end of a log."""
