"""What Azure refuses, and with which words."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from ipaddress import IPv4Network
from typing import Any

from tests.emulator.roles import UnknownRoleError, find_role
from tests.infra.provider.kinds import BATCH_SERVICE, SUBSCRIPTION, Inputs
from tests.infra.provider.names import leaf
from tests.infra.provider.store import World

VAULT_PERMISSIONS = {"get", "list", "set", "delete", "recover"}


SECRETS_OFFICER = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"


GROUP = "azure-native:resources:ResourceGroup"


CHANGEABLE = {
    "azure-native:batch:Pool": {"scaleSettings", "startTask", "metadata", "applicationPackages"},
    "azure-native:batch:BatchAccount": {
        "allowedAuthenticationModes",
        "autoStorage",
        "encryption",
        "identity",
        "networkProfile",
        "publicNetworkAccess",
        "tags",
    },
    "azure-native:authorization:RoleAssignment": {"description", "condition"},
}
"""What Azure lets one change of resources where it does not let one change all."""


HOLDS = {
    "azure-native:network:Subnet": "InUseSubnetCannotBeDeleted",
    "azure-native:network:NetworkSecurityGroup": "InUseNetworkSecurityGroupCannotBeDeleted",
    "azure-native:network:NatGateway": "InUseNatGatewayCannotBeDeleted",
    "azure-native:network:PublicIPAddress": "PublicIPAddressCannotBeDeleted",
}
"""What Azure refuses to delete while something that is left refers to it."""


IMAGES = {
    ("0001-com-ubuntu-server-jammy", "22_04-lts"): "batch.node.ubuntu 22.04",
    ("ubuntu-24_04-lts", "server"): "batch.node.ubuntu 24.04",
}
"""Node agents by offer and SKU, for those images that the stand-in knows."""


@dataclass
class ArmError(Exception):
    """Azure's refusal."""

    status: int
    code: str
    message: str

    def __str__(self) -> str:
        return f'Status={self.status} Code="{self.code}" Message="{self.message}"'


def under(key: str, arm_id: str) -> bool:
    """Whether *key* is *arm_id* or something in it."""
    return f"{key}/".startswith(f"{arm_id.lower()}/")


def check_parents(world: World, token: str, arm_id: str) -> None:
    """Refuse what is to go into something that is not there."""
    if token == GROUP:
        return
    group = re.match(r"(/subscriptions/[^/]+/resourceGroups/[^/]+)/", arm_id)
    if group and not world.get(group[1]):
        name = leaf(group[1])
        raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")
    for parent in ancestors(arm_id):
        if not world.get(parent):
            raise ArmError(404, "ParentResourceNotFound", f"{parent} was not found.")


def ancestors(arm_id: str) -> Iterator[str]:
    """List the resources that *arm_id* is in or on, leaving out the group and the subscription."""
    scope, _, own = arm_id.rpartition("/providers/")
    parts = own.split("/")
    for end in range(3, len(parts) - 1, 2):
        if parts[end - 2] != "blobServices":  # always there
            yield f"{scope}/providers/{'/'.join(parts[:end])}"
    if "/providers/" in scope:
        yield scope


def check_references(world: World, arm_id: str, inputs: Inputs) -> None:
    """Refuse what refers to something in this deployment's reach that is not there."""
    for reference in references(inputs):
        inside = reference.lower().startswith(f"/subscriptions/{SUBSCRIPTION}/resourcegroups/")
        if inside and not under(arm_id.lower(), reference) and not world.get(reference):
            raise ArmError(404, "ResourceNotFound", f"The Resource '{reference}' was not found.")


