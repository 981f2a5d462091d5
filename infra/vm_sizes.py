"""The properties of a VM size, read from its name. Pure."""

import re
from dataclasses import dataclass

_SIZE = re.compile(
    r"Standard_(?P<family>[A-Z]+)(?P<vcpus>\d+)(?:-(?P<active>\d+))?(?P<features>[a-z]*)"
    r"(?:_[A-Z][A-Za-z0-9]*)?(?:_v(?P<version>\d+))?"
)

_RETIRED = {
    ("D", 1),
    ("D", 2),
    ("DS", 1),
    ("DS", 2),
    ("L", 1),
    ("HB", 2),
    ("HC", 1),
    ("NP", 1),
}
"""Families (and versions) that Batch is retiring, as of 2026-05-15:
https://github.com/Azure/Batch/issues/140"""


@dataclass(frozen=True, kw_only=True)
class VmSize:
    """A machine, read from the name of its size: `Standard_D4ads_v5`."""

    family: str
    features: str
    version: int
    vcpus: int
    is_arm: bool

    @property
    def is_retired(self) -> bool:
        """Whether Batch is retiring the family."""
        return (self.family, self.version) in _RETIRED

    @property
    def max_task_slots(self) -> int:
        """The most task slots that Batch allows on a node.

        https://learn.microsoft.com/azure/batch/batch-parallel-node-tasks
        """
        return min(4 * self.vcpus, 256)

    @property
    def quota_family(self) -> str:
        """The quota for its vCPUs at full price, as in `az vm list-usage`."""
        version = f"v{self.version}" if self.version > 1 else ""
        return f"standard{self.family}{self.features.upper()}{version}Family"

    @property
    def wants_generation_2(self) -> bool:
        """Whether the machine only starts generation-2 images: general purpose sizes from version 6."""
        return self.family in {"D", "E", "F"} and self.version >= 6


def parse_vm_size(name: str) -> VmSize | None:
    """Parse the name of a size; return None if it is not one."""
    match = _SIZE.fullmatch(name)
    if match is None:
        return None
    return VmSize(
        family=match["family"],
        features=match["features"],
        version=int(match["version"] or 1),
        vcpus=int(match["active"] or match["vcpus"]),
        is_arm="p" in match["features"],
    )
