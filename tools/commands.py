"""Write docs/commands.md: the commands a user needs, each with what it really prints.

    python tools/commands.py

Runs them on the demo's media; those on Azure run against the emulators.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.cloud import stand_in_cloud  # noqa: E402 - the repository's own tests

BIN = Path(sys.executable).parent
HERE = (
    ("Convert a folder", "runner convert in"),
    ("Convert what is missing", "runner convert in"),
    ("See what would be converted", "runner convert in --to opus --exclude '**/day 2/**' -n"),
    (
        "Another format, one file, your own arguments for ffmpeg",
        "runner convert 'in/My Talk.mp4' -o speech --to mp3 -- -map 0:a:0 -c:a libmp3lame -b:a 64k",
    ),
    ("See why a file failed", "runner logs 'in/cut short.mp4' | tail -n 4"),
    ("Convert the failed files again", "runner retry"),
    ("See the last run, and all runs", "runner status; runner runs"),
    ("See what a preset does", "runner presets podcast"),
    ("For programs", "runner convert in --json | tail -n 1"),
    ("Check the environment", "runner doctor"),
)
THERE = (
    ("On Azure: submit and exit", "runner convert in -o cloud --detach"),
    ("See the state of a run", "runner status -o cloud"),
    ("Collect the results, from any machine", "runner attach -o elsewhere"),
    ("Cancel a run", "runner convert in -o again --detach -q; runner cancel -o again"),
    ("Delete what runs left", "runner clean --older-than 0d -o cloud"),
)


def main() -> None:
    """Run everything and write the page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = [sys.executable, str(ROOT / "tools/demo_media.py"), str(folder / "in")]
        subprocess.run(made, check=True)
        plain = {k: v for k, v in os.environ.items() if not k.startswith("RUNNER_")}
        parts = list(_sections(HERE, folder, plain))
        with stand_in_cloud(folder / "azure", speed=20) as cloud:
            parts += _sections(THERE, folder, cloud.environment(folder))
    page = [
        "# Commands, and what they print",
        "This page is made by `python tools/commands.py` from real runs.",
        *parts,
    ]
    (ROOT / "docs" / "commands.md").write_text("\n\n".join(page) + "\n", encoding="utf-8")


def _sections(
    commands: tuple[tuple[str, str], ...], folder: Path, environment: dict[str, str]
) -> Iterator[str]:
    path = f"{BIN}{os.pathsep}{environment['PATH']}"
    for title, command in commands:
        done = subprocess.run(
            ["sh", "-c", f"({command}) 2>&1"],
            cwd=folder,
            env={**environment, "PATH": path, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
            capture_output=True,
            check=False,
        )
        said = done.stdout.decode().strip().replace(str(folder), "~")
        said = said.replace(str(ROOT), "…")
        yield f"## {title}\n\n```\n$ {command}\n{said}\n```"


if __name__ == "__main__":
    main()
