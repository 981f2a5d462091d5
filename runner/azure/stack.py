"""Where things are on Azure: read from the outputs of the Pulumi stack, and checked on reading."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Self, TypeVar

from runner.errors import SetupError
from runner.media.strict import parse_json
from runner.text import decoded

Answer = TypeVar("Answer", list[Any], dict[str, Any])

OUTPUTS_SCHEMA = 1
"""The version of the outputs that this runner reads."""
_LONGEST_OUTPUTS = 10_000_000
"""Characters."""
_PULUMI_TIMEOUT = 120
# Before, Pulumi decrypted the whole state to show what is no secret (pulumi#21141, mended by #23820).
_READS_WITHOUT_PASSPHRASE = (3, 253)
_PROJECT_FILES = ("Pulumi.yaml", "Pulumi.yml")


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The environment that a stack stands for; its fields are the stack's outputs."""

    outputs_schema: int
    subscription_id: str
    resource_group: str
    location: str
    batch_account: str
    batch_endpoint: str
    """Starts with `https://`."""
    pool_allocation_mode: str
    """"UserSubscription" or "BatchService"."""
    pool_id: str
    pool_vm_size: str
    pool_task_slots: int
    """Tasks that a node runs at a time."""
    pool_max_nodes: int
    pool_identity_id: str
    """The ARM id of the identity that nodes use; empty where they need signed URLs."""
    storage_account: str
    blob_endpoint: str
    """Starts with `https://`, and has no slash at its end."""
    input_container: str
    output_container: str
    tools_container: str
    autoscale_minutes: int
    """Between evaluations of the pool's formula; 0 for a pool of fixed size."""
    # What follows came later: a stack that was last deployed before lacks it.
    pool_max_spot_nodes: int = 0
    pool_max_dedicated_nodes: int = 0
    pool_node_vcpus: int = 0
    pool_quota_family: str = ""
    """Of dedicated nodes, as `az vm list-usage` names it; Spot's is `lowPriorityCores`."""
    node_ffmpeg: str = ""
    """The blob in `tools` from which nodes take ffmpeg once it is there: `ffmpeg-{sha256}.xz`."""
    node_ffmpeg_package: str = ""
    """Where that binary is from: `imageio-ffmpeg==1.2.3 manylinux…`."""

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, Any], origin: str) -> Self:
        """Check *outputs*, which come from *origin*, and take them in.

        Raises:
            SetupError: One is missing or of the wrong type, or they are of another version.
        """
        remedy = f"run `pulumi up` again ({origin})"
        version = outputs.get("outputs_schema")
        if version is None:
            raise SetupError(f"output 'outputs_schema' is missing: {remedy}")
        if version != OUTPUTS_SCHEMA:
            newer = isinstance(version, (int, float)) and version > OUTPUTS_SCHEMA
            what = "update runner" if newer else remedy
            raise SetupError(f"the outputs are of version {version}, not {OUTPUTS_SCHEMA}: {what}")
        values: dict[str, Any] = {}
        for field in fields(cls):
            if field.name not in outputs and field.default is not MISSING:
                continue
            if field.name not in outputs:
                raise SetupError(f"output '{field.name}' is missing: {remedy}")
            values[field.name] = _checked(field.name, outputs[field.name], field.type, remedy)
        return cls(**values)

    @property
    def description(self) -> str:
        """The pool, in a few words."""
        return f"pool {self.pool_id} of {self.batch_account} ({self.location})"


@dataclass(frozen=True)
class StackChoice:
    """A deployment, or none, and why."""

    deployment: Deployment | None
    why: str


def choose_stack(stack: str | None, outputs: str | None) -> StackChoice:
    """The deployment that *stack*, the file *outputs* or the selected stack stands for.

    *outputs* is what `pulumi stack output --json` prints, in a file. Without either, the stack that
    is selected in this folder's Pulumi project counts, if there is one and it was deployed.

    Raises:
        SetupError: What was named is not there, or is broken.
    """
    if outputs:
        return StackChoice(
            Deployment.from_outputs(_read_file(Path(outputs)), outputs), f"outputs in {outputs}"
        )
    if not stack and not _in_project():
        return StackChoice(None, "no stack here")
    if not shutil.which("pulumi"):
        if stack:
            raise SetupError("--stack needs the Pulumi CLI on PATH; or give --outputs FILE")
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


def _checked(name: str, value: Any, kind: Any, remedy: str) -> Any:
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)  # Pulumi's numbers are floats
    if not isinstance(value, kind) or isinstance(value, bool):
        raise SetupError(f"output '{name}' is {value!r}, not {kind.__name__}: {remedy}")
    if name.endswith("_endpoint") and not value.startswith("https://"):
        raise SetupError(f"output '{name}' is {value!r}, not an https address: {remedy}")
    return value


def _read_file(path: Path) -> Mapping[str, Any]:
    try:
        values = parse_json(decoded(path.read_bytes()), _LONGEST_OUTPUTS)
    except OSError as error:
        raise SetupError(f"cannot read the outputs in {path}: {error.strerror}") from error
    except ValueError as error:
        advice = "write it with `pulumi stack output --json`"
        raise SetupError(f"{path} is not JSON: {advice}") from error
    if not isinstance(values, dict):
        raise SetupError(f"{path} holds no outputs: write it with `pulumi stack output --json`")
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
    """What Pulumi says, which is JSON of a *kind*."""
    done = _run_pulumi(*arguments, "--non-interactive")
    what = f"`pulumi {' '.join(arguments[:2])}`"
    advice = "fix that, or convert on this machine with --where local"
    if done.returncode != 0:
        if "PULUMI_CONFIG_PASSPHRASE" in done.stderr:
            raise SetupError(f"{what} failed: {_passphrase_wanted()}")
        reason = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise SetupError(f"{what} failed: {reason}; {advice}")
    with suppress(ValueError):
        if isinstance(answer := json.loads(done.stdout), kind):
            return answer
    raise SetupError(f"{what} printed no JSON that is known here; {advice}")


def _run_pulumi(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["pulumi", *arguments]
    # Pulumi signs in with what is there, but not to the Batch account
    ours = {name: value for name, value in os.environ.items() if name != "RUNNER_BATCH_KEY"}
    try:
        return subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=_PULUMI_TIMEOUT,
            env={**ours, "PULUMI_SKIP_UPDATE_CHECK": "true"},
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise SetupError(f"`{' '.join(command)}` gave no answer in {_PULUMI_TIMEOUT} s") from error


def _passphrase_wanted() -> str:
    """What to do where Pulumi wants the passphrase of the stack for showing its outputs."""
    export = "set PULUMI_CONFIG_PASSPHRASE to the stack's passphrase (empty if you chose none)"
    found = re.match(r"v?(\d+)\.(\d+)", _run_pulumi("version").stdout)
    if found is None or (int(found[1]), int(found[2])) >= _READS_WITHOUT_PASSPHRASE:
        return f"it wants the stack's passphrase; {export}"
    needed = ".".join(map(str, _READS_WITHOUT_PASSPHRASE))
    return (
        f"this Pulumi ({found[1]}.{found[2]}) wants the stack's passphrase even to show its outputs; "
        f"update it to {needed} or newer, or {export}"
    )
