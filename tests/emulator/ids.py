"""Ids that are made up, always the same for the same thing. Pure."""

from __future__ import annotations

import hashlib
import uuid


def made_up_id(arm_id: str, what: str) -> str:
    """Return a GUID: *what* (client, principal) of the resource *arm_id*."""
    return str(uuid.UUID(hashlib.md5(f"{arm_id}|{what}".lower().encode()).hexdigest()))
