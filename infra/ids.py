"""Azure's resource ids, taken apart. Pure."""

import re
from dataclasses import dataclass

_ID = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    r"/providers/(?P<type>[^/]+/[^/]+)/(?P<name>[^/]+)(?P<child>(?:/[^/]+/[^/]+)*)",
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


def network_of(subnet_id: str) -> str:
    """Return the id of the network that a subnet is in."""
    return re.split("/subnets/", subnet_id, maxsplit=1, flags=re.IGNORECASE)[0]
