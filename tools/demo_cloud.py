"""Show the cloud half on this machine: an emulated Azure, a deployment, runs, and the clean-up.

    python tools/demo_cloud.py FOLDER

Everything is real but Azure itself: Pulumi's engine (where its CLI is found), Microsoft's clients,
Azurite, ffmpeg. FOLDER holds media; results come into cloud-out beside it.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.emulator import Emulator
from tests.emulator.azurite import Azurite
from tests.infra.engine import find_pulumi
from tests.infra.mocked import deploy
from tests.loop.composition import put_in_place
from tests.loop.estate import RUNNER, estate, node_programs

# The emulated service's clock: five minutes between two evaluations of the pool's formula are ten
# seconds here, and a node boots in a few.
_SPEED = 30


@dataclass(frozen=True)
class Shell:
    """Where commands are run, and with which environment."""

    folder: Path
    environment: dict[str, str]

    def __call__(self, *command: str, lines: int | None = None) -> None:
        """Run *command* as if it were typed; of very much output show the last *lines*."""
        say(shlex.join(command), prompt="$")
        program = RUNNER if command[0] == "runner" else command[0]
        done = subprocess.run(
            [program, *command[1:]],
            cwd=self.folder,
            env=self.environment,
            check=False,
            stdout=subprocess.PIPE if lines else None,
            text=True,
        )
        if lines:
            sys.stdout.write("".join(done.stdout.splitlines(keepends=True)[-lines:]))


def main(source: Path) -> None:
    """Walk through a user's day with *source*, a folder of media."""
    out = source.parent / "cloud-out"
    shutil.rmtree(out, ignore_errors=True)
    show = with_engine if find_pulumi() else without_engine
    with tempfile.TemporaryDirectory(prefix="demo-cloud-") as folder:
        show(Path(folder), source.absolute(), out.absolute())


def with_engine(folder: Path, source: Path, out: Path) -> None:
    """Deploy the example stack with Pulumi, and destroy it."""
    os.environ["PATH"] = f"{find_pulumi()}{os.pathsep}{os.environ['PATH']}"
    say("starting Azurite and the Batch emulator; a project with the example stack")
    with Azurite() as storage, estate(folder, storage, speed=_SPEED, processes=True) as ours:
        shell = Shell(ours.deployment.folder, ours.environment)
        shell("pulumi", "up", "--yes", "--skip-preview", "--suppress-progress", lines=32)
        work(shell, source, out)
        shell("pulumi", "destroy", "--yes", "--skip-preview", "--suppress-progress", lines=9)


def without_engine(folder: Path, source: Path, out: Path) -> None:
    """Put what the program declares in place: there is no Pulumi CLI."""
    say("no pulumi on PATH, nor built by `make pulumi`: what the program declares is put in place")
    with (
        Azurite() as storage,
        Emulator(
            storage=storage.account,
            certificates=storage.certificates,
            node_path=[node_programs(folder)],
            speed=_SPEED,
        ) as azure,
    ):
        outputs = put_in_place(deploy(), azure, storage, folder)
        environment = {**os.environ, **azure.environment, "RUNNER_OUTPUTS": str(outputs)}
        work(Shell(source.parent, environment), source, out)


def work(shell: Shell, source: Path, out: Path) -> None:
    """Convert *source*, look around, convert again, clean up."""
    shell("runner", "doctor", "-o", str(out))
    shell("runner", "convert", str(source), "-o", str(out))
    shell("runner", "status", "-o", str(out))
    shell("runner", "logs", str(source / "cut short.mp4"), "-o", str(out), lines=4)
    say(
        "the same command again: nothing is left to convert, and the damaged file is not tried again"
    )
    shell("runner", "convert", str(source), "-o", str(out))
    shell("runner", "clean", "--older-than", "0d", "-o", str(out))


def say(words: str, *, prompt: str = "#") -> None:
    """Write what comes next."""
    sys.stdout.write(f"\n{prompt} {words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
