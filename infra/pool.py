"""A pool: the kind of nodes, their start task, and how many there are."""

from typing import Any

import pulumi
from pulumi_azure_native import batch

from infra import naming
from infra.access import Access
from infra.account import Account
from infra.pools import PlannedPool
from infra.private_endpoints import PrivateEndpoints
from infra.scaling import autoscale_formula
from infra.settings import Settings
from infra.start_task import (
    COMMAND,
    IDENTITY,
    OUTPUT_URL,
    TOOLS_URL,
    VARIABLE,
    encoded,
    start_task_script,
)
from infra.storage import OUTPUT, TOOLS

LAYOUT = 1
"""Raise this with every change in this file, except to scaling and start task."""


def immutable_properties(settings: Settings) -> dict[str, Any]:
    """Return the properties that Azure does not change on a pool with nodes."""
    given: dict[str, Any] = {}
    if settings.batch_account_id:  # other stacks may have pools in the same account
        given["stack"] = settings.all_tags["stack"]
    return given | {
        "layout": LAYOUT,
        "generation": settings.pool_generation,
        "vm": [settings.vm_size, settings.os_disk_size_gb, settings.slots],
        "image": [settings.image, settings.node_agent_sku_id],
        "network": [
            settings.subnet_id,
            settings.subnet_cidr,
            settings.network,
            settings.effective_egress,
        ],
        "identity": settings.pool_identity_id or settings.pool_identity,
        "monitor_agent": settings.monitor_agent,
        "tags": settings.all_tags if settings.is_user_subscription else None,
    }


def pool_name(planned: PlannedPool) -> str:
    """Name a pool after its immutable properties, so that a change of them makes a new pool.

    Pulumi then creates the new one before it deletes the old one. The formula and the start task are not
    part of the name and are changed in place. (A replacement with the same name would be a PUT on the
    existing pool, followed by its deletion.)
    """
    settings = planned.settings
    parts = (settings.name_prefix, planned.name, naming.digest(immutable_properties(settings)))
    return "-".join(filter(None, parts))


class Pool(pulumi.ComponentResource):
    """A pool that, by default, costs nothing while there is no work."""

    pool_name: pulumi.Output[str]

    def __init__(
        self,
        planned: PlannedPool,
        account: Account,
        access: Access,
        subnet_id: pulumi.Input[str] | None,
        endpoints: PrivateEndpoints | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        settings = planned.settings
        name = f"pool-{planned.name}" if planned.name else "pool"
        super().__init__("runner:infra:Pool", name, None, opts)
        pool = batch.Pool(
            name,
            pool_name=pool_name(planned),
            account_name=account.account_name,
            resource_group_name=account.group,
            vm_size=settings.vm_size,
            deployment_configuration=batch.DeploymentConfigurationArgs(
                virtual_machine_configuration=virtual_machine(settings, access.pool_identity_id)
            ),
            identity=identity(access.pool_identity_id),
            network_configuration=network_configuration(settings, subnet_id),
            # Set because a pool without public addresses needs it; newer APIs only have this mode:
            # https://learn.microsoft.com/azure/batch/simplified-compute-node-communication
            target_node_communication_mode=batch.NodeCommunicationMode.SIMPLIFIED,
            inter_node_communication=batch.InterNodeCommunicationState.DISABLED,
            task_slots_per_node=settings.slots,
            # Filling one node before the next leaves other nodes empty, so that they can be removed.
            task_scheduling_policy=batch.TaskSchedulingPolicyArgs(
                node_fill_type=batch.ComputeNodeFillType.PACK
            ),
            scale_settings=scale_settings(settings),
            start_task=start_task(settings, access),
            # In user-subscription mode, these are the only tags on the nodes' bill; Batch's own nodes take none.
            resource_tags=settings.all_tags if settings.is_user_subscription else None,
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=account.provider,
                depends_on=[*access.pool_grants, *(endpoints.ready if endpoints else [])],
                delete_before_replace=False,
            ),
        )
        self.pool_name = pool.name
        self.register_outputs({"pool_name": self.pool_name})


