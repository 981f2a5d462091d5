"""What the tests of the environment share."""

import pytest

from tests.infra.mocked import Deployed, deploy


@pytest.fixture(scope="session")
def example() -> Deployed:
    """The environment with nothing configured but what has to be."""
    return deploy()
