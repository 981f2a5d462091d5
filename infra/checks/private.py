"""Checks of what is needed where nothing is reached by public addresses. Pure."""

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
            (
                "nodes without a network of yours reach nothing that has no public address; "
                "set network own, or subnetId"
            ),
        )
    for name in ("storage_allowed_ips", "batch_allowed_ips", "key_vault_allowed_ips"):
        if getattr(settings, name):
            yield name, "lets public addresses in, and publicNetworkAccess is false; leave it empty"


def endpoint_subnet(settings: Settings) -> Findings:
    """Check that there is a subnet for the private endpoints."""
    given = settings.private_endpoint_subnet_id
    if given and settings.public_network_access:
        yield "private_endpoint_subnet_id", "has no use while publicNetworkAccess is true"
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
                    "is in another network than the nodes, which is made here; set subnetId too, "
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
    """Check that the subnet lies in the network, beside the nodes', and has room."""
    try:
        vnet, nodes = (
            ipaddress.IPv4Network(each) for each in (settings.vnet_cidr, settings.subnet_cidr)
        )
    except ValueError:
        return  # said already
    name = "private_endpoint_subnet_cidr"
    try:
        endpoints = ipaddress.IPv4Network(settings.private_endpoint_subnet_cidr)
    except ValueError as error:
        yield name, f"must be an IPv4 range such as 10.64.3.224/27 ({error})"
        return
    if not endpoints.subnet_of(vnet):
        yield name, f"must lie within vnetCidr {vnet}"
    if endpoints.overlaps(nodes):
        yield name, f"must not overlap subnetCidr {nodes}"
    if endpoints.num_addresses - AZURE_RESERVES < len(settings.private_subresources):
        yield name, "is too small: a /28 has room for all endpoints"


def zones(settings: Settings) -> Findings:
    """Check the private DNS zones that are given: all of those that are needed, or none."""
    given = settings.private_dns_zone_ids
    if not given:
        return
    if settings.public_network_access:
        yield "private_dns_zone_ids", "have no use while publicNetworkAccess is true"
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
            yield "private_dns_zone_ids", f"{zone.name} is there twice"
        known[zone.name.lower()] = zone
    wanted = set(settings.private_dns_zones)
    if surplus := sorted(set(known) - wanted):
        yield (
            "private_dns_zone_ids",
            f"{', '.join(surplus)}: needed are {', '.join(sorted(wanted))}",
        )
    if missing := sorted(wanted - set(known)):
        yield (
            "private_dns_zone_ids",
            f"{', '.join(missing)} is missing; give all of them, or none to have them made here",
        )


def no_way_out(settings: Settings) -> Findings:
    """Check that nodes without a way out need none."""
    if settings.egress != "none":
        return
    if settings.public_network_access:
        yield "egress", "none leaves nodes without Batch and storage; set publicNetworkAccess false"
    if installs_packages(settings):
        yield "egress", "none leaves nodes without apt; set nodeFfmpeg embeddedOnly"
    if settings.monitor_agent:
        yield (
            "egress",
            "none leaves the monitor agent without Azure Monitor; set monitorAgent false",
        )


CHECKS = (private_access, endpoint_subnet, zones, no_way_out)
