"""The start task: what a fresh node runs before it takes work. Pure: settings in, text out."""

import base64
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

VARIABLE = "RUNNER_START_TASK"
"""The environment setting that carries the script."""
IDENTITY, TOOLS_URL, OUTPUT_URL = "RUNNER_IDENTITY", "RUNNER_TOOLS", "RUNNER_OUTPUT"
"""The environment settings of nodes that have an identity: its client id, and two containers."""

COMMAND = f'/bin/bash -c \'script=$(base64 -d <<< "${VARIABLE}") && exec /bin/bash -c "$script"\''
"""The command line, which Batch splits and runs without a shell.

The script travels encoded in an environment setting: nothing in it can be taken for a quote or a
variable on the way, and a damaged one does not decode, rather than run by half.
"""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long the start task tries, in seconds: its nodes are paid for, and do nothing else."""

    budget: int = 900
    """For everything; then the node has failed."""
    update: int = 120
    """For fetching apt's lists: a mirror that hangs is left after that."""
    install: int = 420
    """For one installation, or one fetch from storage."""
    lock: int = 300
    """To wait for another dpkg: a first boot's own upgrades hold it for minutes."""
    pause: int = 15
    """Between two attempts."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a node's ffmpeg comes from; the image has to bring it when nothing is set."""

    embedded: str = ""
    """The SHA-256 of the binary that lies in the container `tools`."""
    apt: bool = False
    """Whether it may be installed from a package mirror."""
    mirror: str = ""
    """A mirror of one's own instead of Ubuntu's: a URL."""
    proxy: str = ""
    """The proxy on the way to the mirror: a URL."""


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Where things are on a node."""

    apt: str = "/etc/apt"
    ffmpeg: str = "/usr/local/bin/ffmpeg"


def start_task_script(
    source: Source, patience: Patience | None = None, paths: Paths | None = None
) -> str:
    """Return the script: have ffmpeg and Python 3.10 on the node, prove it by an encoding.

    Runs at every boot, so it leaves alone what is there.
    """
    patience, paths = patience or Patience(), paths or Paths()
    ways = {"from_storage": bool(source.embedded), "from_apt": source.apt}
    variables = {
        "BUDGET": patience.budget,
        "UPDATE": patience.update,
        "INSTALL": patience.install,
        "LOCK": patience.lock,
        "PAUSE": patience.pause,
        "WAYS": " ".join(way for way, open_ in ways.items() if open_),
        "SHA256": source.embedded,
        "MIRROR": source.mirror,
        "PROXY": source.proxy,
        "APT": paths.apt,
        "FFMPEG": paths.ffmpeg,
        "STORAGE": part("node_storage.py"),
    }
    return f"#!/bin/bash\n{assignments(variables)}\n{part('start_task.sh')}"


def assignments(variables: Mapping[str, object]) -> str:
    """Return *variables* as the shell sets them."""
    return "\n".join(f"{name}={shlex.quote(str(value))}" for name, value in variables.items())


@cache
def part(name: str) -> str:
    """Return a file of this package that runs on the node."""
    return files("infra").joinpath(name).read_text(encoding="utf-8")


def encoded(script: str) -> str:
    """Return *script* as the environment setting's value."""
    return base64.b64encode(script.encode()).decode()
