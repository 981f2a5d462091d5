"""Whether the Azure clients are installed: they are the extra `azure`, which local runs do without."""

import re
import sys
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec

from runner.errors import SetupError
from runner.followup import joined

DISTRIBUTION = "batch-ffmpeg-runner"
_NAMES = ("azure-batch", "azure-identity", "azure-storage-blob")
_IN_EXTRA = re.compile(r"""extra == ['"]azure['"]""")
_MODULES = ("azure.batch", "azure.identity", "azure.storage.blob")


def require_clients() -> None:
    """Check that the Azure clients can be imported, before anything imports them.

    Raises:
        SetupError: One cannot; the message has the command that installs them.
    """
    if not all(map(_is_installed, _MODULES)):
        raise SetupError(
            "the Azure clients are not installed (a run on this machine, --where local, needs none): "
            + joined([*_installer(), *_packages()])
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of a package above it
        return False


def _installer() -> list[str]:
    """What installs beside this very Python; `uv tool` makes environments without a pip."""
    if find_spec("pip"):
        return [sys.executable, "-m", "pip", "install"]
    return ["uv", "pip", "install", "--python", sys.executable]


def _packages() -> list[str]:
    """What the extra stands for, with the versions that it asks for.

    Not `batch-ffmpeg-runner[azure]`: an installer might look for that name in a registry, where it
    may be somebody else's.
    """
    try:
        wanted = requires(DISTRIBUTION) or ()
    except PackageNotFoundError:  # a copy of the sources that nobody installed
        return list(_NAMES)
    parted = (line.partition(";") for line in wanted)
    return [need.strip() for need, _, marker in parted if _IN_EXTRA.search(marker)]
