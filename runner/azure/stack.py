"""The Azure environment, as described by the outputs of the Pulumi stack, which are checked."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeVar

from runner import __version__
from runner.azure.pools import Pool, find_pool, read_only_pool, read_pools, read_values
from runner.errors import SetupError
from runner.formatting import printable
from runner.media.process import find_on_path, run
from runner.media.strict import parse_json
from runner.text import decoded

Answer = TypeVar("Answer", list[Any], dict[str, Any])

OUTPUTS_SCHEMA = 2
"""The version of the outputs that this runner reads; it can also read the previous one."""
_LONGEST_OUTPUTS = 10_000_000
"""Characters."""
_PULUMI_TIMEOUT = 120
# Older versions decrypted the whole state to show outputs that are not secret (pulumi#21141, fixed by #23820).
_READS_WITHOUT_PASSPHRASE = (3, 253)
_SIGN_INS = {
    # Not signed in, or the sign-in has expired; pulumi/pkg backend/httpstate.
    r"PULUMI_ACCESS_TOKEN must be set|requires logging in|\[401\]|invalid access token": (
        "not signed in to Pulumi Cloud, where Pulumi looks for stacks by default: run "
        "`pulumi login`, or set PULUMI_ACCESS_TOKEN; if the stacks are kept elsewhere, run "
        "`pulumi login --local` or set PULUMI_BACKEND_URL"
    ),
    # azblob://…: Pulumi's state in Azure storage, read with the Azure SDK for Go
    "DefaultAzureCredential|failed to acquire a token|AADSTS": (
        "the stacks are kept in Azure storage (PULUMI_BACKEND_URL), and nobody is signed in to "
        "Azure here: run `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and what goes with them"
    ),
    "AuthorizationPermissionMismatch": (
        "the stacks are kept in Azure storage (PULUMI_BACKEND_URL), and this sign-in may not read "
        'them: it needs the role "Storage Blob Data Contributor" on that container'
    ),
}
"""Patterns of Pulumi's errors when it has no access to its stacks, and what to do."""
# Pulumi's rule, with an organisation and a project before the name. It also matters on Windows, where
# the CLI may be a script such as pulumi.cmd, for which other characters could be commands.
_STACK = re.compile(r"[A-Za-z0-9_.-]{1,100}(?:/[A-Za-z0-9_.-]{1,100}){0,2}")
_PROJECT_FILES = ("Pulumi.yaml", "Pulumi.yml")


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


@dataclass(frozen=True)
class StackChoice:
    """A deployment or None, and why."""

    deployment: Deployment | None
    why: str


def choose_stack(stack: str | None, outputs: str | None) -> StackChoice:
    """Return the deployment of *stack*, of the file *outputs*, or of the selected stack.

    *outputs* is a file with the output of `pulumi stack output --json`. Without either, the selected stack
    of this folder's Pulumi project is used, if there is one and it was deployed.

    Raises:
        SetupError: The stack or file does not exist, or is broken.
    """
    if outputs:
        return StackChoice(
            Deployment.from_outputs(_read_file(Path(outputs)), outputs), f"outputs in {outputs}"
        )
    if not stack and not _in_project():
        return StackChoice(None, "no stack here")
    if stack and not _STACK.fullmatch(stack):
        raise SetupError(f"--stack {printable(stack)}: this is not a valid name for a stack")
    if not find_on_path("pulumi"):
        if stack:
            raise SetupError("--stack needs the Pulumi CLI on PATH; use --outputs FILE without it")
        return StackChoice(None, "no Pulumi CLI")
    name = stack or _selected()
    if name is None:
        return StackChoice(None, "no stack is selected")
    values = _pulumi(dict, "stack", "output", "--json", "--stack", name)
    if not values:
        if stack:
            raise SetupError(f"stack {name} has no outputs yet: run `pulumi up`")
        return StackChoice(None, f"stack {name} is not deployed")
    return StackChoice(Deployment.from_outputs(values, f"stack {name}"), f"stack {name}")


def _read_file(path: Path) -> Mapping[str, Any]:
    try:
        values = parse_json(decoded(path.read_bytes()), _LONGEST_OUTPUTS)
    except OSError as error:
        raise SetupError(f"cannot read the outputs in {path}: {error.strerror}") from error
    except ValueError as error:
        advice = "write it with `pulumi stack output --json`"
        raise SetupError(f"{path} is not JSON: {advice}") from error
    if not isinstance(values, dict):
        raise SetupError(f"{path} contains no outputs: write it with `pulumi stack output --json`")
    return values


def _in_project() -> bool:
    here = Path.cwd()
    return any(
        (folder / name).exists() for folder in (here, *here.parents) for name in _PROJECT_FILES
    )


def _selected() -> str | None:
    for stack in _pulumi(list, "stack", "ls", "--json"):
        if stack.get("current"):
            return str(stack["name"])
    return None


def _pulumi(kind: type[Answer], *arguments: str) -> Answer:
    """Return Pulumi's output, JSON of the type *kind*."""
    done = _run_pulumi(*arguments, "--non-interactive")
    what = f"`pulumi {' '.join(arguments[:2])}`"
    advice = "fix that, or convert on this machine with --where local"
    if done.returncode != 0:
        if "PULUMI_CONFIG_PASSPHRASE" in done.stderr:
            raise SetupError(f"{what} failed: {_passphrase_wanted()}")
        for pattern, remedy in _SIGN_INS.items():
            if re.search(pattern, done.stderr):
                raise SetupError(f"{what} failed: {remedy}")
        raise SetupError(f"{what} failed: {_reason(done)}; {advice}")
    with suppress(ValueError):
        if isinstance(answer := json.loads(done.stdout), kind):
            return answer
    raise SetupError(f"{what} printed unexpected JSON; {advice}")


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """Return the line of Pulumi's output with the cause: the last one, unless one is marked as the error."""
    lines = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()
    return next((line for line in lines if line.startswith("error: ")), lines[-1])


def _run_pulumi(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [find_on_path("pulumi") or "pulumi", *arguments]
    asked = f"`pulumi {' '.join(arguments)}`"
    # Pulumi may need the credentials in the environment, except the Batch key
    ours = {name: value for name, value in os.environ.items() if name != "RUNNER_BATCH_KEY"}
    try:
        done = run(
            command,
            timeout=_PULUMI_TIMEOUT,
            environment={**ours, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        )
    except subprocess.TimeoutExpired as error:
        raise SetupError(f"{asked} did not answer within {_PULUMI_TIMEOUT} s") from error
    except OSError as error:
        raise SetupError(f"{asked} does not start: {error.strerror}") from error
    out, errors = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(command, done.returncode, out, errors)


def _passphrase_wanted() -> str:
    """Return what to do if Pulumi asks for the stack's passphrase to show its outputs."""
    export = "set PULUMI_CONFIG_PASSPHRASE to the stack's passphrase (empty if you chose none)"
    found = re.match(r"v?(\d+)\.(\d+)", _run_pulumi("version").stdout)
    if found is None or (int(found[1]), int(found[2])) >= _READS_WITHOUT_PASSPHRASE:
        return f"it needs the stack's passphrase; {export}"
    needed = ".".join(map(str, _READS_WITHOUT_PASSPHRASE))
    return (
        f"this Pulumi ({found[1]}.{found[2]}) needs the stack's passphrase even to show its outputs; "
        f"update it to {needed} or newer, or {export}"
    )
