"""Results that stay in the cloud: the node writes them, and the laptop sees none of their bytes."""

from dataclasses import replace
from pathlib import Path

import pytest
from azure.storage.blob import BlobClient

from runner.addresses import BlobAddress
from runner.media.blob_target import MadeFrom
from runner.models import Plan
from tests.azure.conftest import MakeCloud, MakeEngine, drive, plan_of
from tests.cloud import Cloud


def kept_in(cloud: Cloud, name: str = "mp3") -> BlobAddress:
    """A destination in a container of the stack's account, which nodes may write to."""
    return BlobAddress(cloud.deployment.blob_endpoint, cloud.container("output"), f"kept/{name}")


def results_in(cloud: Cloud) -> dict[str, bytes]:
    """The results that stay, by their names below the destination."""
    start = "kept/mp3/"
    return {
        name.removeprefix(start): data
        for name, data in cloud.stored("output").items()
        if name.startswith(start) and "/.runner/" not in name
    }


def result_at(cloud: Cloud, target: str) -> BlobClient:
    return cloud.blobs.get_blob_client(cloud.container("output"), f"kept/mp3/{target}")


@pytest.fixture(params=["identity", "signed"])
def cloud(request: pytest.FixtureRequest, make_cloud: MakeCloud) -> Cloud:
    cloud = make_cloud()
    return cloud if request.param == "identity" else cloud.without_identity()


@pytest.fixture
def plan(cloud: Cloud, folder: Path, destination: Path) -> Plan:
    return replace(plan_of(folder, destination), address=kept_in(cloud))


def test_the_node_stores_results_under_their_final_names_with_what_they_were_made_from(
    cloud: Cloud, engine_on: MakeEngine, plan: Plan
) -> None:
    told = drive(engine_on(cloud, overwrite="auto"), plan)
    assert not told.failures
    assert set(results_in(cloud)) == {"a.mp3", "b.mp3", "c.mp3"}
    for conversion in plan.conversions:
        facts = result_at(cloud, conversion.target).get_blob_properties()
        made = MadeFrom.from_metadata(facts.metadata)
        result = told.results[conversion.target].result
        assert made is not None
        assert result is not None
        assert facts.content_settings.content_type == "audio/mpeg"
        assert (made.sha256, made.size) == (result.sha256, facts.size)
        assert (made.source, made.run) == (conversion.source.path, plan.id)
        assert (made.source_size, made.source_mtime_ns) == conversion.source.state
        assert (made.conversion, made.recipe) == (conversion.id, conversion.recipe.fingerprint)
    left = [name for name in cloud.stored("output") if "/result." in name]
    assert not left, "there is one copy, where it belongs"
    assert not list(plan.destination.rglob("*.mp3"))
