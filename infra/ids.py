"""Parse Azure's resource ids. Pure."""

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
    """The parts of a resource's id."""

    text: str
    subscription: str
    group: str
    """The resource group's name."""
    type: str
    """Such as Microsoft.Storage/storageAccounts, with the types of nested resources, as Azure writes them."""
    name: str
    """The name of the outermost resource."""


def parse_id(text: str) -> ResourceId:
    """Parse an id.

    Raises:
        ValueError: It is not an id.
    """
    found = _ID.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a resource id")
    types = [found["type"], *found["child"].split("/")[1::2]]
    return ResourceId(
        text=text,
        subscription=found["subscription"],
        group=found["group"],
        type="/".join(types),
        name=found["name"],
    )


def is_id_of(text: str, resource_type: str) -> bool:
    """Return whether *text* is the id of a resource of *resource_type*, ignoring case."""
    try:
        return parse_id(text).type.lower() == resource_type.lower()
    except ValueError:
        return False


_BLOB_CONTAINER = re.compile(
    r"(?P<account>/subscriptions/[0-9a-f-]{36}/resourceGroups/[\w.()-]{1,90}/providers/Microsoft\.Storage"
    r"/storageAccounts/[a-z0-9]{3,24})/blobServices/default/containers/(?P<name>\$?[a-z0-9](-?[a-z0-9]){2,62})",
    re.IGNORECASE,
)


def is_container_id(text: str) -> bool:
    """Return whether *text* is the id of a container in Blob storage."""
    return _BLOB_CONTAINER.fullmatch(text) is not None


def account_of_container(container_id: str) -> str:
    """Return the id of the storage account that a container is in."""
    found = _BLOB_CONTAINER.fullmatch(container_id)
    assert found is not None, "checked"
    return found["account"]


def subscription_scope_of(scope: str) -> str:
    """Return the subscription that *scope* is, or that contains it."""
    return "/".join(scope.split("/")[:3])


def network_of(subnet_id: str) -> str:
    """Return the id of a subnet's network."""
    return re.split("/subnets/", subnet_id, maxsplit=1, flags=re.IGNORECASE)[0]


@dataclass(frozen=True, kw_only=True)
class Key:
    """The parts of the address of a vault key."""

    vault: str
    """The vault's address, without a slash at the end."""
    name: str
    version: str
    """Empty for the newest version."""


def parse_key(address: str) -> Key | None:
    """Parse a key's address; return None if it is not one."""
    found = _KEY.fullmatch(address)
    if found is None:
        return None
    return Key(vault=found["vault"], name=found["name"], version=found["version"] or "")
