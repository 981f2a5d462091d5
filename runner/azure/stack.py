"""Find the Pulumi stack to use, and read its outputs with Pulumi's CLI or from a file."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from runner.azure.deployment import Deployment
from runner.errors import SetupError
from runner.formatting import printable
from runner.media.process import find_on_path, run
from runner.media.strict import parse_json
from runner.text import decoded

Answer = TypeVar("Answer", list[Any], dict[str, Any])

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
        "the stacks are kept in Azure storage (PULUMI_BACKEND_URL), and you are not signed in "
        "to Azure: run `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and the rest"
    ),
    "AuthorizationPermissionMismatch": (
        "the stacks are kept in Azure storage (PULUMI_BACKEND_URL), and you may not read them: "
        'you need the role "Storage Blob Data Contributor" on that container'
    ),
}
"""Patterns of Pulumi's errors when it has no access to its stacks, and what to do."""
# Pulumi's rule, with an organisation and a project before the name. It also matters on Windows, where
# the CLI may be a script such as pulumi.cmd, for which other characters could be commands.
_STACK = re.compile(r"[A-Za-z0-9_.-]{1,100}(?:/[A-Za-z0-9_.-]{1,100}){0,2}")
_PROJECT_FILES = ("Pulumi.yaml", "Pulumi.yml")


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
