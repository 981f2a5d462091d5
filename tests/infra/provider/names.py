"""Ids, read and made up. Pure."""

import hashlib
import uuid


def leaf(arm_id: str) -> str:
    """Return a resource's own name."""
    return arm_id.rsplit("/", 1)[-1]


def made_up_id(arm_id: str, what: str) -> str:
    """Return a GUID that is always the same for the same thing."""
    return str(uuid.UUID(hashlib.md5(f"{arm_id}|{what}".lower().encode()).hexdigest()))
