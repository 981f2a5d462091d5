"""What the stack tells the runner: one set of names, without secrets."""

from dataclasses import dataclass
from typing import Any, Literal

import pulumi

SCHEMA = 2
"""Counted up when a name below goes, or means something else; a new name changes nothing.

1 had one pool, as `pool_id`, `pool_vm_size` and so on.
"""
NEEDS_RUNNER = "0.1.0"
"""The first `runner` that reads SCHEMA; to be set with it."""


@dataclass(frozen=True, kw_only=True)
class PoolOutputs:
    """A pool, in the output `pools`."""

    name: str
    """What `runner --pool` calls it; empty for the only one of a stack without the setting `pools`."""
    id: pulumi.Input[str]
    """The pool, as Batch calls it; another one after a change that a pool does not bear."""
    vm_size: str
    """The nodes' VM size."""
    task_slots: int
    """Tasks that one node runs at once."""
    purpose: str
    """What it is for, in the words of the configuration."""
    default: bool
    """Whether it is used where none is asked for; one of them is."""
    max_nodes: int
    """The most nodes that the pool ever has, Spot and dedicated together."""
    max_spot_nodes: int
    """The most Spot nodes that the pool ever has."""
    max_dedicated_nodes: int
    """The most nodes at full price that it ever has."""
    node_vcpus: int
    """vCPUs of one node: times the nodes, what the pool wants of a quota at its largest."""
    quota_family: str
    """The quota of dedicated nodes, as Azure's usage list names it; that of Spot is `lowPriorityCores`."""
    autoscale_minutes: int
    """Minutes between two looks at the work that waits; 0 when the pool's size is fixed."""
    node_ffmpeg: str
    """The blob in `tools` from which nodes take ffmpeg once it is there; empty when they look for none."""
    node_ffmpeg_package: str
    """The package that binary is from, and its wheel's platform: `imageio-ffmpeg==1.2.3 manylinux…`."""


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The stack's outputs: the fields' names are theirs."""

    outputs_schema: int = SCHEMA
    """The version of this set of names."""
    needs_runner: str = NEEDS_RUNNER
    """The first `runner` that reads this version."""
    subscription_id: pulumi.Input[str]
    """The subscription that everything is in."""
    resource_group: pulumi.Input[str]
    """The resource group that everything is in."""
    location: str
    """The region, by its short name."""
    batch_account: pulumi.Input[str]
    """The Batch account's name."""
    batch_endpoint: pulumi.Input[str]
    """The Batch account's data plane, with its scheme, https."""
    pool_allocation_mode: Literal["UserSubscription", "BatchService"]
    """Whose the nodes are: of this subscription, or of the Batch service."""
    pools: list[dict[str, Any]]
    """The pools, a list; below is what each says."""
    pool_identity_id: pulumi.Input[str]
    """The ARM id of the identity that nodes of all pools act as; empty when they have none."""
    storage_account: pulumi.Input[str]
    """The storage account's name."""
    blob_endpoint: pulumi.Input[str]
    """The storage account's blobs, with the scheme, https, and no slash at the end."""
    input_container: str
    """The container that sources are uploaded to."""
    output_container: str
    """The container that results and the start tasks' logs are in."""
    tools_container: str
    """The container of the worker and of the ffmpeg that nodes take."""
