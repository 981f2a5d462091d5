"""Checks of the nodes' network, their Internet access, and the storage account's firewall. Pure."""

import ipaddress
import re

from infra.findings import Findings
from infra.pools import max_nodes
from infra.regions import SERVICE_TAG_REGIONS
from infra.settings import Settings

AZURE_RESERVES = 5
"""Addresses that Azure reserves in every subnet:
https://learn.microsoft.com/azure/virtual-network/virtual-networks-faq"""


PRIVATE = tuple(
    ipaddress.IPv4Network(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)
"""The ranges of RFC 1918. Python also calls loopback and link-local ranges private, but Azure refuses them."""
DOCKERS = ipaddress.IPv4Network("172.17.0.0/16")
"""Docker's range, which Batch says to avoid:
https://learn.microsoft.com/azure/batch/batch-virtual-network"""

_SUBNET_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Network"
    r"/virtualNetworks/[^/]+/subnets/[^/]+",
    re.IGNORECASE,
)


def network(settings: Settings) -> Findings:
    """Check that the network is clear, and that the region is known."""
    if settings.subnet_id and not _SUBNET_ID.fullmatch(settings.subnet_id):
        yield (
            "subnet_id",
            "must be a subnet's full id: `az network vnet subnet show --query id -o tsv …`",
        )
    if settings.subnet_id and settings.network == "none":
        yield "subnet_id", "contradicts network none; set network own, or leave this empty"
    if settings.creates_network:
        yield from address_space(settings)
        if settings.location and not (
            settings.service_tag_region or settings.location in SERVICE_TAG_REGIONS
        ):
            yield (
                "service_tag_region",
                (
                    f"this program does not know how service tags spell {settings.location}; "
                    '`az network list-service-tags -l LOCATION --query "values[?starts_with(name, '
                    "'BatchNodeManagement')].name\"` shows it: the part after the dot"
                ),
            )


def address_space(settings: Settings) -> Findings:
    """Check that the subnet is in the network, and large enough for all pools."""
    spaces = {}
    for name in ("vnet_cidr", "subnet_cidr"):
        try:
            spaces[name] = ipaddress.IPv4Network(getattr(settings, name))
        except ValueError as error:
            yield name, f"must be an IPv4 range such as 10.64.0.0/24 ({error})"
    if len(spaces) < 2:
        return
    vnet, subnet = spaces["vnet_cidr"], spaces["subnet_cidr"]
    if not any(vnet.subnet_of(space) for space in PRIVATE):
        yield (
            "vnet_cidr",
            "must be a private range: within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
        )
    elif vnet.overlaps(DOCKERS):
        yield "vnet_cidr", f"must not overlap {DOCKERS}, which Docker uses on Batch's nodes"
    if not subnet.subnet_of(vnet):
        yield "subnet_cidr", f"must be within vnetCidr {vnet}"
    usable = subnet.num_addresses - AZURE_RESERVES
    if usable < (most := max_nodes(settings)):
        who = "pools may grow" if settings.pools else "pool may grow"
        yield (
            "subnet_cidr",
            (
                f"has room for {max(usable, 0)} nodes (Azure reserves {AZURE_RESERVES} addresses), but the "
                f"{who} to {most}: use a larger range, or fewer nodes"
            ),
        )


def egress(settings: Settings) -> Findings:
    """Check that the nodes' Internet access is possible."""
    if settings.subnet_id and settings.egress == "natGateway":
        yield (
            "egress",
            "natGateway needs the stack's own network; with subnetId, set subnet or batchManagedPublicIp",
        )
    if settings.creates_network and settings.egress == "subnet":
        yield (
            "egress",
            "needs subnetId; without it, set natGateway or batchManagedPublicIp",
        )
    # In both allocation modes, as Microsoft's sample leaves its subnet empty. Not tried on Azure.
    outside = settings.network == "none" and not settings.subnet_id
    if outside and settings.egress not in {"auto", "batchManagedPublicIp"}:
        yield (
            "egress",
            "nodes without a VNet have Batch's public addresses; leave it at auto",
        )


def address_fault(address: str) -> str | None:
    """Return why Azure Storage's firewall would refuse *address*, else None."""
    try:
        network = ipaddress.IPv4Network(address)
    except ValueError:
        return "must be an IPv4 address or a range, such as 20.30.40.0/24"
    if network.is_private:
        return "must be a public address: firewall rules do not work for private ones"
    if network.prefixlen == 31 or ("/" in address and network.prefixlen == 32):
        return "write single addresses without a slash; ranges go up to /30"
    return None


def firewall(settings: Settings) -> Findings:
    """Check the addresses that the firewalls allow."""
    for name in ("storage_allowed_ips", "batch_allowed_ips", "key_vault_allowed_ips"):
        for address in getattr(settings, name):
            if words := address_fault(address):
                yield name, f"{address!r}: {words}"
    if settings.storage_allowed_ips and settings.network == "none" and not settings.subnet_id:
        yield (
            "storage_allowed_ips",
            "would block nodes without a subnet; leave it empty, or set network own",
        )


CHECKS = (network, egress, firewall)
