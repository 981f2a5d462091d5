"""The start task, which a new node runs before any task. Pure: it turns settings into text."""

import base64
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

VARIABLE = "RUNNER_START_TASK"
"""The environment setting with the script."""
IDENTITY, TOOLS_URL, OUTPUT_URL = "RUNNER_IDENTITY", "RUNNER_TOOLS", "RUNNER_OUTPUT"
"""The environment settings of nodes with an identity: its client id, and two containers."""

COMMAND = f'/bin/bash -c \'script=$(base64 -d <<< "${VARIABLE}") && exec /bin/bash -c "$script"\''
"""The command line, which Batch splits and runs without a shell.

The script is passed encoded in an environment setting, so that nothing in it is taken for a quote or a
variable, and a damaged one does not decode instead of running in part.
"""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """The start task's time limits, in seconds: meanwhile its nodes cost money and do nothing else."""

    budget: int = 900
    """For everything; after that the node has failed."""
    update: int = 120
    """For downloading apt's lists; after that, the next mirror is tried."""
    install: int = 420
    """For one installation, or one download from storage."""
    lock: int = 300
    """For waiting for another dpkg: upgrades at the first boot lock it for minutes."""
    pause: int = 15
    """Between two attempts."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a node gets ffmpeg from; if nothing is set, the image must contain it."""

    embedded: str = ""
    """The SHA-256 of the binary in the container `tools`."""
    apt: bool = False
    """Whether it may be installed from a package mirror."""
    mirror: str = ""
    """The URL of a mirror to use instead of Ubuntu's."""
    proxy: str = ""
    """The URL of a proxy for the mirror."""


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Paths on a node."""

    apt: str = "/etc/apt"
    ffmpeg: str = "/usr/local/bin/ffmpeg"


def start_task_script(
    source: Source, patience: Patience | None = None, paths: Paths | None = None
) -> str:
    """Return the script, which installs ffmpeg and Python 3.10 and tests them by encoding something.

    It runs at every boot, so it keeps what is already installed.
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
        "STORAGE": file_text("node_storage.py"),
    }
    return f"#!/bin/bash\n{assignments(variables)}\n{file_text('start_task.sh')}"


def assignments(variables: Mapping[str, object]) -> str:
    """Return *variables* as assignments of the shell."""
    return "\n".join(f"{name}={shlex.quote(str(value))}" for name, value in variables.items())


@cache
def file_text(name: str) -> str:
    """Return the content of a file of this package that runs on the node."""
    return files("infra").joinpath(name).read_text(encoding="utf-8")


def encoded(script: str) -> str:
    """Return *script* as the environment setting's value."""
    return base64.b64encode(script.encode()).decode()
