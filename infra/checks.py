"""What settings must be to work together, and the remedy where they are not. Pure."""

import ipaddress
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from infra import naming
from infra.images import CHOICES, PRESETS, parse_image
from infra.regions import SERVICE_TAG_REGIONS
from infra.settings import Settings
from infra.vm_sizes import parse_vm_size

BATCH_APP_ID = "ddbf3205-c6bd-46ae-8127-60eb93363864"
"""Azure Batch's own application, the same in every tenant; its object id is another in each."""

AZURE_RESERVES = 5
"""Addresses that Azure keeps in every subnet."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SUBNET_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Network"
    r"/virtualNetworks/[^/]+/subnets/[^/]+",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_FIRST_OF_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])-01")


@dataclass(frozen=True)
class Problem:
    """One setting that cannot stay as it is."""

    key: str
    value: object
    remedy: str

    def __str__(self) -> str:
        return f"{self.key}: {json.dumps(self.value)}: {self.remedy}"


ELSEWHERE = {"location": "azure-native:location"}
"""Settings that are not keys of this project's own."""


def key_of(name: str) -> str:
    """Return the configuration key of a field of Settings."""
    if name in ELSEWHERE:
        return ELSEWHERE[name]
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def problems(settings: Settings) -> Iterator[Problem]:
    """Find everything in *settings* that has to change."""
    for check in CHECKS:
        for name, remedy in check(settings):
            yield Problem(key_of(name), getattr(settings, name), remedy)


Found = Iterator[tuple[str, str]]
"""Names of fields, and what to do about each."""


def location(settings: Settings) -> Found:
    """Check that there is a region."""
    if not re.fullmatch(r"[a-z0-9]+", settings.location):
        yield (
            "location",
            "`pulumi config set azure-native:location westeurope` (a region's short name)",
        )


def names(settings: Settings) -> Found:
    """Check the given names by Azure's rules, before Azure does."""
    if words := naming.fault("prefix", settings.name_prefix):
        yield "name_prefix", f"must be {words}"
    for name, kind in {
        "storage_account_name": "storage account",
        "batch_account_name": "Batch account",
        "key_vault_name": "key vault",
    }.items():
        given = getattr(settings, name)
        if given and (words := naming.fault(kind, given)):
            yield name, f"a {kind}'s name is {words}; or leave it empty"


def tags(settings: Settings) -> Found:
    """Check the tags, and that ours stay ours."""
    if len(settings.all_tags) > 50:
        yield "tags", "Azure takes 50 tags, of which this program sets 2"
    for tag, value in settings.tags.items():
        if re.search(r"[<>%&\\?/]", tag) or not 0 < len(tag) <= 512 or len(value) > 256:
            yield (
                "tags",
                f"{tag!r}: a tag's name has 1-512 characters, none of <>%&\\?/, its value 256",
            )
        if tag in {"stack", "managed-by"}:
            yield "tags", f"{tag!r} is set by this program; take another name"


def operator(settings: Settings) -> Found:
    """Somebody has to be let in."""
    if not _UUID.fullmatch(settings.operator_principal_id):
        yield (
            "operator_principal_id",
            (
                "must be the object id of who runs `runner`: "
                "`pulumi config set operatorPrincipalId $(az ad signed-in-user show --query id -o tsv)`, "
                "or a group's (`az ad group show --group NAME --query id -o tsv`) "
                "with operatorPrincipalType Group"
            ),
        )


def batch_principal(settings: Settings) -> Found:
    """Batch itself has to be known, where it makes nodes in this subscription."""
    given = settings.batch_service_principal_object_id
    if not settings.uses_own_subscription or (_UUID.fullmatch(given) and given != BATCH_APP_ID):
        return
    which = (
        "is Batch's application id, the same everywhere; wanted is"
        if given == BATCH_APP_ID
        else "must be"
    )
    yield (
        "batch_service_principal_object_id",
        (
            f"{which} the object id of Microsoft Azure Batch in your tenant: "
            "`az provider register -n Microsoft.Batch --wait`, then "
            "`pulumi config set batchServicePrincipalObjectId "
            f"$(az ad sp show --id {BATCH_APP_ID} --query id -o tsv)`"
        ),
    )


