"""Run the program with Pulumi's own engine, against the stand-in for Azure, offline."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pulumi import automation

from infra.environment import program
from tests.infra.provider.kinds import BATCH_SERVICE
from tests.infra.provider.store import Store, World

ROOT = Path(__file__).parents[2]
OPERATOR = "aaaaaaaa-0000-0000-0000-000000000002"
FILLED_IN = {
    "azure-native:location": "westeurope",
    "operatorPrincipalId": OPERATOR,
    "batchServicePrincipalObjectId": BATCH_SERVICE,
}


def find_pulumi() -> Path | None:
    """Return the folder of the CLI: from PATH, or from the cache that tools/pulumi fills."""
    if found := shutil.which("pulumi"):
        return Path(found).parent
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    built = sorted(cache.glob("batch-ffmpeg-runner/tools/pulumi-*/pulumi"))
    return built[-1].parent if built else None


def provider_folder(folder: Path) -> Path:
    """Put the provider's executable, by the name that the engine looks for, into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    executable = folder / "pulumi-resource-azure-native"
    executable.write_text(
        f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m tests.infra.provider "$@"\n'
    )
    executable.chmod(0o755)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Return what keeps Pulumi off the network, and everything it writes in *folder*."""
    state = folder / "state"
    state.mkdir(parents=True, exist_ok=True)
    provider = provider_folder(folder / "provider")
    return {
        "PATH": f"{provider}{os.pathsep}{os.environ['PATH']}",
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_BACKEND_URL": state.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SUPPRESS_NEO_LINK": "true",
        "PULUMI_CREDENTIAL_STORE": "plaintext",
        "NO_COLOR": "1",
        "PROVIDER_STATE": str(folder / "azure.json"),
    }


def project_settings() -> dict[str, Any]:
    """Return Pulumi.yaml without what says how to start the program: it is handed over inline."""
    project: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    del project["main"], project["runtime"]["options"]
    return project


class Deployment:
    """A stack of the real program in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        work = folder / "project"
        work.mkdir(parents=True)
        (work / "Pulumi.yaml").write_text(yaml.safe_dump(project_settings()))
        self.store = Store(folder / "azure.json")
        self.stack = automation.create_stack(
            "dev",
            work_dir=str(work),
            project_name="batch-ffmpeg-runner",
            program=program,
            opts=automation.LocalWorkspaceOptions(env_vars=environment(folder)),
        )
        self.configure(FILLED_IN)

    def configure(self, values: Mapping[str, str]) -> None:
        """Set configuration, as `pulumi config set` does."""
        self.stack.set_all_config(
            {key: automation.ConfigValue(value) for key, value in values.items()}
        )

    def up(self, **settings: str) -> automation.UpResult:
        """Configure *settings* and run `pulumi up`."""
        self.configure(settings)
        return self.stack.up()

    @property
    def world(self) -> World:
        """What there is in the stand-in's Azure."""
        return self.store.look()

    def forget_journal(self) -> None:
        """Start the journal anew, before what a test looks at."""
        with self.store.open() as world:
            world.journal.clear()

    def ask_for_fault(self, token: str, method: str, code: str, times: int = 1) -> None:
        """Have the next calls of *method* for *token* fail."""
        with self.store.open() as world:
            world.faults.append(
                {
                    "token": f"azure-native:{token}",
                    "method": method,
                    "status": 400,
                    "code": code,
                    "message": "as asked for by the test",
                    "times": times,
                }
            )
