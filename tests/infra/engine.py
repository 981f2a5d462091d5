"""Run the program with Pulumi's own engine, against the stand-in for Azure, offline."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import ExitStack
from copy import copy
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from tests.infra import key_service
from tests.infra.provider.kinds import BATCH_SERVICE
from tests.infra.provider.store import Store, World

ROOT = Path(__file__).parents[2]
PROJECT = "batch-ffmpeg-runner"
THIS_MONTH = f"{datetime.now(UTC):%Y-%m}-01"
"""When a budget may begin."""
UNASKED = ("--yes", "--skip-preview")
PASSPHRASE = "test"
OPEN_SECRETS = {"PULUMI_CONFIG_PASSPHRASE", "VAULT_ADDR"}
"""Variables without which a stack's secrets stay locked."""
SHOWS_OUTPUTS_UNASKED = (3, 253)
"""The first Pulumi that shows the outputs of a stack kept in files without its passphrase."""
OPERATOR = "aaaaaaaa-0000-0000-0000-000000000002"
FILLED_IN = {
    "azure-native:location": "westeurope",
    "operatorPrincipalId": OPERATOR,
    "batchServicePrincipalObjectId": BATCH_SERVICE,
    "protectData": "false",  # so that tests may destroy what they made
}


def find_pulumi() -> Path | None:
    """Return the folder of the CLI: from PATH, or from the cache that tools/pulumi fills."""
    if found := shutil.which("pulumi"):
        return Path(found).parent
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    built = sorted(cache.glob("batch-ffmpeg-runner/tools/pulumi-*/pulumi"))
    return built[-1].parent if built else None


@cache
def pulumi_version() -> tuple[int, ...]:
    """Return the version of the CLI on PATH."""
    with TemporaryDirectory() as home:
        alone = {**os.environ, "PULUMI_HOME": home, "PULUMI_SKIP_UPDATE_CHECK": "true"}
        said = subprocess.run(
            ["pulumi", "version"], env=alone, capture_output=True, text=True, check=True
        ).stdout
    return tuple(int(part) for part in re.findall(r"\d+", said)[:2])


def plugins_folder(folder: Path) -> Path:
    """Put the stand-ins, by the names that the engine looks for, into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    modules = {"pulumi-resource-azure-native": "tests.infra.provider"}
    if not shutil.which("pulumi-language-python"):
        modules["pulumi-language-python"] = "tests.infra.language"
    for name, module in modules.items():
        executable = folder / name
        executable.write_text(
            f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m {module} "$@"\n'
        )
        executable.chmod(0o755)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Return what keeps Pulumi off the network, and everything it writes in *folder*."""
    state = folder / "state"
    state.mkdir(parents=True, exist_ok=True)
    plugins = plugins_folder(folder / "plugins")
    return {
        "PATH": f"{plugins}{os.pathsep}{os.environ['PATH']}",
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_BACKEND_URL": state.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SUPPRESS_NEO_LINK": "true",
        "PULUMI_CREDENTIAL_STORE": "plaintext",
        "NO_COLOR": "1",
        # a command is over before garbage matters: a tenth of its CPU
        "GOGC": "off",
        "GOMEMLIMIT": "512MiB",
        "PROVIDER_STATE": str(folder / "azure.json"),
    }


def with_haste(folder: Path) -> dict[str, str]:
    """Return what saves a third of a command's CPU, where nobody looks into *folder* for a fault of Pulumi's."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    (home / "logs").touch()  # where the folder of logs for debugging would be: so there are none
    # the state is written at the end, not after each resource
    return {"PULUMI_SKIP_CHECKPOINTS": "true"}


def project_folder(folder: Path) -> Path:
    """Make *folder* a project like the repository, whose stacks are its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, real in {
        "Pulumi.yaml": ROOT / "Pulumi.yaml",
        "infra": ROOT / "infra",
        ".venv": Path(sys.prefix),
    }.items():
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(real)
    return folder


class Deployment:
    """A stack of the real program, with everything it needs in *folder*; found or made there.

    *processes* is whether the engine starts the plugins and the program as processes, as for users;
    they may also be here, which is faster.
    """

    def __init__(
        self, folder: Path, example: str | None = None, *, processes: bool = False
    ) -> None:
        self.processes = processes
        self.folder = project_folder(folder / "project")
        self.environment = {**os.environ, **environment(folder), "PULUMI_STACK": "dev"}
        if not processes:
            del self.environment["PULUMI_CONFIG_PASSPHRASE"]
            self.environment |= {"VAULT_ADDR": key_service.address(), **with_haste(folder)}
        self.store = Store(folder / "azure.json")
        self.config = self.folder / "Pulumi.dev.yaml"
        if not self.config.exists():
            self.config.write_text(example or "config: {}")
            locks = () if processes else ("--secrets-provider", key_service.SECRETS_PROVIDER)
            self.succeed("stack", "init", "dev", *locks)
            self.configure(**FILLED_IN)

    def configure(self, **settings: object) -> None:
        """Write *settings* into the stack's file, as a person with an editor does."""
        stack = yaml.load(self.config.read_text(), yaml.CSafeLoader)
        for key, value in settings.items():
            stack.setdefault("config", {})[key if ":" in key else f"{PROJECT}:{key}"] = value
        self.config.write_text(yaml.safe_dump(stack))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the CLI as nobody in particular: no terminal, no questions."""
        from tests.infra.served import served  # noqa: PLC0415 - it loads Pulumi's SDK for Azure

        with ExitStack() as stack:
            here = (
                {}
                if self.processes
                else stack.enter_context(served(self.store.path, self.environment))
            )
            return subprocess.run(
                ["pulumi", *arguments, "--non-interactive"],
                cwd=self.folder,
                env={**self.environment, **here},
                capture_output=True,
                text=True,
                check=False,
            )

    def succeed(self, *arguments: str) -> str:
        """Run the CLI and return what it printed."""
        ended = self.run(*arguments)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def fail(self, *arguments: str) -> str:
        """Run the CLI, which must fail, and return what it printed."""
        ended = self.run(*arguments)
        assert ended.returncode != 0, ended.stdout
        return ended.stdout + ended.stderr

    def up(self, **settings: object) -> str:
        """Configure *settings* and run `pulumi up`."""
        self.configure(**settings)
        return self.succeed("up", *UNASKED)

    def fails_up(self, **settings: object) -> str:
        """Configure *settings*, run a `pulumi up` that must fail, and return what it printed."""
        self.configure(**settings)
        return self.fail("up", *UNASKED)

    def destroy(self, *options: str) -> str:
        """Run `pulumi destroy`."""
        return self.succeed("destroy", *UNASKED, *options)

    @property
    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, as the runner reads them: with nothing that opens its secrets."""
        asking = copy(self)
        if pulumi_version() >= SHOWS_OUTPUTS_UNASKED:
            asking.environment = {
                name: value for name, value in self.environment.items() if name not in OPEN_SECRETS
            }
        said: dict[str, Any] = json.loads(asking.succeed("stack", "output", "--json"))
        return said

    def journal(self, *kinds: str) -> list[tuple[str, str]]:
        """List what was done since the journal was begun: method and kind, in order."""
        return [
            (method, kind) for method, kind, _ in self.world.journal if not kinds or kind in kinds
        ]

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


def main() -> None:
    """Print what makes this shell one where `pulumi up` deploys to the stand-in: for `eval`."""
    folder = Path(sys.argv[1]).resolve()
    os.environ["PATH"] = f"{find_pulumi()}{os.pathsep}{os.environ['PATH']}"
    for name, value in environment(folder).items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")


if __name__ == "__main__":
    main()
