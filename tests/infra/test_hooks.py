"""The stand-in for Azure hands pools, roles and containers on to the emulators beside it."""

from pathlib import Path

import pytest
from azure.batch import BatchClient
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import BlobServiceClient

from tests.emulator import Emulator
from tests.emulator.azurite import Azurite
from tests.infra.mocked import Deployed, deploy
from tests.infra.provider.azure import Azure
from tests.infra.provider.kinds import KINDS
from tests.infra.provider.names import leaf
from tests.infra.provider.store import Store


@pytest.fixture
def arm(
    azure: Emulator, storage: Azurite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Azure:
    """The stand-in, told of the emulators as a person would tell it."""
    for name, value in {
        "PROVIDER_BATCH_URL": azure.endpoint,
        "PROVIDER_BLOB_URL": storage.blob_endpoint,
        "PROVIDER_BLOB_KEY": storage.key,
        "PROVIDER_CA_FILE": azure.ca_file,
    }.items():
        monkeypatch.setenv(name, value)
    return Azure(Store(tmp_path / "azure.json"))


def make_all(arm: Azure, deployed: Deployed) -> dict[str, str]:
    """Make what the program registered, in its order; return the ids by logical name."""
    ids = {}
    for each in deployed.resources:
        token = f"azure-native:{each.token}"
        named = {KINDS[token].name_input: leaf(each.id), **each.inputs}
        ids[each.name], _ = arm.create(token, named)
    return ids


@pytest.fixture
def batch(azure: Emulator) -> BatchClient:
    return BatchClient(azure.endpoint, azure.credential, connection_verify=azure.ca_file)


def test_the_emulator_gets_the_pool_that_the_program_declares(
    arm: Azure, batch: BatchClient
) -> None:
    declared = deploy()
    make_all(arm, declared)
    pool = batch.get_pool(declared.outputs["pools"][0]["id"])
    inputs = declared.one("batch:Pool").inputs
    assert pool.vm_size == inputs["vmSize"].lower()
    assert pool.task_slots_per_node == 4
    assert pool.auto_scale_formula == inputs["scaleSettings"]["autoScale"]["formula"]
    assert pool.start_task is not None
    assert pool.start_task.command_line == inputs["startTask"]["commandLine"]
    assert pool.identity is not None
    (identity,) = pool.identity.user_assigned_identities or []
    assert identity.resource_id == declared.outputs["pool_identity_id"]


def test_another_formula_arrives_and_a_deleted_pool_goes(arm: Azure, batch: BatchClient) -> None:
    declared = deploy()
    pool_id = make_all(arm, declared)["pool"]
    inputs = declared.one("batch:Pool").inputs
    scale = {"autoScale": {"formula": "$TargetLowPriorityNodes = 0;", "evaluationInterval": "PT5M"}}
    arm.update("azure-native:batch:Pool", pool_id, {**inputs, "scaleSettings": scale})
    found = batch.get_pool(leaf(pool_id))
    assert found.auto_scale_formula == "$TargetLowPriorityNodes = 0;"
    arm.delete("azure-native:batch:Pool", pool_id)
    assert [each.state for each in batch.list_pools()] in ([], ["deleting"])


def test_nodes_may_do_what_the_program_grants_and_no_more(arm: Azure, azure: Emulator) -> None:
    declared = deploy()
    ids = make_all(arm, declared)
    nodes = declared.outputs["pool_identity_id"]
    allowed = {
        (container, write)
        for container in ("input", "output", "tools")
        for write in (False, True)
        if azure.roles.allows(nodes, container, write=write)
    }
    assert allowed == {("input", False), ("tools", False), ("output", False), ("output", True)}
    arm.delete("azure-native:authorization:RoleAssignment", ids["pool-reads-input"])
    assert not azure.roles.allows(nodes, "input", write=False)
    assert azure.roles.allows(nodes, "tools", write=False)


def test_azurite_gets_the_containers_and_loses_them(arm: Azure, storage: Azurite) -> None:
    ids = make_all(arm, deploy())
    key = AzureNamedKeyCredential(storage.name, storage.key)
    with BlobServiceClient(storage.blob_endpoint, key, connection_verify=storage.ca_file) as blobs:
        made = {each.name for each in blobs.list_containers()}
        assert {"input", "output", "tools"} <= made
        for name in ("input", "output", "tools"):
            arm.delete("azure-native:storage:BlobContainer", ids[name])
        left = {each.name for each in blobs.list_containers()}
        assert not {"input", "output", "tools"} & left


def test_outputs_lead_to_the_emulators(arm: Azure, azure: Emulator, storage: Azurite) -> None:
    declared = deploy()
    assert declared.outputs["batch_endpoint"] == azure.endpoint
    assert declared.outputs["blob_endpoint"] == storage.blob_endpoint
