"""Checks for stacks without public addresses. Pure."""

import ipaddress

from infra.checks.network import AZURE_RESERVES
from infra.findings import Findings
from infra.ids import ResourceId, is_id_of, parse_id
from infra.pools import installs_packages
from infra.settings import Settings

SUBNET = "Microsoft.Network/virtualNetworks/subnets"
ZONE = "Microsoft.Network/privateDnsZones"


def private_access(settings: Settings) -> Findings:
    """Check that nodes reach Batch and storage, and that nothing contradicts it."""
    if settings.public_network_access:
        return
    if settings.network == "none" and not settings.subnet_id:
        yield (
            "network",
            ("nodes without a VNet cannot reach private addresses; set network own, or subnetId"),
        )
    for name in ("storage_allowed_ips", "batch_allowed_ips", "key_vault_allowed_ips"):
        if getattr(settings, name):
            yield name, "allows public addresses, but publicNetworkAccess is false; leave it empty"


def endpoint_subnet(settings: Settings) -> Findings:
    """Check that there is a subnet for the private endpoints."""
    given = settings.private_endpoint_subnet_id
    if given and settings.public_network_access:
        yield "private_endpoint_subnet_id", "has no effect while publicNetworkAccess is true"
    if given and not is_id_of(given, SUBNET):
        yield (
            "private_endpoint_subnet_id",
            "must be a subnet's full id: `az network vnet subnet show --query id -o tsv …`",
        )
    if not settings.private_subresources:
        return
    if settings.creates_network:
        if given:
            yield (
                "private_endpoint_subnet_id",
                (
                    "is not in the stack's own network, where the nodes are; set subnetId too, "
                    "or leave it empty"
                ),
            )
        yield from endpoint_range(settings)
    elif settings.subnet_id and not given:
        yield (
            "private_endpoint_subnet_id",
            (
                "must be the id of the subnet for the private endpoints: one in the nodes' network or "
                "one peered with it, with private endpoint network policies disabled; subnetId's own will do"
            ),
        )


def endpoint_range(settings: Settings) -> Findings:
    """Check that the subnet is in the network, does not overlap the nodes', and is large enough."""
    try:
        vnet, nodes = (
            ipaddress.IPv4Network(each) for each in (settings.vnet_cidr, settings.subnet_cidr)
        )
    except ValueError:
        return  # reported already
    name = "private_endpoint_subnet_cidr"
    try:
        endpoints = ipaddress.IPv4Network(settings.private_endpoint_subnet_cidr)
    except ValueError as error:
        yield name, f"must be an IPv4 range such as 10.64.3.224/27 ({error})"
        return
    if not endpoints.subnet_of(vnet):
        yield name, f"must be within vnetCidr {vnet}"
    if endpoints.overlaps(nodes):
        yield name, f"must not overlap subnetCidr {nodes}"
    if endpoints.num_addresses - AZURE_RESERVES < len(settings.private_subresources):
        yield name, "is too small: a /28 has room for all endpoints"


def zones(settings: Settings) -> Findings:
    """Check the given private DNS zones: all that are needed, or none."""
    given = settings.private_dns_zone_ids
    if not given:
        return
    if settings.public_network_access:
        yield "private_dns_zone_ids", "have no effect while publicNetworkAccess is true"
        return
    known: dict[str, ResourceId] = {}
    for each in given:
        if not is_id_of(each, ZONE):
            yield (
                "private_dns_zone_ids",
                (
                    f"{each!r}: must be the id of a private DNS zone: "
                    "`az network private-dns zone show --query id -o tsv …`"
                ),
            )
            return
        zone = parse_id(each)
        if zone.name.lower() in known:
            yield "private_dns_zone_ids", f"{zone.name} is listed twice"
        known[zone.name.lower()] = zone
    wanted = set(settings.private_dns_zones)
    if surplus := sorted(set(known) - wanted):
        yield (
            "private_dns_zone_ids",
            f"{', '.join(surplus)}: the zones needed are {', '.join(sorted(wanted))}",
        )
    if missing := sorted(wanted - set(known)):
        yield (
            "private_dns_zone_ids",
            f"{', '.join(missing)} is missing; list all of them, or none to have them created",
        )


def needs_no_internet(settings: Settings) -> Findings:
    """Check that nodes without Internet access do not need it."""
    if settings.egress != "none":
        return
    if settings.public_network_access:
        yield (
            "egress",
            "with none, nodes cannot reach Batch and storage; set publicNetworkAccess false",
        )
    if installs_packages(settings):
        yield "egress", "with none, nodes cannot use apt; set nodeFfmpeg embeddedOnly"
    if settings.monitor_agent:
        yield (
            "egress",
            "with none, the monitor agent cannot reach Azure Monitor; set monitorAgent false",
        )


CHECKS = (private_access, endpoint_subnet, zones, needs_no_internet)
