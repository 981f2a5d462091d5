"""Azure's resource ids, taken apart. Pure."""

import re
from dataclasses import dataclass

_ID = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    r"/providers/(?P<type>[^/]+/[^/]+)/(?P<name>[^/]+)(?P<child>(?:/[^/]+/[^/]+)*)",
    re.IGNORECASE,
)

_KEY = re.compile(
    r"(?P<vault>https://[a-z0-9-]+\.(?:vault|managedhsm)\.azure\.net)/keys/(?P<name>[a-z0-9-]+)"
    r"(?:/(?P<version>[0-9a-f]+))?/?",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class ResourceId:
    """What a resource's id says."""

    text: str
    subscription: str
    group: str
    """The resource group's name."""
    type: str
    """Such as Microsoft.Storage/storageAccounts; with the types of what is in it, as Azure writes them."""
    name: str
    """Of the outermost resource."""


def parse_id(text: str) -> ResourceId:
    """Take an id apart.

    Raises:
        ValueError: It is none.
    """
    found = _ID.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no resource id")
    types = [found["type"], *found["child"].split("/")[1::2]]
    return ResourceId(
        text=text,
        subscription=found["subscription"],
        group=found["group"],
        type="/".join(types),
        name=found["name"],
    )


def is_id_of(text: str, resource_type: str) -> bool:
    """Whether *text* is the id of a resource of *resource_type*, in any case."""
    try:
        return parse_id(text).type.lower() == resource_type.lower()
    except ValueError:
        return False


def subscription_scope_of(scope: str) -> str:
    """Return the subscription that *scope* is, or is in."""
    return "/".join(scope.split("/")[:3])


def network_of(subnet_id: str) -> str:
    """Return the id of the network that a subnet is in."""
    return re.split("/subnets/", subnet_id, maxsplit=1, flags=re.IGNORECASE)[0]


@dataclass(frozen=True, kw_only=True)
class Key:
    """What a vault key's address says."""

    vault: str
    """The vault's address, without a slash at its end."""
    name: str
    version: str
    """Empty for the newest at any time."""


def parse_key(address: str) -> Key | None:
    """Take a key's address apart; None for what is none."""
    found = _KEY.fullmatch(address)
    if found is None:
        return None
    return Key(vault=found["vault"], name=found["name"], version=found["version"] or "")
