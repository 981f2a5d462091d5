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
    vm_size: str
    task_slots: int
    """Tasks that one node runs at once."""
    purpose: str
    default: bool
    """Whether it is used where none is asked for; one of them is."""
    max_nodes: int
    """Spot and dedicated together."""
    max_spot_nodes: int
    max_dedicated_nodes: int
    node_vcpus: int
    """Of one node: times the nodes, what the pool wants of a quota at its largest."""
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
    needs_runner: str = NEEDS_RUNNER
    subscription_id: pulumi.Input[str]
    resource_group: pulumi.Input[str]
    location: str
    batch_account: pulumi.Input[str]
    batch_endpoint: pulumi.Input[str]
    """With its scheme, https."""
    pool_allocation_mode: Literal["UserSubscription", "BatchService"]
    pools: list[dict[str, Any]]
    """Each of PoolOutputs."""
    pool_identity_id: pulumi.Input[str]
    """The ARM id of the identity that nodes of all pools act as; empty when they have none."""
    storage_account: pulumi.Input[str]
    blob_endpoint: pulumi.Input[str]
    """With its scheme, https, and no slash at its end."""
    input_container: str
    output_container: str
    tools_container: str
