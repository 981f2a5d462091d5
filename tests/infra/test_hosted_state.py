"""Stacks that Pulumi Cloud keeps, as far as this machine gets: with the real CLI, and no sign-in."""

from collections.abc import Callable
from pathlib import Path

import pytest

from runner.azure.stack import choose_stack
from runner.errors import SetupError
from tests.infra.engine import Deployment


@pytest.mark.parametrize(
    "ask",
    [lambda: choose_stack("dev", None), lambda: choose_stack(None, None)],
    ids=["named", "any"],
)
@pytest.mark.parametrize("backend", ["", "https://api.pulumi.com"])
def test_without_a_sign_in_it_is_one_line_with_the_way_to_one(
    pulumi: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
    ask: Callable[[], object],
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: project\nruntime: python\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PULUMI_BACKEND_URL", backend)
    monkeypatch.delenv("PULUMI_ACCESS_TOKEN", raising=False)
    with pytest.raises(SetupError) as caught:
        ask()
    assert "not signed in to Pulumi Cloud" in str(caught.value)
    assert "set PULUMI_ACCESS_TOKEN" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_place_of_the_state_is_taken_from_the_environment(
    first_up: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a pipeline, where nobody ran `pulumi login`."""
    deployed = Deployment(first_up)
    monkeypatch.chdir(deployed.folder)
    monkeypatch.setenv("PULUMI_HOME", str(first_up / "another-home"))
    monkeypatch.setenv("PULUMI_BACKEND_URL", deployed.environment["PULUMI_BACKEND_URL"])
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    found = choose_stack("dev", None).deployment
    assert found is not None
    assert (
        found.batch_account
        == deployed.world.of("azure-native:batch:BatchAccount")[0]["inputs"]["accountName"]
    )