def virtual_machine(
    settings: Settings, pool_identity_id: pulumi.Output[str] | None
) -> batch.VirtualMachineConfigurationArgs:
    """Return the nodes' image."""
    image = settings.node_image
    reference = (
        batch.ImageReferenceArgs(id=image.gallery_id)
        if image.gallery_id
        else batch.ImageReferenceArgs(
            publisher=image.publisher, offer=image.offer, sku=image.sku, version=image.version
        )
    )
    return batch.VirtualMachineConfigurationArgs(
        image_reference=reference,
        node_agent_sku_id=image.agent,
        os_disk=batch.OSDiskArgs(
            disk_size_gb=settings.os_disk_size_gb or None,
            managed_disk=batch.ManagedDiskArgs(
                storage_account_type=batch.StorageAccountType.STANDARD_SS_D_LRS
            ),
        ),
        extensions=[monitor_agent(pool_identity_id)] if settings.monitor_agent else None,
    )


def monitor_agent(pool_identity_id: pulumi.Output[str] | None) -> batch.VMExtensionArgs:
    """Install the Azure Monitor agent, which signs in with the pool's identity.

    A data collection rule defines what it collects; somebody has to associate the rule with the nodes' scale
    sets (by policy, because Batch creates them). This was not tried on Azure.
    """
    return batch.VMExtensionArgs(
        name="AzureMonitorLinuxAgent",
        publisher="Microsoft.Azure.Monitor",
        type="AzureMonitorLinuxAgent",
        type_handler_version="1.0",
        auto_upgrade_minor_version=True,
        settings={
            "authentication": {
                "managedIdentity": {
                    "identifier-name": "mi_res_id",
                    "identifier-value": pool_identity_id,
                }
            }
        },
    )


def identity(pool_identity_id: pulumi.Output[str] | None) -> batch.BatchPoolIdentityArgs | None:
    """Return the pool's identity for the nodes, if there is one."""
    if pool_identity_id is None:
        return None
    return batch.BatchPoolIdentityArgs(
        type=batch.PoolIdentityType.USER_ASSIGNED, user_assigned_identities=[pool_identity_id]
    )


def network_configuration(
    settings: Settings, subnet_id: pulumi.Input[str] | None
) -> batch.NetworkConfigurationArgs:
    """Put the nodes into the subnet, with public addresses only if they are the way to the Internet."""
    public = settings.effective_egress == "batchManagedPublicIp"
    kinds = batch.IPAddressProvisioningType
    return batch.NetworkConfigurationArgs(
        subnet_id=subnet_id,
        public_ip_address_configuration=batch.PublicIPAddressConfigurationArgs(
            provision=kinds.BATCH_MANAGED if public else kinds.NO_PUBLIC_IP_ADDRESSES
        ),
    )


def scale_settings(settings: Settings) -> batch.ScaleSettingsArgs:
    """Return the number of nodes: a formula, or a fixed size."""
    if bounds := settings.autoscale:
        return batch.ScaleSettingsArgs(
            auto_scale=batch.AutoScaleSettingsArgs(
                formula=autoscale_formula(bounds),
                evaluation_interval=f"PT{settings.autoscale_minutes}M",
            )
        )
    # No nodeDeallocationOption: Azure never returns it, so a refresh would show a change.
    return batch.ScaleSettingsArgs(
        fixed_scale=batch.FixedScaleSettingsArgs(
            target_dedicated_nodes=settings.fixed_dedicated_nodes,
            target_low_priority_nodes=settings.fixed_spot_nodes,
            resize_timeout="PT15M",
        )
    )


def start_task(settings: Settings, access: Access) -> batch.StartTaskArgs:
    """Run the start task's script as an administrator, and wait for it before running tasks."""
    variables: dict[str, pulumi.Input[str]] = {
        VARIABLE: encoded(start_task_script(settings.ffmpeg_source))
    }
    if access.pool_client_id is not None:
        blobs = access.storage.blob_endpoint
        variables[IDENTITY] = access.pool_client_id
        variables[TOOLS_URL] = pulumi.Output.concat(
            blobs, "/", access.storage.container_name(TOOLS)
        )
        variables[OUTPUT_URL] = pulumi.Output.concat(
            blobs, "/", access.storage.container_name(OUTPUT)
        )
    return batch.StartTaskArgs(
        command_line=COMMAND,
        environment_settings=[
            batch.EnvironmentSettingArgs(name=name, value=value)
            for name, value in variables.items()
        ],
        user_identity=batch.UserIdentityArgs(
            auto_user=batch.AutoUserSpecificationArgs(
                scope=batch.AutoUserScope.POOL, elevation_level=batch.ElevationLevel.ADMIN
            )
        ),
        wait_for_success=True,
        # The script itself retries within its time limit; repeating it would only cost money.
        max_task_retry_count=0,
    )
