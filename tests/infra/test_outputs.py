import pytest

from infra.node_ffmpeg import PACKAGE, X86_64
from infra.vm_sizes import parse_vm_size
from tests.infra.mocked import Deployed, deploy


def test_their_values_are_what_the_runner_needs(example: Deployed) -> None:
    (pool,) = example.outputs["pools"]
    assert {**example.outputs, "pools": [{**pool, "id": ""}], "pool_identity_id": ""} == {
        "outputs_schema": 2,
        "needs_runner": "0.1.0",
        "subscription_id": "11111111-2222-3333-4444-555555555555",
        "resource_group": "rg-ffmpeg-dev",
        "location": "westeurope",
        "batch_account": "ffmpegdevba0a1b2c3d",
        "batch_endpoint": "https://ffmpegdevba0a1b2c3d.westeurope.batch.azure.com",
        "pool_allocation_mode": "UserSubscription",
        "pools": [
            {
                "name": "",
                "id": "",
                "vm_size": "Standard_D4ads_v5",
                "task_slots": 4,
                "purpose": "",
                "default": True,
                "max_nodes": 10,
                "max_spot_nodes": 10,
                "max_dedicated_nodes": 0,
                "node_vcpus": 4,
                "quota_family": "standardDADSv5Family",
                "autoscale_minutes": 5,
                "node_ffmpeg": f"ffmpeg-{X86_64.sha256}.xz",
                "node_ffmpeg_package": f"{PACKAGE} manylinux_2_28_x86_64",
            }
        ],
        "pool_identity_id": "",
        "storage_account": "ffmpegdevst0a1b2c3d",
        "blob_endpoint": "https://ffmpegdevst0a1b2c3d.blob.core.windows.net",
        "input_container": "input",
        "output_container": "output",
        "tools_container": "tools",
        "storage_sku_name": "Hot LRS",
        "soft_delete_days": 7,
        "read_containers": [],
        "write_containers": [],
    }


def test_pool_and_identity_are_those_that_were_made(example: Deployed) -> None:
    pool = example.one("batch:Pool").inputs
    assert example.outputs["pools"][0]["id"] == pool["poolName"]
    assert [example.outputs["pool_identity_id"]] == pool["identity"]["userAssignedIdentities"]


def test_no_output_and_no_input_is_a_secret(example: Deployed) -> None:
    for each in example.resources:
        assert "4dabf18193072939515e22adb298388d" not in str(each.request), each.name


def test_all_nodes_count_spot_and_dedicated() -> None:
    assert deploy(maxSpotNodes="7", maxDedicatedNodes="2").outputs["pools"][0]["max_nodes"] == 9


def test_what_the_pool_wants_of_its_quotas_is_said() -> None:
    (pool,) = deploy(scale="fixed", fixedSpotNodes="3", fixedDedicatedNodes="1").outputs["pools"]
    assert (pool["max_spot_nodes"], pool["max_dedicated_nodes"]) == (3, 1)


@pytest.mark.parametrize(
    ("size", "family"),
    [
        ("Standard_D4ads_v5", "standardDADSv5Family"),
        ("Standard_F8s_v2", "standardFSv2Family"),
        ("Standard_E8-4ds_v5", "standardEDSv5Family"),
        ("Standard_D4_v3", "standardDv3Family"),
        ("Standard_B2ms", "standardBMSFamily"),
        ("Standard_D4pls_v5", "standardDPLSv5Family"),
    ],
)
def test_a_quota_is_named_as_azures_usage_list_names_it(size: str, family: str) -> None:
    machine = parse_vm_size(size)
    assert machine is not None
    assert machine.quota_family == family


@pytest.mark.parametrize(
    ("redundancy", "name"), [("Standard_ZRS", "Hot ZRS"), ("Standard_GRS", "Hot GRS")]
)
def test_storage_is_named_as_the_price_list_names_it(redundancy: str, name: str) -> None:
    assert deploy(storageRedundancy=redundancy).outputs["storage_sku_name"] == name
