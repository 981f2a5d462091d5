"""The whole environment, composed."""

from datetime import UTC, datetime

import pulumi

from infra.access import Access
from infra.account import Account
from infra.configuration import from_pulumi
from infra.existing import look_up
from infra.lasting import watch_for_changes
from infra.monitoring import Monitoring
from infra.network import Network
from infra.node_ffmpeg import PACKAGE
from infra.outputs import Outputs
from infra.place import Place, make_place
from infra.pool import Pool
from infra.private_endpoints import PrivateEndpoints, Target
from infra.settings import Settings
from infra.storage import INPUT, OUTPUT, TOOLS, Storage


def program() -> None:
    """Make the selected stack's environment and export its outputs: what `pulumi up` runs."""
    settings = from_pulumi()
    for words in settings.warnings(datetime.now(UTC).date()):
        pulumi.warn(words)
    watch_for_changes()
    for name, value in vars(make_environment(settings)).items():
        pulumi.export(name, value)


def make_environment(settings: Settings) -> Outputs:
    """Make everything, each part from those before it."""
    place = make_place(settings)
    existing = look_up(settings, place)
    network = Network("network", settings, place) if settings.makes_network else None
    subnet_id = network.subnet_id if network else settings.subnet_id or None
    storage = Storage("storage", settings, place, subnet_id, existing.storage)
    access = Access("access", settings, place, storage, existing.identity)
    account = Account("account", settings, place, storage, access, existing)
    endpoints = make_private_endpoints(settings, place, network, storage, account)
    pool = Pool(settings, account, access, subnet_id, endpoints)
    if settings.wants_monitoring:
        Monitoring("monitoring", settings, place, account)
    embedded = settings.embedded_ffmpeg
    return Outputs(
        subscription_id=place.subscription,
        resource_group=place.group,
        location=settings.location,
        batch_account=account.account_name,
        batch_endpoint=account.endpoint,
        pool_allocation_mode=settings.pool_allocation_mode,
        pool_id=pool.pool_name,
        pool_vm_size=settings.vm_size,
        pool_task_slots=settings.slots,
        pool_max_nodes=settings.max_nodes,
        pool_max_spot_nodes=settings.most_spot_nodes,
        pool_max_dedicated_nodes=settings.most_dedicated_nodes,
        pool_node_vcpus=settings.machine.vcpus,
        pool_quota_family=settings.machine.quota_family,
        pool_identity_id=access.pool_identity_id or "",
        node_ffmpeg=embedded.blob if embedded else "",
        node_ffmpeg_package=f"{PACKAGE} {embedded.wheel}" if embedded else "",
        storage_account=storage.account_name,
        blob_endpoint=storage.blob_endpoint,
        input_container=storage.container_name(INPUT),
        output_container=storage.container_name(OUTPUT),
        tools_container=storage.container_name(TOOLS),
        autoscale_minutes=settings.autoscale_minutes if settings.autoscale else 0,
    )


def make_private_endpoints(
    settings: Settings, place: Place, network: Network | None, storage: Storage, account: Account
) -> PrivateEndpoints | None:
    """Make the private endpoints of storage, vault and Batch, where public addresses are shut."""
    if not settings.private_subresources:
        return None
    own = network.private_endpoint_subnet_id if network else None
    resources = {
        "blob": storage.account_id,
        "vault": account.vault_id,
        "batchAccount": account.account_id,
        "nodeManagement": account.account_id,
    }
    targets = [
        Target(resource_id=resource_id, subresource=each)
        for each in settings.private_subresources
        if (resource_id := resources[each]) is not None
    ]
    return PrivateEndpoints(
        "private-endpoints", settings, place, own or settings.private_endpoint_subnet_id, targets
    )
