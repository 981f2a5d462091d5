"""What Azure refuses of vaults, storage accounts and budgets."""

import re
from datetime import UTC, date, datetime
from ipaddress import IPv4Network

from tests.infra.provider.kinds import Inputs
from tests.infra.provider.names import leaf
from tests.infra.provider.refusals import ArmError, at
from tests.infra.provider.store import World

REDUNDANCIES = ("LRS", "ZRS", "GRS", "RAGRS", "GZRS", "RAGZRS")
UNROUTED = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
"""What the firewalls of storage and vaults take no rules for (RFC 1918)."""


def check_vault_name(world: World, arm_id: str, _inputs: Inputs) -> None:
    """Refuse a name that a deleted vault still has."""
    if leaf(arm_id).lower() in world.deleted_vaults:
        raise ArmError(
            409,
            "ConflictError",
            f"A vault with the same name already exists in deleted state: {leaf(arm_id)}",
        )


def check_vault(_world: World, _arm_id: str, inputs: Inputs) -> None:
    """Refuse what a vault may only be told by silence, and one principal's two policies."""
    properties = inputs["properties"]
    for name in ("enablePurgeProtection", "enableSoftDelete"):
        if properties.get(name) is False:
            words = f'The property "{name}" cannot be set to false.'
            raise ArmError(400, "BadRequest", words)
    people = [each["objectId"] for each in properties.get("accessPolicies") or ()]
    if len(set(people)) < len(people):
        raise ArmError(400, "BadRequest", "An object id has two access policies.")
    for rule in at(properties, "networkAcls.ipRules") or ():
        if not is_routed(rule["value"], longest=32):
            raise ArmError(400, "BadRequest", f"The IP rule {rule['value']} is not a public one.")


def is_routed(text: str, longest: int) -> bool:
    """Whether *text* is an address, or a range no smaller than /*longest*, of the public Internet."""
    try:
        given = IPv4Network(text)
    except ValueError:
        return False
    if "/" in text and given.prefixlen > longest:
        return False
    return not any(given.overlaps(each) for each in UNROUTED)


def check_storage_firewall(world: World, _arm_id: str, inputs: Inputs) -> None:
    """Refuse addresses of a private network, and a subnet that has no service endpoint."""
    rules = inputs.get("networkRuleSet") or {}
    for rule in rules.get("ipRules") or ():
        if not is_routed(rule["iPAddressOrRange"], longest=30):
            raise ArmError(
                400,
                "InvalidValuesForRequestParameters",
                "Values for request parameters are invalid: networkAcls.ipRule[*].value. "
                f"{rule['iPAddressOrRange']}",
            )
    for rule in rules.get("virtualNetworkRules") or ():
        subnet = world.get(rule["virtualNetworkResourceId"])
        offered = subnet["inputs"].get("serviceEndpoints", []) if subnet else []
        if subnet and "Microsoft.Storage" not in [each["service"] for each in offered]:
            raise ArmError(
                400,
                "NetworkAclsValidationFailure",
                "SubnetsHaveNoServiceEndpointsConfigured for Microsoft.Storage",
            )


def check_storage(_world: World, _arm_id: str, inputs: Inputs) -> None:
    """Refuse a kind and a redundancy that do not go together."""
    redundancy = inputs["sku"]["name"]
    tier, _, copies = redundancy.partition("_")
    premium = inputs["kind"] in {"BlockBlobStorage", "FileStorage"}
    if copies.upper() not in REDUNDANCIES or (tier == "Premium") != premium:
        words = f"{inputs['kind']} with {redundancy} is no storage account."
        raise ArmError(400, "InvalidAccountType", words)


def check_container(world: World, arm_id: str, inputs: Inputs) -> None:
    """Refuse a public container in an account that has none."""
    account = world.get(arm_id.partition("/blobServices/")[0])
    assert account is not None, "parents are checked before"
    public = inputs.get("publicAccess") not in {None, "None"}
    if public and not account["inputs"].get("allowBlobPublicAccess"):
        raise ArmError(
            409,
            "PublicAccessNotPermitted",
            "Public access is not permitted on this storage account.",
        )


def check_expiry(_world: World, _arm_id: str, inputs: Inputs) -> None:
    """Refuse rules of one name, and prefixes that begin in no container."""
    rules = at(inputs, "policy.rules") or []
    names = [rule["name"] for rule in rules]
    if not rules or len(set(names)) < len(names):
        words = "The management policy has no rules, or two of one name."
        raise ArmError(400, "InvalidManagementPolicy", words)
    for rule in rules:
        for prefix in at(rule, "definition.filters.prefixMatch") or ():
            if not re.match(r"[a-z0-9$](-?[a-z0-9])*(/|$)", prefix):
                words = f"The prefix {prefix} does not begin with a container's name."
                raise ArmError(400, "InvalidManagementPolicy", words)


def check_budget(_world: World, _arm_id: str, inputs: Inputs) -> None:
    """Refuse a budget that begins before this month, or after a year."""
    start = date.fromisoformat(inputs["timePeriod"]["startDate"][:10])
    today = datetime.now(UTC).date()
    ahead = (start.year - today.year) * 12 + start.month - today.month
    if not 0 <= ahead <= 12:
        words = "prior to the current month" if ahead < 0 else "more than twelve months ahead"
        raise ArmError(400, "400", f"Start date for the time period cannot be {words}")
    end = at(inputs, "timePeriod.endDate")
    if end and date.fromisoformat(end[:10]) <= start:
        raise ArmError(400, "400", "Start date must be before the end date")


def check_notified(_world: World, _arm_id: str, inputs: Inputs) -> None:
    """Refuse a budget of which nobody is told."""
    for name, each in (inputs.get("notifications") or {}).items():
        if not any(each.get(who) for who in ("contactEmails", "contactGroups", "contactRoles")):
            raise ArmError(400, "400", f"Notification {name} has nobody to tell")


ON_CREATE = {
    "azure-native:keyvault:Vault": (check_vault_name,),
    "azure-native:consumption:Budget": (check_budget,),
}
ON_WRITE = {
    "azure-native:keyvault:Vault": (check_vault,),
    "azure-native:storage:StorageAccount": (check_storage, check_storage_firewall),
    "azure-native:storage:BlobContainer": (check_container,),
    "azure-native:storage:ManagementPolicy": (check_expiry,),
    "azure-native:consumption:Budget": (check_notified,),
}
