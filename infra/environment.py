"""The whole environment, composed of its parts."""

from datetime import UTC, datetime
from itertools import chain
from typing import Any

import pulumi

from infra.access import Access
from infra.account import Account
from infra.configuration import from_pulumi
from infra.existing import look_up
from infra.immutable import check_changes
from infra.monitoring import Monitoring
from infra.network import Network
from infra.node_ffmpeg import PACKAGE
from infra.outputs import Outputs, PoolOutputs
from infra.pool import Pool
from infra.pools import PlannedPool, pools_of, quota_words
from infra.private_endpoints import PrivateEndpoints, Target
from infra.scope import Scope, make_scope
from infra.settings import Settings
from infra.storage import INPUT, OUTPUT, TOOLS, Storage


def program() -> None:
    """Make the selected stack's environment and export its outputs: what `pulumi up` runs."""
    settings = from_pulumi()
    today = datetime.now(UTC).date()
    warnings = (pool.settings.warnings(today) for pool in pools_of(settings))
    for words in dict.fromkeys(chain.from_iterable(warnings)):
        pulumi.warn(words)
    for words in quota_words(settings):
        pulumi.info(words)
    check_changes()
    for name, value in vars(make_environment(settings)).items():
        pulumi.export(name, value)


def make_environment(settings: Settings) -> Outputs:
    """Make everything, each part from the previous ones."""
    scope = make_scope(settings)
    existing = look_up(settings, scope)
    network = Network("network", settings, scope) if settings.creates_network else None
    subnet_id = network.subnet_id if network else settings.subnet_id or None
    storage = Storage("storage", settings, scope, subnet_id, existing.storage)
    access = Access("access", settings, scope, storage, existing.identity)
    account = Account("account", settings, scope, access, existing)
    endpoints = make_private_endpoints(settings, scope, network, storage, account)
    pools = [
        pool_outputs(planned, Pool(planned, account, access, subnet_id, endpoints))
        for planned in pools_of(settings)
    ]
    if settings.wants_monitoring:
        Monitoring("monitoring", settings, scope, account)
    return Outputs(
        subscription_id=scope.subscription,
        resource_group=scope.group,
        location=settings.location,
        batch_account=account.account_name,
        batch_endpoint=account.endpoint,
        pool_allocation_mode=settings.pool_allocation_mode,
        pools=pools,
        pool_identity_id=access.pool_identity_id or "",
        storage_account=storage.account_name,
        blob_endpoint=storage.blob_endpoint,
        input_container=storage.container_name(INPUT),
        output_container=storage.container_name(OUTPUT),
        tools_container=storage.container_name(TOOLS),
        storage_sku_name=storage.sku_name,
        soft_delete_days=-1 if existing.storage else settings.soft_delete_days,
        read_containers=list(settings.read_containers),
        write_containers=list(settings.write_containers),
    )


def make_private_endpoints(
    settings: Settings, scope: Scope, network: Network | None, storage: Storage, account: Account
) -> PrivateEndpoints | None:
    """Make the private endpoints of storage, vault and Batch, if public addresses are closed."""
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
        "private-endpoints", settings, scope, own or settings.private_endpoint_subnet_id, targets
    )


def pool_outputs(planned: PlannedPool, pool: Pool) -> dict[str, Any]:
    """Return what runner needs to know about a pool."""
    settings = planned.settings
    embedded = settings.embedded_ffmpeg
    facts = PoolOutputs(
        name=planned.name,
        id=pool.pool_name,
        vm_size=settings.vm_size,
        task_slots=settings.slots,
        purpose=planned.purpose,
        default=planned.default,
        max_nodes=settings.max_nodes,
        max_spot_nodes=settings.most_spot_nodes,
        max_dedicated_nodes=settings.most_dedicated_nodes,
        node_vcpus=settings.machine.vcpus,
        quota_family=settings.machine.quota_family,
        autoscale_minutes=settings.autoscale_minutes if settings.autoscale else 0,
        node_ffmpeg=embedded.blob if embedded else "",
        node_ffmpeg_package=f"{PACKAGE} {embedded.wheel}" if embedded else "",
    )
    return dict(vars(facts))