def account(settings: Settings) -> Found:
    """Check what the two allocation modes allow."""
    if settings.uses_own_subscription:
        if settings.allow_shared_key:
            yield (
                "allow_shared_key",
                (
                    "an account in UserSubscription mode takes Entra ID only; "
                    "set it false, or poolAllocationMode BatchService"
                ),
            )
    elif settings.manage_subscription_role:
        yield "manage_subscription_role", "only poolAllocationMode UserSubscription needs that role"
    if not 7 <= settings.key_vault_soft_delete_days <= 90:
        yield "key_vault_soft_delete_days", "must be 7 to 90"


def storage(settings: Settings) -> Found:
    """Check the days, and who the firewall lets through."""
    if not 1 <= settings.soft_delete_days <= 365:
        yield "soft_delete_days", "must be 1 to 365"
    for name in ("expire_input_days", "expire_output_days"):
        if not 0 <= getattr(settings, name) <= 3650:
            yield name, "must be 1 to 3650, or 0 for never"
    for address in settings.storage_allowed_ips:
        if words := address_fault(address):
            yield "storage_allowed_ips", f"{address!r}: {words}"
    if settings.storage_allowed_ips and settings.network == "none" and not settings.subnet_id:
        yield (
            "storage_allowed_ips",
            "shuts out nodes that have no subnet; leave it empty, or network own",
        )


def address_fault(address: str) -> str | None:
    """Say why Azure Storage's firewall would refuse *address*; None when it would not."""
    try:
        network = ipaddress.IPv4Network(address)
    except ValueError:
        return "must be an IPv4 address or a range such as 203.0.113.0/24"
    if network.is_private:
        return "must be a public address: a firewall's rules do not see private ones"
    if network.prefixlen == 31 or ("/" in address and network.prefixlen == 32):
        return "write single addresses without a slash; ranges go up to /30"
    return None


def network(settings: Settings) -> Found:
    """Check that there is one network, and that its place is known."""
    if settings.subnet_id and not _SUBNET_ID.fullmatch(settings.subnet_id):
        yield (
            "subnet_id",
            "must be a subnet's full id: `az network vnet subnet show --query id -o tsv …`",
        )
    if settings.subnet_id and settings.network == "none":
        yield "subnet_id", "contradicts network none; set network own, or leave this empty"
    if settings.makes_network:
        yield from address_space(settings)
        if settings.location and not (
            settings.service_tag_region or settings.location in SERVICE_TAG_REGIONS
        ):
            yield (
                "service_tag_region",
                (
                    f"this program does not know how service tags spell {settings.location}; "
                    '`az network list-service-tags -l LOCATION --query "values[?starts_with(name, '
                    "'BatchNodeManagement')].name\"` says it: what stands after the dot"
                ),
            )


def address_space(settings: Settings) -> Found:
    """Check that the subnet lies in the network and holds the pool at its largest."""
    spaces = {}
    for name in ("vnet_cidr", "subnet_cidr"):
        try:
            spaces[name] = ipaddress.IPv4Network(getattr(settings, name))
        except ValueError as error:
            yield name, f"must be an IPv4 range such as 10.64.0.0/24 ({error})"
    if len(spaces) < 2:
        return
    vnet, subnet = spaces["vnet_cidr"], spaces["subnet_cidr"]
    if not vnet.is_private:
        yield (
            "vnet_cidr",
            "must be a private range: within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
        )
    if not subnet.subnet_of(vnet):
        yield "subnet_cidr", f"must lie within vnetCidr {vnet}"
    usable = subnet.num_addresses - AZURE_RESERVES
    if usable < settings.max_nodes:
        yield (
            "subnet_cidr",
            (
                f"has room for {max(usable, 0)} nodes (Azure keeps {AZURE_RESERVES} addresses), and the "
                f"pool may grow to {settings.max_nodes}: take a larger range, or fewer nodes"
            ),
        )


def way_out(settings: Settings) -> Found:
    """Check that the nodes' way out exists."""
    if settings.subnet_id and settings.egress == "natGateway":
        yield (
            "egress",
            "a NAT gateway goes with the program's own network; with subnetId: subnet or batchManagedPublicIp",
        )
    if settings.makes_network and settings.egress == "subnet":
        yield (
            "egress",
            "means a way out that subnetId already has; without one: natGateway or batchManagedPublicIp",
        )
    outside = settings.network == "none" and not settings.subnet_id
    if outside and settings.egress not in {"auto", "batchManagedPublicIp"}:
        yield (
            "egress",
            "nodes without a network of yours have Batch's public addresses; leave it auto",
        )


