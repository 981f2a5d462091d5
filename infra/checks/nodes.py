"""Checks of the kind and number of nodes. Pure."""

import re

from infra.findings import Findings
from infra.images import CHOICES, PRESETS, parse_image
from infra.pools import installs_packages
from infra.settings import Settings
from infra.vm_sizes import parse_vm_size


def image(settings: Settings) -> Findings:
    """Check that image and agent are known."""
    if parse_image(settings.image, settings.node_agent_sku_id) is None:
        yield "image", f"must be {CHOICES}"
    elif settings.image in PRESETS and settings.node_agent_sku_id:
        yield (
            "node_agent_sku_id",
            f"{settings.image} has its own agent; this is only for other images",
        )
    elif settings.image not in PRESETS and not settings.node_agent_sku_id.startswith("batch.node."):
        yield (
            "node_agent_sku_id",
            (
                'an image of your own needs the matching agent, such as "batch.node.ubuntu 22.04": '
                "`az batch pool supported-images list` has the pairs"
            ),
        )


MOST_NODES = 2500
"""Pool size limits: https://learn.microsoft.com/azure/batch/batch-quota-limit#pool-size-limits"""
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:\d+)?(/[A-Za-z0-9._~/-]*)?")


def ffmpeg(settings: Settings) -> Findings:
    """Check where nodes get ffmpeg from."""
    if settings.node_ffmpeg == "embeddedOnly" and not settings.pool_identity:
        yield (
            "node_ffmpeg",
            "needs the pool's identity for the download; set poolIdentity true, or set apt",
        )


def packages(settings: Settings) -> Findings:
    """Check the package mirror and proxy, which are the same for all pools."""
    for name in ("package_mirror", "package_proxy"):
        given = getattr(settings, name)
        if given and not _URL.fullmatch(given):
            yield name, "must be a URL such as http://mirror.example.com/ubuntu, without a password"
        elif given and not installs_packages(settings):
            yield name, "has no effect: with these settings, nodes install no packages"


def machine(settings: Settings) -> Findings:
    """Check the VM size and what depends on it."""
    size = parse_vm_size(settings.vm_size)
    if size is None:
        yield "vm_size", "must be a size such as Standard_D4ads_v5: `az batch location list-skus`"
        return
    if size.is_retired:
        yield (
            "vm_size",
            "Batch is retiring this family; use a current one, such as Standard_D4ads_v5",
        )
    if not 0 <= settings.task_slots_per_node <= size.max_task_slots:
        yield (
            "task_slots_per_node",
            f"must be 1 to {size.max_task_slots} on {settings.vm_size}, or 0 for one per vCPU",
        )
    chosen = parse_image(settings.image, settings.node_agent_sku_id)
    if chosen and size.is_arm != chosen.is_arm:
        needs = "an arm64 image and agent" if size.is_arm else "an x86-64 image and agent"
        yield "vm_size", f"needs {needs}, which {settings.image} is not"
    if settings.os_disk_size_gb and not 30 <= settings.os_disk_size_gb <= 4095:
        yield "os_disk_size_gb", "must be 30 to 4095 GiB, or 0 for the image's default size"
    if settings.pool_generation < 1:
        yield "pool_generation", "must be 1 or more"


def scale(settings: Settings) -> Findings:
    """Check the node counts."""
    counts = [name for name in Settings.__dataclass_fields__ if name.endswith("_nodes")]
    for name in counts:
        if getattr(settings, name) < 0:
            yield name, "must be 0 or more"
    fixed = settings.fixed_spot_nodes + settings.fixed_dedicated_nodes
    if settings.max_nodes > MOST_NODES:
        yield (
            "max_spot_nodes",
            f"makes {settings.max_nodes} nodes, but a pool can have {MOST_NODES} at most",
        )
    if settings.scale == "fixed" and not fixed:
        yield "fixed_spot_nodes", "a pool of fixed size without nodes runs nothing"
    if settings.scale == "auto":
        if fixed:
            yield (
                "scale",
                "fixed node counts need scale fixed; or set maxSpotNodes and maxDedicatedNodes",
            )
        if settings.max_nodes == 0:
            yield "max_spot_nodes", "set maxSpotNodes or maxDedicatedNodes above 0"
        if settings.min_dedicated_nodes > settings.max_dedicated_nodes:
            yield (
                "min_dedicated_nodes",
                f"is more than maxDedicatedNodes, {settings.max_dedicated_nodes}",
            )
    if not 5 <= settings.autoscale_minutes <= 168 * 60:
        yield "autoscale_minutes", "must be 5 to 10080: Batch does not evaluate more often"


CHECKS = (packages,)
OF_A_POOL = (image, machine, ffmpeg, scale)
