"""The outputs of the stack, which runner reads; none is a secret."""

from dataclasses import dataclass
from typing import Any, Literal

import pulumi

SCHEMA = 2
"""Raised when an output is removed or changes its meaning, not when one is added.

Version 1 had one pool, as `pool_id`, `pool_vm_size` and so on.
"""
NEEDS_RUNNER = "0.1.0"
"""The oldest `runner` that can read SCHEMA; change both together."""


@dataclass(frozen=True, kw_only=True)
class PoolOutputs:
    """One pool of the output `pools`."""

    name: str
    """The name for `runner --pool`; empty if the stack has one pool, without the setting `pools`."""
    id: pulumi.Input[str]
    """The pool's id in Batch; it changes when a change of settings needs a new pool."""
    vm_size: str
    """The nodes' VM size."""
    task_slots: int
    """How many tasks one node runs at the same time."""
    purpose: str
    """What the pool is for, as set in the configuration."""
    default: bool
    """Whether runner uses this pool without `--pool`; true for exactly one."""
    max_nodes: int
    """The maximum number of nodes, Spot and dedicated together."""
    max_spot_nodes: int
    """The maximum number of Spot nodes."""
    max_dedicated_nodes: int
    """The maximum number of dedicated nodes, at full price."""
    node_vcpus: int
    """vCPUs of one node; multiplied by the number of nodes, the quota that the pool needs."""
    quota_family: str
    """The quota for dedicated nodes, as Azure's usage list names it; for Spot it is `lowPriorityCores`."""
    autoscale_minutes: int
    """Minutes between two evaluations of the autoscale formula; 0 if the pool's size is fixed."""
    node_ffmpeg: str
    """The blob in `tools` from which nodes download ffmpeg; empty if they install it with apt only."""
    node_ffmpeg_package: str
    """The package with this binary, and the platform of its wheel: `imageio-ffmpeg==1.2.3 manylinux…`."""


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The stack's outputs, under the names of these fields."""

    outputs_schema: int = SCHEMA
    """The version of these outputs."""
    needs_runner: str = NEEDS_RUNNER
    """The oldest `runner` that can read this version."""
    subscription_id: pulumi.Input[str]
    """The subscription that contains all resources."""
    resource_group: pulumi.Input[str]
    """The resource group that contains all resources."""
    location: str
    """The region, as its short name."""
    batch_account: pulumi.Input[str]
    """The Batch account's name."""
    batch_endpoint: pulumi.Input[str]
    """The address of the Batch account's data plane, starting with `https://`."""
    pool_allocation_mode: Literal["UserSubscription", "BatchService"]
    """Whether the nodes belong to this subscription or to the Batch service."""
    pools: list[dict[str, Any]]
    """The list of pools; their fields are below."""
    pool_identity_id: pulumi.Input[str]
    """The resource id of the identity that all nodes sign in with; empty if there is none."""
    storage_account: pulumi.Input[str]
    """The storage account's name."""
    blob_endpoint: pulumi.Input[str]
    """The address of the storage account's blobs, starting with `https://` and without a slash at the end."""
    input_container: str
    """The container for uploaded sources."""
    output_container: str
    """The container for results and for the logs of start tasks."""
    tools_container: str
    """The container for the worker and for the nodes' ffmpeg."""
    storage_sku_name: str
    """The storage account's tier and redundancy, as Azure's price list names them: `Hot LRS`. Empty if the list has none for it."""
    soft_delete_days: int
    """How many days the storage account keeps deleted blobs; -1 if that is not known."""
    read_containers: list[str]
    """The ids of further containers that nodes and operators may read, as `readContainers` has them."""
    write_containers: list[str]
    """Likewise of those that they may write to, and read: `writeContainers`."""
