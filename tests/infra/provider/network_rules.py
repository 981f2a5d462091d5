"""What Azure refuses of networks: ranges, rules, regions."""

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError, ip_network
from itertools import pairwise
from typing import Any

from tests.infra.provider.kinds import Inputs
from tests.infra.provider.names import leaf
from tests.infra.provider.refusals import ArmError
from tests.infra.provider.store import World

SUBNET = "azure-native:network:Subnet"
RESERVED = tuple(
    map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"))
)
"""What no virtual network may hold; 168.63.129.16 besides: "Azure Virtual Network FAQ"."""
AZURE = IPv4Address("168.63.129.16")
SERVICE_TAGS = frozenset(
    [
        "AzureActiveDirectory",
        "AzureContainerRegistry",
        "AzureKeyVault",
        "AzureLoadBalancer",
        "AzureMonitor",
        "AzureResourceManager",
        "BatchNodeManagement",
        "Internet",
        "Storage",
        "VirtualNetwork",
    ]
)


def in_network(world: World, vnet_id: str) -> Iterator[dict[str, Any]]:
    """List a network's subnets."""
    for each in world.of(SUBNET):
        if each["id"].lower().startswith(f"{vnet_id.lower()}/"):
            yield each


def range_of(text: str, what: str) -> IPv4Network:
    """Read a range; its address has to be the first of it."""
    try:
        return IPv4Network(text)
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        code = (
            "InvalidCIDRNotation" if "has host bits" in str(error) else "InvalidAddressPrefixFormat"
        )
        raise ArmError(400, code, f"The {what} {text} is not a range: {error}") from error


def check_network(world: World, arm_id: str, inputs: Inputs) -> None:
    """Refuse ranges that no network may have, that overlap, or that leave a subnet out."""
    prefixes = (inputs.get("addressSpace") or {}).get("addressPrefixes") or []
    if not prefixes:
        raise ArmError(400, "NetcfgInvalidVirtualNetworkSite", "The network has no address space.")
    spaces = [range_of(each, "address prefix") for each in prefixes]
    for space in spaces:
        if any(space.overlaps(each) for each in RESERVED) or AZURE in space:
            raise ArmError(400, "AddressPrefixNotAllowed", f"{space} is reserved.")
        if not 2 <= space.prefixlen <= 29:
            raise ArmError(400, "InvalidAddressPrefixFormat", f"{space} is too large or too small.")
    for one, other in pairwise(sorted(spaces)):
        if one.overlaps(other):
            raise ArmError(400, "NetcfgAddressSpaceOverlaps", f"{one} overlaps {other}.")
    for subnet in in_network(world, arm_id):
        hold(IPv4Network(subnet["inputs"]["addressPrefix"]), spaces, leaf(arm_id))


def hold(prefix: IPv4Network, spaces: list[IPv4Network], vnet: str) -> None:
    """Refuse a subnet that lies outside its network."""
    if not any(prefix.subnet_of(space) for space in spaces):
        raise ArmError(
            400,
            "NetcfgSubnetRangeOutsideVnet",
            f"Subnet {prefix} is not valid because its IP address range is outside the IP address "
            f"range of virtual network '{vnet}'.",
        )


def check_subnet(world: World, arm_id: str, inputs: Inputs) -> None:
    """Refuse a subnet outside its network, over another, or too small; and what refers elsewhere."""
    prefix = range_of(inputs.get("addressPrefix") or "", "address prefix")
    if prefix.prefixlen > 29:
        raise ArmError(400, "InvalidAddressPrefixFormat", f"{prefix} is smaller than a /29.")
    vnet = world.get(arm_id.rpartition("/subnets/")[0])
    assert vnet is not None, "parents are checked before"
    hold(
        prefix,
        [IPv4Network(each) for each in vnet["inputs"]["addressSpace"]["addressPrefixes"]],
        leaf(vnet["id"]),
    )
    for other in in_network(world, vnet["id"]):
        if other["id"].lower() != arm_id.lower() and prefix.overlaps(
            IPv4Network(other["inputs"]["addressPrefix"])
        ):
            raise ArmError(
                400,
                "NetcfgSubnetRangesOverlap",
                f"Subnet '{leaf(arm_id)}' is not valid because its IP address range overlaps with "
                f"that of an existing subnet in virtual network '{leaf(vnet['id'])}'.",
            )
    for name in ("networkSecurityGroup", "natGateway"):
        check_same_region(world, inputs.get(name), vnet)


def check_kept_range(world: World, arm_id: str, inputs: Inputs) -> None:
    """Refuse another range for a subnet in which something is."""
    found = world.get(arm_id)
    assert found is not None, "an update"
    if found["inputs"].get("addressPrefix") == inputs.get("addressPrefix"):
        return
    for other in world.resources.values():
        if other["id"] != arm_id and f"'{arm_id}'" in repr(other["inputs"]):
            raise ArmError(
                400,
                "InUsePrefixCannotBeDeleted",
                f"IpPrefix {found['inputs'].get('addressPrefix')} on Subnet {leaf(arm_id)} has "
                f"active allocations and cannot be deleted: {other['id']}.",
            )


