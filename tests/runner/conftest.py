"""What tests of the command here are given beside what all are."""

from dataclasses import replace

import pytest

from tests.conftest import Run


@pytest.fixture
def run(run: Run) -> Run:
    """The command, whose processes are forks of one that has loaded all of it."""
    return replace(run, warm=True)
