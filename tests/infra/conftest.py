"""What the tests of the environment share."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.fixtures import azure
from tests.infra.engine import Deployment, find_pulumi
from tests.infra.mocked import Deployed, deploy

__all__ = ["azure"]


@pytest.fixture(scope="session")
def example() -> Deployed:
    """The environment with nothing configured but what has to be, under mocks."""
    return deploy()


@pytest.fixture(scope="session")
def pulumi() -> Iterator[None]:
    """Pulumi's own engine on PATH, or no test of it; CI is no place to go without."""
    folder = find_pulumi()
    if folder is None:
        words = "no pulumi on PATH, nor built by `make pulumi`"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        yield


@pytest.fixture(scope="session")
def first_up(pulumi: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an environment that is up; not to be changed."""
    folder = tmp_path_factory.mktemp("first-up")
    Deployment(folder).up()
    return folder


@pytest.fixture
def deployment(first_up: Path, tmp_path: Path) -> Deployment:
    """An environment that is up, for one test to change; its journal is empty."""
    folder = tmp_path / "deployment"
    shutil.copytree(first_up, folder, symlinks=True)
    copied = Deployment(folder)
    copied.forget_journal()
    return copied


@pytest.fixture(scope="session")
def first_init(pulumi: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a stack of which nothing has been made; not to be changed."""
    folder = tmp_path_factory.mktemp("first-init")
    Deployment(folder)
    return folder


@pytest.fixture
def new(first_init: Path, tmp_path: Path) -> Deployment:
    """An environment of which nothing has been made yet."""
    folder = tmp_path / "deployment"
    shutil.copytree(first_init, folder, symlinks=True)
    return Deployment(folder)
