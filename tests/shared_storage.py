"""One Azurite for all workers of a test run, started by whoever needs it first.

A conftest.py uses it by importing `storage` and the two hooks. Each worker has accounts of its own, so
that it is free in the names of its containers. Azurite reads from a pipe which the process that the user
started holds open, and ends with the end of that: whatever becomes of the run, none is left.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.emulator.azurite import Azurite

_FOLDER = "azurite"
"""What the workers are told."""
_PIPE = "pipe"


class _Shared:
    """The folder that the workers share, and our end of the pipe in it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="azurite-"))
        os.mkfifo(self.folder / _PIPE)
        self._pipe = os.open(self.folder / _PIPE, os.O_RDWR)

    def close(self) -> None:
        os.close(self._pipe)
        shutil.rmtree(self.folder, ignore_errors=True)


_SHARED = pytest.StashKey[_Shared]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the shared things are."""
    if os.name != "posix":
        return  # it has no pipes with names: each worker has an Azurite of its own
    stash = node.config.stash
    if _SHARED not in stash:
        stash[_SHARED] = _Shared()
    node.workerinput[_FOLDER] = str(stash[_SHARED].folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End Azurite, if any worker has started it."""
    if shared := config.stash.get(_SHARED, None):
        shared.close()


@pytest.fixture(scope="session")
def storage(request: pytest.FixtureRequest, worker_id: str) -> "Iterator[Azurite]":
    """Azurite over https, one for all tests of a worker: use containers of your own."""
    from tests.emulator.azurite import (  # noqa: PLC0415 - it needs cryptography, and this file not
        Azurite,
        SharedAzurite,
    )

    folder = getattr(request.config, "workerinput", {}).get(_FOLDER)
    if folder is None:
        azurite = Azurite()
    else:
        number = int(worker_id.removeprefix("gw")) + 1
        azurite = SharedAzurite(Path(folder), Path(folder, _PIPE), number)
    with azurite as running:
        yield running