def references(value: object) -> Iterator[str]:
    """Find all resource ids in *value*."""
    if isinstance(value, str) and value.startswith("/subscriptions/"):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from references(member)
    elif isinstance(value, list):
        for member in value:
            yield from references(member)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A property that Azure keeps as it was made, and its words when one wants another."""

    path: str
    code: str
    message: str
    allowed: Callable[[Any, Any], bool] = lambda old, new: bool(old == new)


KEPT: dict[str, tuple[Kept, ...]] = {
    "azure-native:keyvault:Vault": (
        Kept(
            path="properties.softDeleteRetentionInDays",
            code="BadRequest",
            message='The property "softDeleteRetentionInDays" has been set already and it can\'t be modified.',
        ),
        Kept(
            path="properties.enablePurgeProtection",
            code="BadRequest",
            message='The property "enablePurgeProtection" cannot be set to false.',
            allowed=lambda old, new: not old or bool(new),
        ),
    ),
    "azure-native:consumption:Budget": (
        Kept(
            path="timePeriod.startDate",
            code="400",
            message="Start date of budgets cannot be updated. Please delete and create a new budget",
        ),
    ),
    "azure-native:storage:StorageAccount": (
        Kept(
            path="sku.name",
            code="InvalidAccountType",
            message="Storage account type conversion is not supported.",
            allowed=lambda old, new: old == new or ("ZRS" not in old and "ZRS" not in new),
        ),
    ),
}
"""What azure-native sends as an update, and Azure refuses; all locations besides."""


LOCATION = Kept(
    path="location",
    code="InvalidResourceLocation",
    message="The resource already exists in another location. Resources cannot be moved by an update.",
)


def at(inputs: Inputs, path: str) -> Any:
    """Return what is at *path*; None for nothing."""
    value: Any = inputs
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def check_changes(token: str, old: Inputs, new: Inputs) -> None:
    """Refuse a change to what cannot change."""
    for kept in (LOCATION, *KEPT.get(token, ())):
        if not kept.allowed(at(old, kept.path), at(new, kept.path)):
            raise ArmError(409 if kept is LOCATION else 400, kept.code, kept.message)
    allowed = CHANGEABLE.get(token)
    if allowed is None:
        return
    for name in sorted(old.keys() | new.keys()):
        if name not in allowed and old.get(name) != new.get(name):
            raise ArmError(
                409, "PropertyCannotBeUpdated", f"The property {name} cannot be updated."
            )


def check_address_space(world: World, arm_id: str, inputs: Inputs) -> None:
    """Refuse a network that does not hold the subnets that are in it."""
    spaces = [IPv4Network(each) for each in inputs["addressSpace"]["addressPrefixes"]]
    for subnet in world.of("azure-native:network:Subnet"):
        if under(subnet["id"].lower(), arm_id):
            prefix = IPv4Network(subnet["inputs"]["addressPrefix"])
            if not any(prefix.subnet_of(space) for space in spaces):
                raise ArmError(
                    400, "NetcfgSubnetRangeOutsideVnet", f"{prefix} is not contained in the network"
                )


def check_budget(_world: World, _arm_id: str, inputs: Inputs) -> None:
    """Refuse a budget that begins before this month, or after a year."""
    start = date.fromisoformat(inputs["timePeriod"]["startDate"][:10])
    today = datetime.now(UTC).date()
    ahead = (start.year - today.year) * 12 + start.month - today.month
    if not 0 <= ahead <= 12:
        words = "prior to the current month" if ahead < 0 else "more than twelve months ahead"
        raise ArmError(400, "400", f"Start date for the time period cannot be {words}")


def check_use(world: World, token: str, arm_id: str) -> None:
    """Refuse to delete what something left over refers to, or is in."""
    if token == GROUP:
        check_group_is_empty(world, arm_id)
    code = HOLDS.get(token)
    members = (
        ["azure-native:network:Subnet"] if token == "azure-native:network:VirtualNetwork" else []
    )
    for key, other in world.resources.items():
        if under(key, arm_id):
            if other["token"] in members:
                check_use(world, other["token"], other["id"])
            continue
        if code and arm_id in references(other["inputs"]):
            raise ArmError(409, code, f"{arm_id} is in use by {other['id']}.")


def check_group_is_empty(world: World, arm_id: str) -> None:
    """Not Azure's rule but ours: what is in a group is deleted before the group."""
    left = [each["id"] for key, each in world.resources.items() if under(key, arm_id)][1:]
    if left:
        raise ArmError(409, "TestGroupIsNotEmpty", f"{arm_id} still holds {', '.join(left)}")


def check_vault_name(world: World, arm_id: str, _inputs: Inputs) -> None:
    """Refuse a name that a deleted vault still has."""
    if leaf(arm_id).lower() in world.deleted_vaults:
        raise ArmError(
            409,
            "ConflictError",
            f"A vault with the same name already exists in deleted state: {leaf(arm_id)}",
        )


