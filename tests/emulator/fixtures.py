"""Fixtures for tests against the cloud: one storage for all, and a new account for each test.

A conftest.py uses them by importing them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.emulator.azurite import Azurite
from tests.emulator.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def storage() -> Iterator[Azurite]:
    """Start Azurite over https, once for the whole run: use containers of your own."""
    with Azurite() as running:
        yield running


@pytest.fixture
def azure(storage: Azurite) -> Iterator[Emulator]:
    """Start an account over https beside that storage; one CA is good for both."""
    with Emulator(storage=storage.account, certificates=storage.certificates) as running:
        yield running