def image(settings: Settings) -> Found:
    """Check that image and agent are both known."""
    if parse_image(settings.image, settings.node_agent_sku_id) is None:
        yield "image", f"must be {CHOICES}"
    elif settings.image in PRESETS and settings.node_agent_sku_id:
        yield "node_agent_sku_id", f"{settings.image} brings its own; this is for another image"
    elif settings.image not in PRESETS and not settings.node_agent_sku_id.startswith("batch.node."):
        yield (
            "node_agent_sku_id",
            (
                'an image of your own needs the agent that fits it, such as "batch.node.ubuntu 22.04": '
                "`az batch pool supported-images list` has the pairs"
            ),
        )


def machine(settings: Settings) -> Found:
    """Check the VM size, and what depends on it."""
    size = parse_vm_size(settings.vm_size)
    if size is None:
        yield "vm_size", "must be a size such as Standard_D4ads_v5: `az batch location list-skus`"
        return
    if size.is_retired:
        yield (
            "vm_size",
            "Batch is retiring this family; take a current one, such as Standard_D4ads_v5",
        )
    if not 0 <= settings.task_slots_per_node <= size.max_task_slots:
        yield (
            "task_slots_per_node",
            f"must be 1 to {size.max_task_slots} on {settings.vm_size}, or 0 for one a vCPU",
        )
    chosen = parse_image(settings.image, settings.node_agent_sku_id)
    if chosen and size.is_arm != chosen.is_arm:
        needs = "an arm64 image and agent" if size.is_arm else "an x86-64 image and agent"
        yield "vm_size", f"needs {needs}, which {settings.image} is not"
    if settings.os_disk_size_gb and not 30 <= settings.os_disk_size_gb <= 4095:
        yield "os_disk_size_gb", "must be 30 to 4095 GiB, or 0 for the image's own size"
    if settings.pool_generation < 1:
        yield "pool_generation", "counts from 1"


def scale(settings: Settings) -> Found:
    """Check the node counts."""
    counts = [name for name in Settings.__dataclass_fields__ if name.endswith("_nodes")]
    for name in counts:
        if getattr(settings, name) < 0:
            yield name, "must be 0 or more"
    fixed = settings.fixed_spot_nodes + settings.fixed_dedicated_nodes
    if settings.scale == "auto":
        if fixed:
            yield (
                "scale",
                "fixed node counts need scale fixed; or take maxSpotNodes and maxDedicatedNodes",
            )
        if settings.max_nodes == 0:
            yield "max_spot_nodes", "a pool that may have no nodes runs nothing"
        if settings.min_dedicated_nodes > settings.max_dedicated_nodes:
            yield (
                "min_dedicated_nodes",
                f"is more than maxDedicatedNodes, {settings.max_dedicated_nodes}",
            )
    if not 5 <= settings.autoscale_minutes <= 168 * 60:
        yield "autoscale_minutes", "must be 5 to 10080: Batch evaluates no more often"


def monitoring(settings: Settings) -> Found:
    """Check what alerts and budget need."""
    if not 30 <= settings.log_retention_days <= 730:
        yield "log_retention_days", "must be 30 to 730"
    if settings.alert_email and not _EMAIL.fullmatch(settings.alert_email):
        yield "alert_email", "must be an address such as ops@example.com"
    if settings.monitor_agent and not settings.pool_identity:
        yield "monitor_agent", "signs in as the pool's identity; set poolIdentity true"
    if settings.monthly_budget < 0:
        yield "monthly_budget", "must be an amount in the subscription's currency, or 0 for none"
    if settings.monthly_budget > 0:
        if not settings.alert_email:
            yield "alert_email", "a budget needs somebody to tell"
        if not _FIRST_OF_MONTH.fullmatch(settings.budget_start):
            yield (
                "budget_start",
                "must be the first day of this or a later month, such as 2026-12-01",
            )


CHECKS: tuple[Callable[[Settings], Found], ...] = (
    location,
    names,
    tags,
    operator,
    batch_principal,
    account,
    storage,
    network,
    way_out,
    image,
    machine,
    scale,
    monitoring,
)
