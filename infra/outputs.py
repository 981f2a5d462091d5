"""What the stack tells the runner: one flat set of names, without secrets."""

from dataclasses import dataclass
from typing import Literal

import pulumi

SCHEMA = 1
"""Counted up when a name below goes, or means something else; a new name changes nothing."""


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The stack's outputs: the fields' names are theirs."""

    outputs_schema: int = SCHEMA
    subscription_id: pulumi.Input[str]
    resource_group: pulumi.Input[str]
    location: str
    batch_account: pulumi.Input[str]
    batch_endpoint: pulumi.Input[str]
    """With its scheme, https."""
    pool_allocation_mode: Literal["UserSubscription", "BatchService"]
    pool_id: pulumi.Input[str]
    pool_vm_size: str
    pool_task_slots: int
    """Tasks that one node runs at once."""
    pool_max_nodes: int
    """Spot and dedicated together."""
    pool_max_spot_nodes: int
    pool_max_dedicated_nodes: int
    pool_node_vcpus: int
    """Of one node: times the nodes, what the pool wants of a quota at its largest."""
    pool_quota_family: str
    """The quota of dedicated nodes, as Azure's usage list names it; that of Spot is `lowPriorityCores`."""
    pool_identity_id: pulumi.Input[str]
    """The ARM id of the identity that nodes act as; empty when they have none."""
    node_ffmpeg: str
    """The blob in `tools` from which nodes take ffmpeg once it is there; empty when they look for none."""
    node_ffmpeg_package: str
    """The package that binary is from, and its wheel's platform: `imageio-ffmpeg==1.2.3 manylinux…`."""
    storage_account: pulumi.Input[str]
    blob_endpoint: pulumi.Input[str]
    """With its scheme, https, and no slash at its end."""
    input_container: str
    output_container: str
    tools_container: str
    autoscale_minutes: int
    """Minutes between two looks at the work that waits; 0 when the pool's size is fixed."""
