"""Ids, read and made up. Pure."""

from tests.emulator.ids import made_up_id

__all__ = ["leaf", "made_up_id"]


def leaf(arm_id: str) -> str:
    """Return a resource's own name."""
    return arm_id.rsplit("/", 1)[-1]
