"""The deploy sections of the documents, run as they are written, with the real CLI."""

import os
import re
import shutil
import subprocess
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from runner.azure.stack import choose_stack
from tests.infra.engine import (
    FILLED_IN,
    ROOT,
    SHOWS_OUTPUTS_UNASKED,
    environment,
    project_folder,
    pulumi_version,
    with_haste,
)

AZ = f"""\
#!/bin/sh
case "$*" in
    "ad signed-in-user show --query id -o tsv") echo {FILLED_IN["operatorPrincipalId"]} ;;
    "ad sp show --id ddbf3205-c6bd-46ae-8127-60eb93363864 --query id -o tsv")
        echo {FILLED_IN["batchServicePrincipalObjectId"]} ;;
    *) exit 1 ;;
esac
"""
NOTED = '#!/bin/sh\necho "$(basename "$0") $*" >> "{folder}/noted"\n'


def commands(page: str, state: Path) -> str:
    """Return the block of *page* that puts the environment up, its stack in *state*.

    `--local` is the home folder, as the system's user list has it: a test cannot move that.
    """
    text: str = (ROOT / page).read_text()
    blocks: list[str] = [
        each
        for each in re.findall(r"```(?:sh)?\n(.*?)```", text, re.DOTALL)
        if "stack init" in each
    ]
    (block,) = blocks
    assert "pulumi login --local" in block
    return block.replace("login --local", f"login {state.as_uri()}")


def machine(folder: Path) -> dict[str, str]:
    """Make a machine like a reader's in *folder*: where nothing is set for Pulumi."""
    settings = {
        name: value
        for name, value in {**environment(folder), **with_haste(folder)}.items()
        if name not in {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_BACKEND_URL"}
    }
    stubs = {"az": AZ, "make": NOTED.format(folder=folder)}
    for name, text in stubs.items():
        (folder / "plugins" / name).write_text(text)
        (folder / "plugins" / name).chmod(0o755)
    return {**os.environ, **settings, "HOME": str(folder), "PULUMI_SKIP_CONFIRMATIONS": "true"}


def checkout(folder: Path) -> Path:
    """Make *folder* a checkout whose installed commands only note that they were called."""
    project = project_folder(folder / "project")
    (project / ".venv").unlink()
    (project / ".venv" / "bin").mkdir(parents=True)
    for name in ("pip", "runner"):
        command = project / ".venv" / "bin" / name
        command.write_text(NOTED.format(folder=folder))
        command.chmod(0o755)
    shutil.copy(ROOT / "Pulumi.dev.yaml", project)
    return project


def plugins(
    page: str, folder: Path, variables: dict[str, str]
) -> AbstractContextManager[dict[str, str]]:
    """Where the engine finds its plugins: for one page it starts them, as for users; else they are here.

    Seconds of CPU are spent each time that they start the program, so that page's `pulumi up` is without
    its preview; that of the other page has it.
    """
    if page == "README.md":
        return nullcontext({"PULUMI_OPTION_SKIP_PREVIEW": "true"})
    from tests.infra.served import served  # noqa: PLC0415 - it loads Pulumi's SDK for Azure

    return served(folder / "azure.json", variables)


@pytest.mark.parametrize("page", ["README.md", "docs/deploy.md"])
def test_the_commands_work_as_typed_and_the_runner_needs_no_passphrase(
    pulumi: None, page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, variables = checkout(tmp_path), machine(tmp_path)
    with plugins(page, tmp_path, variables) as here:
        typed = subprocess.run(
            ["bash", "-e", "-c", commands(page, tmp_path / "state")],
            cwd=project,
            env={**variables, **here},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    assert typed.returncode == 0, typed.stdout + typed.stderr
    assert "runner doctor\n" in (tmp_path / "noted").read_text()
    assert pulumi_version() >= SHOWS_OUTPUTS_UNASKED, "as the page says"
    for name in ("HOME", "PATH", "PULUMI_HOME"):
        monkeypatch.setenv(name, variables[name])
    monkeypatch.chdir(project)
    chosen = choose_stack(None, None).deployment
    assert chosen is not None
    assert chosen.location == "westeurope"
