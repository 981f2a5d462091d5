"""What a subscription has to be ready for: services, rights, quotas, regions; and that things take time."""

from typing import Any

from tests.emulator.machines import REGIONS
from tests.infra.provider.kinds import DEPLOYER, KINDS, SUBSCRIPTION, Inputs
from tests.infra.provider.names import leaf
from tests.infra.provider.refusals import ArmError
from tests.infra.provider.store import World

ALWAYS_REGISTERED = {
    "microsoft.authorization",
    "microsoft.consumption",
    "microsoft.resources",
}
"""Namespaces that nobody has to register: "Azure resource providers and types", registered by default."""

ASSIGNMENT = "azure-native:authorization:RoleAssignment"
GLOBAL = {
    "azure-native:monitor:ActionGroup",
    "azure-native:monitor:MetricAlert",
    "azure-native:privatedns:PrivateZone",
    "azure-native:privatedns:VirtualNetworkLink",
}
"""What is in no region."""

WORLDWIDE = {
    "azure-native:storage:StorageAccount": (
        "StorageAccountAlreadyTaken",
        "The storage account named {} is already taken.",
    ),
    "azure-native:keyvault:Vault": (
        "VaultAlreadyExists",
        "The vault name '{}' is already in use.",
    ),
}
"""Kinds whose names nobody else in the world may have."""

QUOTA = {
    "azure-native:batch:BatchAccount": (
        "SubscriptionQuotaExceeded",
        "The regional account quota for the specified subscription has been reached.",
    ),
    "azure-native:network:PublicIPAddress": (
        "PublicIPCountLimitReached",
        "Cannot create more than {} public IP addresses for this subscription in this region.",
    ),
    "azure-native:network:VirtualNetwork": (
        "VirtualNetworkCountLimitReached",
        "Cannot create more than {} virtual networks for this subscription in this region.",
    ),
    "azure-native:batch:Pool": (
        "PoolQuotaReached",
        "The pool quota ({}) of this Batch account is reached.",
    ),
    ASSIGNMENT: (
        "RoleAssignmentLimitExceeded",
        "The number of role assignments ({}) of this subscription is reached.",
    ),
}

SERIAL = {"azure-native:network:Subnet": "AnotherOperationInProgress"}
"""Kinds of which Azure makes one at a time in what holds them."""


def check_subscription(world: World, token: str, arm_id: str, inputs: Inputs) -> None:
    """Refuse what this subscription is not ready for."""
    check_registration(world, arm_id)
    check_region(token, inputs)
    check_rights(world, token, arm_id)
    check_quota(world, token)
    check_taken(world, token, arm_id)


def check_registration(world: World, arm_id: str) -> None:
    """Refuse a service that was never used here."""
    namespace = arm_id.rpartition("/providers/")[2].split("/", maxsplit=1)[0]
    known = {*ALWAYS_REGISTERED, *map(str.lower, world.registered)}
    if namespace and "/providers/" in arm_id and namespace.lower() not in known:
        raise ArmError(
            409,
            "MissingSubscriptionRegistration",
            f"The subscription is not registered to use namespace '{namespace}'. "
            "See https://aka.ms/rps-not-found for how to register subscriptions.",
        )


def check_region(token: str, inputs: Inputs) -> None:
    """Refuse a region that there is not; what is in none says `global`."""
    location = inputs.get("location")
    if location is None:
        return
    allowed = {"global"} if token in GLOBAL else REGIONS
    if location.replace(" ", "").lower() not in allowed:
        raise ArmError(
            400,
            "LocationNotAvailableForResourceType",
            f"The provided location '{location}' is not available for resource type '{token}'.",
        )


def check_rights(world: World, token: str, arm_id: str) -> None:
    """Refuse what the one who deploys may not do: only an Owner, or who may give roles, gives them."""
    if token == ASSIGNMENT and world.deployer not in {"Owner", "User Access Administrator"}:
        refuse(f"{namespace_of(token)}/write", arm_id)
    whole = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/".lower()
    if world.deployer == "Owner" and world.deployer_scope.lower().startswith(whole):
        inside = arm_id.lower().startswith(f"{world.deployer_scope.lower()}/")
        if not inside:
            refuse(f"{namespace_of(token)}/write", arm_id)


def namespace_of(token: str) -> str:
    """Return a kind's type in ARM's words."""
    own = KINDS[token].template.rpartition("/providers/")[2]
    return "/".join(part for part in own.split("/") if "{" not in part)


def refuse(action: str, arm_id: str) -> None:
    """Refuse for want of a right."""
    raise ArmError(
        403,
        "AuthorizationFailed",
        f"The client with object id '{DEPLOYER}' does not have authorization to perform action "
        f"'{action}' over scope '{arm_id}' or the scope is invalid.",
    )


def check_quota(world: World, token: str) -> None:
    """Refuse one more than the subscription may have."""
    if token in QUOTA and token.removeprefix("azure-native:") in world.quota:
        most = world.quota[token.removeprefix("azure-native:")]
        if len(world.of(token)) >= most:
            code, words = QUOTA[token]
            raise ArmError(409 if token == ASSIGNMENT else 400, code, words.format(most))


def check_taken(world: World, token: str, arm_id: str) -> None:
    """Refuse a name that somebody else in the world has."""
    if token in WORLDWIDE and leaf(arm_id).lower() in world.taken:
        code, words = WORLDWIDE[token]
        raise ArmError(409, code, words.format(leaf(arm_id)))


def check_busy(world: World, token: str, arm_id: str, inputs: Inputs) -> None:
    """Refuse to work on what is being worked on, on two parts of one thing at once, or with what is not ready."""
    around = [arm_id, *holders(token, arm_id, inputs)]
    for other in world.resources.values():
        if other.get("state", "Succeeded") == "Succeeded":
            continue
        held = {
            each.lower()
            for each in (other["id"], *holders(other["token"], other["id"], other["inputs"]))
        }
        if held & {each.lower() for each in around}:
            raise ArmError(
                409,
                SERIAL.get(token, "Conflict"),
                f"Another operation on this or dependent resource is in progress: {other['id']}.",
            )  # fmt: skip


def holders(token: str, arm_id: str, inputs: Inputs) -> list[str]:
    """Return what else is locked while a resource is worked on."""
    if token == "azure-native:network:Subnet":
        return [arm_id.rpartition("/subnets/")[0]]
    return []


def is_felt(world: World, assignment: dict[str, Any]) -> bool:
    """Whether a role that was given has spread to where it counts."""
    return bool(world.clock - assignment.get("made", 0.0) >= world.spreads)