def check_vault_grant(world: World, _arm_id: str, inputs: Inputs) -> None:
    """Refuse an account in user-subscription mode that Batch cannot keep its secrets for."""
    if inputs.get("poolAllocationMode") != "UserSubscription":
        return
    reference = inputs.get("keyVaultReference")
    if not reference:
        raise ArmError(400, "InvalidRequestBody", "A key vault reference is required.")
    vault = world.get(reference["id"])
    if vault is None or not batch_may_use(world, vault):
        raise ArmError(
            400,
            "InvalidKeyVaultReference",
            f"The specified Key Vault {reference['id']} does not have the Batch Service in "
            "access policies.",
        )


def batch_may_use(world: World, vault: dict[str, Any]) -> bool:
    """Whether Batch has its five permissions on *vault*, by policy or by role."""
    properties = vault["inputs"]["properties"]
    if properties.get("enableRbacAuthorization"):
        return any(
            each["inputs"]["principalId"] == BATCH_SERVICE
            and each["inputs"]["scope"] == vault["id"]
            and each["inputs"]["roleDefinitionId"].endswith(SECRETS_OFFICER)
            for each in world.of("azure-native:authorization:RoleAssignment")
        )
    return any(
        each["objectId"] == BATCH_SERVICE
        and {word.lower() for word in each["permissions"].get("secrets", ())} >= VAULT_PERMISSIONS
        for each in properties.get("accessPolicies", ())
    )


def check_assignment(world: World, _arm_id: str, inputs: Inputs) -> None:
    """Refuse a grant that is there under another name, of no known role, or for somebody not known yet."""
    try:
        find_role(inputs["roleDefinitionId"])
    except UnknownRoleError as error:
        message = f"The specified role definition with ID '{leaf(inputs['roleDefinitionId'])}' does not exist."
        raise ArmError(400, "RoleDefinitionDoesNotExist", message) from error
    same = ("principalId", "roleDefinitionId", "scope")
    for each in world.of("azure-native:authorization:RoleAssignment"):
        if all(each["inputs"][name] == inputs[name] for name in same):
            raise ArmError(409, "RoleAssignmentExists", "The role assignment already exists.")
    if not inputs.get("principalType"):
        raise ArmError(
            400,
            "PrincipalNotFound",
            f"Principal {inputs['principalId']} does not exist in the directory.",
        )


def check_storage_firewall(world: World, _arm_id: str, inputs: Inputs) -> None:
    """Refuse to let in a subnet that has no service endpoint."""
    for rule in (inputs.get("networkRuleSet") or {}).get("virtualNetworkRules", ()):
        subnet = world.get(rule["virtualNetworkResourceId"])
        offered = subnet["inputs"].get("serviceEndpoints", []) if subnet else []
        if "Microsoft.Storage" not in [each["service"] for each in offered]:
            raise ArmError(
                400,
                "NetworkAclsValidationFailure",
                "SubnetsHaveNoServiceEndpointsConfigured for Microsoft.Storage",
            )


def check_pool(_world: World, _arm_id: str, inputs: Inputs) -> None:
    """Refuse a pool whose image and agent do not fit, or that says nothing of its size."""
    machine = inputs["deploymentConfiguration"]["virtualMachineConfiguration"]
    reference, agent = machine["imageReference"], machine["nodeAgentSkuId"]
    fitting = IMAGES.get((reference.get("offer"), reference.get("sku")), agent)
    if agent != fitting:
        raise ArmError(
            400,
            "InvalidPropertyValue",
            f"The specified imageReference {json.dumps(reference)} is not supported with {agent}",
        )
    if len(inputs.get("scaleSettings", {})) != 1:
        raise ArmError(400, "InvalidRequestBody", "Exactly one kind of scale settings is required.")


ON_CREATE: dict[str, tuple[Callable[[World, str, Inputs], None], ...]] = {
    "azure-native:keyvault:Vault": (check_vault_name,),
    "azure-native:batch:BatchAccount": (check_vault_grant,),
    "azure-native:batch:Pool": (check_pool,),
    "azure-native:authorization:RoleAssignment": (check_assignment,),
    "azure-native:storage:StorageAccount": (check_storage_firewall,),
    "azure-native:consumption:Budget": (check_budget,),
}
ON_UPDATE: dict[str, tuple[Callable[[World, str, Inputs], None], ...]] = {
    "azure-native:network:VirtualNetwork": (check_address_space,),
    "azure-native:storage:StorageAccount": (check_storage_firewall,),
}
