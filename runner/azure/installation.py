"""Check that the Azure clients are installed: they are the extra `azure`, which local runs do not need."""

import re
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec
from pathlib import Path

from runner.errors import SetupError
from runner.followup import joined

DISTRIBUTION = "batch-ffmpeg-runner"
_NAMES = ("azure-batch", "azure-identity", "azure-storage-blob")
_IN_EXTRA = re.compile(r"""extra == ['"]azure['"]""")
_MODULES = ("azure.batch", "azure.identity", "azure.storage.blob")
_NEEDS_LIBRARIES = "azure.storage.blob"
"""It loads cryptography, which is a DLL on Windows that needs others: Wine 8 lacks one of them."""


def require_clients(instead: str = "") -> None:
    """Check that the Azure clients can be imported, before anything imports them.

    *instead* is what to do without them, where that is possible.

    Raises:
        SetupError: One is missing, or a library that they need; the message has the command that installs them.
    """
    fault = "are not installed"
    if all(map(_is_installed, _MODULES)):
        try:
            import_module(_NEEDS_LIBRARIES)
        except ImportError as error:
            fault = f"cannot be loaded ({error})"
        else:
            return
    raise SetupError(
        f"the Azure clients {fault}: run `{joined([*_installer(), *_packages()])}`"
        f"{', or ' if instead else ''}{instead}"
    )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False


def _installer() -> list[str]:
    """Return the command that installs into this Python's environment; `uv tool` makes environments without pip."""
    environment = Path(sys.prefix)
    if (environment / "pipx_metadata.json").is_file():
        return ["pipx", "inject", environment.name]
    if find_spec("pip"):
        return [sys.executable, "-m", "pip", "install"]
    return ["uv", "pip", "install", "--python", sys.executable]


def _packages() -> list[str]:
    """Return the packages of the extra, with their version ranges.

    This is not `batch-ffmpeg-runner[azure]`: an installer might look for that name in a registry, where it
    may belong to somebody else.
    """
    try:
        wanted = requires(DISTRIBUTION) or ()
    except PackageNotFoundError:  # the sources are used without being installed
        return list(_NAMES)
    parted = (line.partition(";") for line in wanted)
    return [need.strip() for need, _, marker in parted if _IN_EXTRA.search(marker)]