def check_same_region(world: World, reference: Any, beside: dict[str, Any]) -> None:
    """Refuse to use what is in another region than what it is for."""
    found = world.get((reference or {}).get("id") or "")
    there = found and found["inputs"].get("location")
    here = beside["inputs"].get("location")
    if there and here and there != here:
        raise ArmError(
            400,
            "InvalidResourceReference",
            f"Resource {(reference or {})['id']} is in {there}, and what refers to it in {here}.",
        )


def check_security_group(_world: World, _arm_id: str, inputs: Inputs) -> None:
    """Refuse rules that do not go with each other, or that say too little or too much."""
    seen: dict[tuple[str, int], str] = {}
    names: set[str] = set()
    for rule in inputs.get("securityRules") or ():
        place = (rule["direction"], rule["priority"])
        if place in seen:
            raise ArmError(
                400,
                "SecurityRuleConflict",
                f"Security rule {rule['name']} conflicts with rule {seen[place]}. Rules cannot have "
                "the same Priority and Direction.",
            )
        if rule["name"].lower() in names:
            words = f"Two security rules are called {rule['name']}."
            raise ArmError(400, "InvalidRequestFormat", words)
        seen[place] = rule["name"]
        names.add(rule["name"].lower())
        check_rule(rule)


def check_rule(rule: dict[str, Any]) -> None:
    """Refuse a rule that is for nobody, for two, or for an unknown tag; and ports out of order."""
    pairs = (
        ("sourceAddressPrefix", "sourceAddressPrefixes", "sourceApplicationSecurityGroups"),
        ("destinationAddressPrefix", "destinationAddressPrefixes", "destinationApplicationSecurityGroups"),
        ("sourcePortRange", "sourcePortRanges"),
        ("destinationPortRange", "destinationPortRanges"),
    )  # fmt: skip
    for names in pairs:
        if len([name for name in names if rule.get(name)]) != 1:
            words = f"Security rule {rule['name']} must have exactly one of {', '.join(names)}."
            raise ArmError(400, "SecurityRuleParameterMissing", words)
    for end in ("source", "destination"):
        for prefix in (rule.get(f"{end}AddressPrefix"), *rule.get(f"{end}AddressPrefixes", ())):
            if prefix and not is_place(prefix):
                words = f"Security rule has invalid Address prefix. Value provided: {prefix}"
                raise ArmError(400, "SecurityRuleInvalidAddressPrefix", words)
        for ports in (rule.get(f"{end}PortRange"), *rule.get(f"{end}PortRanges", ())):
            if ports and not is_ports(ports):
                words = f"Security rule has invalid Port range. Value provided: {ports}"
                raise ArmError(400, "SecurityRuleInvalidPortRange", words)


def is_place(text: str) -> bool:
    """Whether a rule may be for *text*: everything, a service tag, or a range."""
    if text == "*" or text.split(".", maxsplit=1)[0] in SERVICE_TAGS:
        return re.fullmatch(r"\*|\w+(\.\w+)?", text) is not None
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def is_ports(text: str) -> bool:
    """Whether *text* is a port, a range of them, or all."""
    if text == "*":
        return True
    ends = text.split("-")
    if not all(end.isdigit() and int(end) <= 65535 for end in ends) or len(ends) > 2:
        return False
    return int(ends[0]) <= int(ends[-1])


def check_gateway(world: World, _arm_id: str, inputs: Inputs) -> None:
    """Refuse a gateway whose addresses are of another region or kind."""
    for reference in inputs.get("publicIpAddresses") or ():
        check_same_region(world, reference, {"inputs": inputs})
        address = world.get(reference["id"])
        if address and (address["inputs"].get("sku") or {}).get("name") != "Standard":
            words = f"{reference['id']} is not of SKU Standard, which a NAT gateway needs."
            raise ArmError(400, "NatGatewayAssociatedPublicIpSkuInvalid", words)


def check_address(_world: World, _arm_id: str, inputs: Inputs) -> None:
    """Refuse a dynamic address of the standard kind; the basic kind is retired."""
    if (inputs.get("sku") or {}).get("name", "Basic") == "Basic":
        words = "Basic SKU public IP addresses are retired."
        raise ArmError(400, "IPv4BasicSkuPublicIpCountLimitReached", words)
    if inputs.get("publicIPAllocationMethod", "Dynamic") != "Static":
        words = "Standard SKU public IP addresses must be static."
        raise ArmError(400, "PublicIPAddressAllocationMethodNotSupported", words)


ON_WRITE = {
    "azure-native:network:VirtualNetwork": (check_network,),
    SUBNET: (check_subnet,),
    "azure-native:network:NetworkSecurityGroup": (check_security_group,),
    "azure-native:network:NatGateway": (check_gateway,),
    "azure-native:network:PublicIPAddress": (check_address,),
}
ON_CHANGE = {SUBNET: (check_kept_range,)}
