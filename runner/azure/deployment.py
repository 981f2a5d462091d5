"""The Azure environment, as described by the outputs of the Pulumi stack, which are checked."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from runner import __version__
from runner.azure.pools import Pool, find_pool, read_only_pool, read_pools, read_values
from runner.errors import SetupError

OUTPUTS_SCHEMA = 2
"""The version of the outputs that this runner reads; it can also read the previous one."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The environment that a stack describes; its fields are the stack's outputs."""

    outputs_schema: int
    subscription_id: str
    resource_group: str
    location: str
    batch_account: str
    batch_endpoint: str
    """Starts with `https://`."""
    pool_allocation_mode: str
    """"UserSubscription" or "BatchService"."""
    pools: tuple[Pool, ...]
    pool_identity_id: str
    """The resource id of the identity that nodes use; empty if they need signed URLs."""
    storage_account: str
    blob_endpoint: str
    """Starts with `https://`, without a slash at the end."""
    input_container: str
    output_container: str
    tools_container: str
    read_containers: tuple[str, ...] = ()
    """The ARM ids of further containers that nodes and operators may read."""
    write_containers: tuple[str, ...] = ()
    """Likewise for those that they may write to, and read."""
    storage_sku_name: str = ""
    """The storage account's tier and redundancy as the price list names them; empty if unknown."""
    soft_delete_days: int = -1
    """How many days the account keeps deleted blobs; negative if unknown."""
    chosen: str = ""
    """The name of the pool to use; empty for the default one. This is not an output."""

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, Any], origin: str) -> Self:
        """Read and check *outputs*, which come from *origin*.

        Raises:
            SetupError: One is missing or has the wrong type, or they have another version.
        """
        remedy = f"run `pulumi up` again ({origin})"
        version = outputs.get("outputs_schema")
        if version is None:
            raise SetupError(f"output 'outputs_schema' is missing: {remedy}")
        if (read := _READERS.get(version) if isinstance(version, (int, float)) else None) is None:
            raise SetupError(_other_version(version, outputs.get("needs_runner"), remedy))
        pools = read(outputs, remedy)
        lists = ("read_containers", "write_containers")  # of ids; a stack from before has none
        values = read_values(cls, outputs, remedy, without=("pools", "chosen", *lists))
        values |= {name: _texts(name, outputs.get(name, ()), remedy) for name in lists}
        return cls(pools=pools, **values)

    def nodes_may_read(self, account: str, container: str) -> bool:
        """Return whether the stack lets the nodes' identity read *container* of *account*."""
        if not self.pool_identity_id:
            return False
        if account == self.storage_account and container in (
            *(self.input_container, self.output_container, self.tools_container),
        ):
            return True
        return _names((*self.read_containers, *self.write_containers), account, container)

    def nodes_may_write(self, account: str, container: str) -> bool:
        """Likewise of the right to write there."""
        if not self.pool_identity_id:
            return False
        if (account, container) == (self.storage_account, self.output_container):
            return True
        return _names(self.write_containers, account, container)

    @property
    def deleted_blobs_kept(self) -> int | None:
        """For how many days deleted blobs are kept, and paid for; None if unknown."""
        return self.soft_delete_days if self.soft_delete_days >= 0 else None

    @property
    def pool(self) -> Pool:
        """The pool to use."""
        return find_pool(self.pools, self.chosen)

    def on(self, pool: str) -> Self:
        """Return the same deployment with the pool called *pool*; "" is the default one.

        Raises:
            UsageError: There is no such pool.
        """
        find_pool(self.pools, pool)
        return replace(self, chosen=pool)

    def on_that_of_a_run(self, pool: str) -> Self:
        """Return the same deployment with the *pool* of a run, or the default one if that is gone."""
        names = [each.name for each in self.pools]
        return self.on(pool if pool in names else "")

    def set_for_pool(self, key: str, value: str) -> str:
        """Return the command that sets *key* for the pool in the stack's configuration."""
        if not self.pool.name:
            return f"pulumi config set {key} {value}"
        index = self.pools.index(self.pool)
        return f"pulumi config set --path 'pools[{index}].{key}' {value}"

    @property
    def description(self) -> str:
        """The pool, in a few words."""
        return f"pool {self.pool.id} of {self.account}"

    @property
    def account(self) -> str:
        """The account, in a few words, for things that all pools share."""
        return f"{self.batch_account} ({self.location})"


def _names(ids: tuple[str, ...], account: str, container: str) -> bool:
    """Return whether one of these ARM *ids* is that of *container* in *account*."""
    end = f"/storageaccounts/{account}/blobservices/default/containers/{container}".lower()
    return any(each.lower().endswith(end) for each in ids)


def _texts(name: str, values: object, remedy: str) -> tuple[str, ...]:
    if not isinstance(values, (list, tuple)) or not all(isinstance(each, str) for each in values):
        raise SetupError(f"output '{name}' is not a list of ids: {remedy}")
    return tuple(values)


def _other_version(version: object, needs_runner: object, remedy: str) -> str:
    """Return what to do about outputs of an unsupported *version*."""
    what = f"the outputs have version {version}, not {OUTPUTS_SCHEMA}"
    if isinstance(version, (int, float)) and version > OUTPUTS_SCHEMA:
        known = isinstance(needs_runner, str) and re.fullmatch(r"[0-9.]{1,20}", needs_runner)
        least = f" to {needs_runner} or newer" if known else ""
        return f"{what}: update runner{least} (this is {__version__})"
    return f"{what}: {remedy}"


_READERS: Mapping[object, Callable[[Mapping[str, Any], str], tuple[Pool, ...]]] = {
    1: read_only_pool,
    OUTPUTS_SCHEMA: read_pools,
}
