"""Azure's rules for names, and the names that this program gives. Pure."""

import hashlib
import json
import re
import uuid
from collections.abc import Mapping

RANDOM_TAIL = 8
"""Characters that azure-native appends to a name that it is left to make."""

RULES: Mapping[str, tuple[re.Pattern[str], str]] = {
    "storage account": (re.compile(r"[a-z0-9]{3,24}"), "3-24 lower-case letters and digits"),
    "Batch account": (re.compile(r"[a-z0-9]{3,24}"), "3-24 lower-case letters and digits"),
    "key vault": (
        re.compile(r"(?=.{3,24}$)[A-Za-z](?:[A-Za-z0-9]|-(?!-))*[A-Za-z0-9]"),
        "3-24 letters, digits and single hyphens, from a letter to a letter or digit",
    ),
    "pool": (re.compile(r"[A-Za-z0-9_-]{1,64}"), "1-64 letters, digits, hyphens and underscores"),
    "resource group": (
        re.compile(r"[\w.()-]{0,89}[\w()-]"),
        "1-90 of [A-Za-z0-9_.()-], no last dot",
    ),
    "prefix": (
        re.compile(r"[a-z][a-z0-9]{1,9}"),
        "2-10 lower-case letters and digits, a letter first",
    ),
}

_ASSIGNMENTS = uuid.UUID("6d9b1f0c-6f0e-4b52-9a55-7d2a9f3c5f10")
"""Namespace of our role assignments' names: any fixed value, never to be changed."""


def validate_name(kind: str, name: str) -> str | None:
    """Say what a *kind*'s name must be when *name* is not that; None when it is."""
    pattern, words = RULES[kind]
    return None if pattern.fullmatch(name) else words


def global_name_prefix(prefix: str, stack: str, kind: str) -> str:
    """Return the start of a globally unique name, to which azure-native adds its random tail.

    The random tail is why a stack can be destroyed and made again at once: a deleted vault keeps
    its name for days.
    """
    room = 24 - RANDOM_TAIL - len(kind)
    letters = re.sub(r"[^a-z0-9]", "", f"{prefix}{stack}".lower())
    return letters[:room] + kind


def local_name(prefix: str, stack: str, kind: str) -> str:
    """Return the name of something that need be unique only where it lives."""
    words = re.sub(r"[^A-Za-z0-9-]+", "-", stack).strip("-")
    return f"{kind}-{prefix}-{words}"[:64].rstrip("-")


def container(prefix: str, stack: str, kind: str) -> str:
    """Return the name of a container in an account that other stacks may use too."""
    words = re.sub(r"[^a-z0-9]+", "-", stack.lower()).strip("-")
    start = f"{prefix}-{words}"[: 62 - len(kind)].rstrip("-")
    return f"{start}-{kind}"


def role_assignment(scope: str, principal: str, role: str) -> str:
    """Return the name (a GUID) for giving *role* at *scope* to *principal*.

    The same grant has the same name in every stack, so that two stacks agree on one assignment
    where a random name would be refused (RoleAssignmentExists).
    """
    return str(uuid.uuid5(_ASSIGNMENTS, f"{scope}|{principal}|{role}".lower()))


def digest(facts: Mapping[str, object]) -> str:
    """Return eight characters that differ when any of *facts* does."""
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
