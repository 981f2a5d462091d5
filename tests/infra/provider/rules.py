"""What Azure refuses whatever the kind: parents, references, uses; roles; and which rules a kind has."""

import re
from collections.abc import Callable, Iterator, Mapping

from tests.emulator.roles import UnknownRoleError, find_role
from tests.infra.provider import batch_rules, data_rules, network_rules
from tests.infra.provider.kinds import BATCH_SERVICE, SUBSCRIPTION, Inputs
from tests.infra.provider.names import leaf, made_up_id
from tests.infra.provider.refusals import ArmError
from tests.infra.provider.store import World
from tests.infra.provider.subscription import is_felt

ASSIGNMENT = "azure-native:authorization:RoleAssignment"
IDENTITY = "azure-native:managedidentity:UserAssignedIdentity"
GROUP = "azure-native:resources:ResourceGroup"


HOLDS = {
    "azure-native:network:Subnet": "InUseSubnetCannotBeDeleted",
    "azure-native:network:NetworkSecurityGroup": "InUseNetworkSecurityGroupCannotBeDeleted",
    "azure-native:network:NatGateway": "InUseNatGatewayCannotBeDeleted",
    "azure-native:network:PublicIPAddress": "PublicIPAddressCannotBeDeleted",
}
"""What Azure refuses to delete while something that is left refers to it."""


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


def check_assignment(world: World, _arm_id: str, inputs: Inputs) -> None:
    """Refuse a grant that is there under another name, of no known role, or for somebody not known yet."""
    try:
        find_role(inputs["roleDefinitionId"])
    except UnknownRoleError as error:
        message = f"The specified role definition with ID '{leaf(inputs['roleDefinitionId'])}' does not exist."
        raise ArmError(400, "RoleDefinitionDoesNotExist", message) from error
    same = ("principalId", "roleDefinitionId", "scope")
    for each in world.of(ASSIGNMENT):
        if all(each["inputs"][name] == inputs[name] for name in same):
            raise ArmError(409, "RoleAssignmentExists", "The role assignment already exists.")
    check_principal(world, inputs["principalId"], inputs.get("principalType"))


def check_principal(world: World, principal: str, kind: str | None) -> None:
    """Refuse a principal of another kind than is said, and, of none, one that nobody has heard of yet.

    An identity is known everywhere only minutes after its making; with its kind it is taken on trust.
    """
    made = [each for each in world.of(IDENTITY) if made_up_id(each["id"], "principal") == principal]
    if kind is None and not all(is_felt(world, each) for each in made):
        words = f"Principal {principal} does not exist in the directory."
        raise ArmError(400, "PrincipalNotFound", words)
    if kind not in {None, "ServicePrincipal"} and (made or principal == BATCH_SERVICE):
        raise ArmError(
            400,
            "UnmatchedPrincipalType",
            f"The PrincipalId '{principal}' has type 'ServicePrincipal', which is different from the "
            f"specified PrincipalType '{kind}'.",
        )


Check = Callable[[World, str, Inputs], None]
Checks = Mapping[str, tuple[Check, ...]]
ON_WRITE: tuple[Checks, ...] = (batch_rules.ON_WRITE, data_rules.ON_WRITE, network_rules.ON_WRITE)
ON_CREATE: tuple[Checks, ...] = (data_rules.ON_CREATE, {ASSIGNMENT: (check_assignment,)})
ON_UPDATE: tuple[Checks, ...] = (network_rules.ON_CHANGE,)


def checks(token: str, tables: tuple[Checks, ...]) -> Iterator[Check]:
    """List what *tables* have for a kind."""
    for table in tables:
        yield from table.get(token, ())
