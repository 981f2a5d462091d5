"""Azure's rules for names, and the names that this program uses. Pure."""

import hashlib
import json
import re
import uuid
from collections.abc import Mapping

RANDOM_TAIL = 8
"""The number of characters that azure-native appends to generated names."""

RULES: Mapping[str, tuple[re.Pattern[str], str]] = {
    "storage account": (re.compile(r"[a-z0-9]{3,24}"), "3-24 lower-case letters and digits"),
    "Batch account": (re.compile(r"[a-z0-9]{3,24}"), "3-24 lower-case letters and digits"),
    "key vault": (
        re.compile(r"(?=.{3,24}$)[A-Za-z](?:[A-Za-z0-9]|-(?!-))*[A-Za-z0-9]"),
        "3-24 letters, digits and single hyphens, starting with a letter and ending with a letter or digit",
    ),
    "pool": (re.compile(r"[A-Za-z0-9_-]{1,64}"), "1-64 letters, digits, hyphens and underscores"),
    "resource group": (
        re.compile(r"[\w.()-]{0,89}[\w()-]"),
        "1-90 of [A-Za-z0-9_.()-], not ending with a dot",
    ),
    "prefix": (
        re.compile(r"[a-z][a-z0-9]{1,9}"),
        "2-10 lower-case letters and digits, starting with a letter",
    ),
}

_ASSIGNMENTS = uuid.UUID("6d9b1f0c-6f0e-4b52-9a55-7d2a9f3c5f10")
"""The namespace for the names of role assignments: any fixed value, which must never change."""


def validate_name(kind: str, name: str) -> str | None:
    """Return the rule for names of *kind* if *name* breaks it, else None."""
    pattern, words = RULES[kind]
    return None if pattern.fullmatch(name) else words


def global_name_prefix(prefix: str, stack: str, kind: str) -> str:
    """Return the prefix of a globally unique name, to which azure-native appends a random suffix.

    Because of the suffix, a stack can be destroyed and created again at once: a deleted vault keeps its
    name for days.
    """
    room = 24 - RANDOM_TAIL - len(kind)
    letters = re.sub(r"[^a-z0-9]", "", f"{prefix}{stack}".lower())
    return letters[:room] + kind


def local_name(prefix: str, stack: str, kind: str) -> str:
    """Return a name that only needs to be unique in its parent."""
    words = re.sub(r"[^A-Za-z0-9-]+", "-", stack).strip("-")
    return f"{kind}-{prefix}-{words}"[:64].rstrip("-")


def container(prefix: str, stack: str, kind: str) -> str:
    """Return the name of a container in an account that other stacks may also use."""
    words = re.sub(r"[^a-z0-9]+", "-", stack.lower()).strip("-")
    start = f"{prefix}-{words}"[: 62 - len(kind)].rstrip("-")
    return f"{start}-{kind}"


def role_assignment(scope: str, principal: str, role: str) -> str:
    """Return the name (a GUID) of the assignment of *role* at *scope* to *principal*.

    The same assignment has the same name in every stack, so that two stacks can share it; with a random
    name, Azure would refuse the second one (RoleAssignmentExists).
    """
    return str(uuid.uuid5(_ASSIGNMENTS, f"{scope}|{principal}|{role}".lower()))


def digest(facts: Mapping[str, object]) -> str:
    """Return eight characters that differ when any of *facts* does."""
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def price_list_sku(redundancy: str, tier: str | None) -> str:
    """Return how Azure's price list names a general-purpose v2 account, such as "Hot LRS"; empty if not at all."""
    names = ("LRS", "ZRS", "GRS", "RAGRS", "GZRS", "RAGZRS")
    performance, _, name = redundancy.partition("_")
    if performance != "Standard" or name not in names or not tier:
        return ""
    return f"{tier} {name.replace('RAG', 'RA-G')}"
