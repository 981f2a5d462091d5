"""The pools of a configuration, each with its own settings and the rest from the stack. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra.settings import Settings

POOL_SETTINGS = (
    "image",
    "node_agent_sku_id",
    "image_has_ffmpeg",
    "node_ffmpeg",
    "vm_size",
    "os_disk_size_gb",
    "task_slots_per_node",
    "pool_generation",
    "scale",
    "max_spot_nodes",
    "max_dedicated_nodes",
    "min_dedicated_nodes",
    "autoscale_minutes",
    "fixed_spot_nodes",
    "fixed_dedicated_nodes",
)
"""The fields of Settings that a pool may set."""
_GO_WITH: Mapping[str, Mapping[str, Any]] = {
    "image": {"node_agent_sku_id": "", "image_has_ffmpeg": False},
    "scale": {"fixed_spot_nodes": 0, "fixed_dedicated_nodes": 0},
}
"""The settings that a pool does not take from the stack if it sets the one that they belong to."""
SPOT_QUOTA = "lowPriorityCores"
"""The quota for all Spot vCPUs, as in `az vm list-usage`."""


@dataclass(frozen=True, kw_only=True)
class PlannedPool:
    """A pool to create."""

    name: str
    """The name for `runner --pool`; empty for a stack's only pool, which needs none."""
    purpose: str
    default: bool
    """Whether it is used without `--pool`."""
    settings: Settings
    """The stack's settings, with the pool's own ones replaced."""


def pools_of(settings: Settings) -> tuple[PlannedPool, ...]:
    """Return the pools in *settings*: those in `pools`, or the stack's only one."""
    if not settings.pools:
        return (PlannedPool(name="", purpose="", default=True, settings=settings),)
    marked = [each for each in settings.pools if each.default]
    first = (marked or settings.pools)[0]
    return tuple(
        PlannedPool(
            name=each.name,
            purpose=each.purpose,
            default=each is first,
            settings=own_settings(settings, each.own),
        )
        for each in settings.pools
    )


def own_settings(settings: Settings, own: Mapping[str, Any]) -> Settings:
    """Return *settings* with a pool's *own* ones replaced."""
    rest: dict[str, Any] = {}
    for setting, belongings in _GO_WITH.items():
        if setting in own:
            rest |= belongings
    return replace(settings, **{**rest, **own})


def max_nodes(settings: Settings) -> int:
    """Return the maximum number of nodes of all pools together."""
    return sum(pool.settings.max_nodes for pool in pools_of(settings))


def installs_packages(settings: Settings) -> bool:
    """Return whether nodes of any pool may use a package mirror."""
    return any(pool.settings.installs_packages for pool in pools_of(settings))


def wanted_vcpus(settings: Settings) -> dict[str, int]:
    """Return how many vCPUs of each quota all pools need at their largest."""
    wanted: Counter[str] = Counter()
    for pool in pools_of(settings):
        machine = pool.settings.machine
        wanted[SPOT_QUOTA] += machine.vcpus * pool.settings.most_spot_nodes
        wanted[machine.quota_family] += machine.vcpus * pool.settings.most_dedicated_nodes
    return {quota: vcpus for quota, vcpus in wanted.items() if vcpus}


def quota_words(settings: Settings) -> Iterator[str]:
    """Return what several pools need of each quota together; for one pool this is obvious."""
    if settings.pools:
        vcpus = ", ".join(f"{count} of {quota}" for quota, count in wanted_vcpus(settings).items())
        look = "`runner doctor` shows where to look"
        if settings.is_user_subscription:
            look = f"what there is: `az vm list-usage -l {settings.location} -o table`"
        pools = len(settings.pools)
        yield f"at full size, the {pools} pools together need these vCPUs: {vcpus}; {look}"
