"""A fixture for tests against the cloud: a new account for each, beside the one storage for all.

A conftest.py uses it by importing it; the storage is a fixture of its own, `storage`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.emulator.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.emulator.azurite import Azurite


@pytest.fixture
def azure(storage: Azurite) -> Iterator[Emulator]:
    """Start an account over https beside that storage; one CA is good for both."""
    with Emulator(storage=storage.account, certificates=storage.certificates) as running:
        yield running
