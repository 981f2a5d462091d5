"""The pools of a deployment, read from the stack's outputs, and the choice of one by name."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any

from runner.errors import SetupError, UsageError
from runner.formatting import printable
from runner.media.recipe import Recipe
from runner.media.threads import useful_threads
from runner.options import is_pool_name
from runner.parallel import slots_for


@dataclass(frozen=True, kw_only=True)
class Pool:
    """One pool; its fields are those in the output `pools`."""

    name: str
    """The name for `--pool`; empty if the stack has one pool without a name."""
    id: str
    """The id in Batch."""
    vm_size: str
    task_slots: int
    """Tasks that a node runs at the same time."""
    purpose: str
    default: bool
    """Whether it is used without `--pool`."""
    max_nodes: int
    # The following outputs were added later; a stack that was not deployed since does not have them.
    max_spot_nodes: int = 0
    max_dedicated_nodes: int = 0
    node_vcpus: int = 0
    quota_family: str = ""
    """The quota for dedicated nodes, as in `az vm list-usage`; for Spot it is `lowPriorityCores`."""
    autoscale_minutes: int
    """Minutes between evaluations of the pool's formula; 0 for a pool of fixed size."""
    node_ffmpeg: str = ""
    """The blob in `tools` from which nodes download ffmpeg: `ffmpeg-{sha256}.xz`."""
    node_ffmpeg_package: str = ""
    """The package with this binary: `imageio-ffmpeg==1.2.3 manylinux…`."""

    def slots_for(self, recipe: Recipe) -> int:
        """Return how many of a node's task slots a conversion with *recipe* takes.

        A pool that scales counts tasks, not their slots, so there each takes one: with more, too few nodes
        would be started.
        """
        if self.autoscale_minutes:
            return 1
        return slots_for(self.task_slots, self.node_vcpus, useful_threads(recipe))

    def at_a_time(self, recipe: Recipe) -> int:
        """Return how many conversions with *recipe* a node does at a time."""
        return max(1, self.task_slots // self.slots_for(recipe))


# In version 1, these outputs had no `pool_` prefix.
_PLAIN = ("autoscale_minutes", "node_ffmpeg", "node_ffmpeg_package")


def read_pools(outputs: Mapping[str, Any], remedy: str) -> tuple[Pool, ...]:
    """Return the pools in *outputs*; *remedy* says what to do if they are invalid.

    Raises:
        SetupError: There is none, one is invalid, or the names or the default are ambiguous.
    """
    listed = outputs.get("pools")
    if not isinstance(listed, list) or not all(isinstance(each, Mapping) for each in listed):
        raise SetupError(f"output 'pools' is not a list of pools: {remedy}")
    pools = tuple(
        Pool(**read_values(Pool, each, remedy, f"pools[{index}].{{}}".format))
        for index, each in enumerate(listed)
    )
    for index, pool in enumerate(pools):
        if not is_pool_name(pool.name) and (pool.name or len(pools) > 1):
            raise SetupError(
                f"output 'pools[{index}].name' is {pool.name!r}, which is not a name: {remedy}"
            )
    if sum(pool.default for pool in pools) != 1:
        raise SetupError(f"output 'pools' does not say which pool is the default: {remedy}")
    if len({pool.name for pool in pools}) < len(pools):
        raise SetupError(f"output 'pools' has two pools with the same name: {remedy}")
    return pools


def read_only_pool(outputs: Mapping[str, Any], remedy: str) -> tuple[Pool, ...]:
    """Return the pool of *outputs* of version 1, which only have one.

    Raises:
        SetupError: It is invalid.
    """
    known: dict[str, Any] = {"name": "", "purpose": "", "default": True}
    for field in fields(Pool):
        if _old_name(field.name) in outputs:
            known.setdefault(field.name, outputs[_old_name(field.name)])
    return (Pool(**read_values(Pool, known, remedy, _old_name)),)


def _old_name(field: str) -> str:
    return field if field in _PLAIN else f"pool_{field}"


def read_values(
    kind: type[Any],
    values: Mapping[str, Any],
    remedy: str,
    name_of: Callable[[str], str] = str,
    without: Collection[str] = (),
) -> dict[str, Any]:
    """Return those of *values* that are fields of the dataclass *kind*, except *without*.

    *name_of* returns the output's name for a field.

    Raises:
        SetupError: One is missing or of the wrong type.
    """
    given: dict[str, Any] = {}
    for field in fields(kind):
        if field.name in without:
            continue
        name = name_of(field.name)
        if field.name in values:
            given[field.name] = _checked(name, values[field.name], field.type, remedy)
        elif field.default is MISSING:
            raise SetupError(f"output '{name}' is missing: {remedy}")
    return given


def _checked(name: str, value: Any, kind: Any, remedy: str) -> Any:
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)  # Pulumi's numbers are floats
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise SetupError(f"output '{name}' is {value!r}, not {kind.__name__}: {remedy}")
    if name.endswith("_endpoint") and not value.startswith("https://"):
        raise SetupError(f"output '{name}' is {value!r}, not an https address: {remedy}")
    return value


def find_pool(pools: Sequence[Pool], name: str) -> Pool:
    """Return the pool called *name*; the default one without a name.

    Raises:
        UsageError: There is none.
    """
    for pool in pools:
        if pool.name == name if name else pool.default:
            return pool
    named = [
        pool.name + (f" ({printable(pool.purpose)})" if pool.purpose else "") for pool in pools
    ]
    if [pool.name for pool in pools] == [""]:
        raise UsageError(
            f"--pool {name}: this stack has one pool, without a name; leave --pool out"
        )
    raise UsageError(f"--pool {name}: there is no such pool; there are {', '.join(named)}")
