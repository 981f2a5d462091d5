"""The stand-in for Azure refuses what Azure refuses: only so do the engine's tests mean anything."""

from pathlib import Path
from typing import Any

import pytest

from tests.infra.provider import schema
from tests.infra.provider.azure import Azure
from tests.infra.provider.kinds import BATCH_SERVICE, SUBSCRIPTION, TENANT
from tests.infra.provider.refusals import ArmError
from tests.infra.provider.schema import UNKNOWN
from tests.infra.provider.store import Store

POOL = "azure-native:batch:Pool"
SUBNET = "azure-native:network:Subnet"
VAULT = "azure-native:keyvault:Vault"
ACCOUNT = "azure-native:batch:BatchAccount"
ASSIGNMENT = "azure-native:authorization:RoleAssignment"
BLOB_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
IN_GROUP = {"resourceGroupName": "rg"}
SKU = {"family": "A", "name": "standard"}
SOMEBODY = "aaaaaaaa-0000-0000-0000-000000000001"
ONE, TWO = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
PERMISSIONS = ["get", "list", "set", "delete", "recover"]


@pytest.fixture
def arm(tmp_path: Path) -> Azure:
    made = Azure(Store(tmp_path / "azure.json"))
    made.create("azure-native:resources:ResourceGroup", {**IN_GROUP, "location": "westeurope"})
    return made


def vault(arm: Azure, name: str = "media-vault", permissions: list[str] = PERMISSIONS) -> str:
    policy = {
        "objectId": BATCH_SERVICE,
        "tenantId": TENANT,
        "permissions": {"secrets": permissions},
    }
    properties = {"tenantId": TENANT, "sku": SKU, "accessPolicies": [policy]}
    return arm.create(VAULT, {**IN_GROUP, "vaultName": name, "properties": properties})[0]


def account(arm: Azure, vault_id: str, **more: Any) -> str:
    inputs = {"accountName": "media", "poolAllocationMode": "UserSubscription", **more}
    reference = {"id": vault_id, "url": "https://media-vault.vault.azure.net/"}
    return arm.create(ACCOUNT, {**IN_GROUP, **inputs, "keyVaultReference": reference})[0]


def pool_inputs(**more: Any) -> dict[str, Any]:
    image = {"publisher": "canonical", "offer": "0001-com-ubuntu-server-jammy", "sku": "22_04-lts"}
    machine = {"imageReference": image, "nodeAgentSkuId": "batch.node.ubuntu 22.04"}
    return {
        **IN_GROUP,
        "accountName": "media",
        "poolName": "p",
        "vmSize": "Standard_D4ads_v5",
        "deploymentConfiguration": {"virtualMachineConfiguration": machine},
        "scaleSettings": {"autoScale": {"formula": "$TargetDedicatedNodes = 1;"}},
        **more,
    }


def network(arm: Azure) -> tuple[str, str]:
    """A network and the one subnet in it."""
    inputs = {**IN_GROUP, "virtualNetworkName": "vnet"}
    space = {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}
    vnet, _ = arm.create("azure-native:network:VirtualNetwork", {**inputs, **space})
    nodes = {**inputs, "subnetName": "nodes", "addressPrefix": "10.0.0.0/24"}
    return vnet, arm.create(SUBNET, nodes)[0]


def refused(code: str) -> Any:
    return pytest.raises(ArmError, match=code)


@pytest.mark.parametrize(
    ("inputs", "fault"),
    [
        ({"vmSiz": "x"}, ("vmSiz", "is no property of PoolArgs")),
        ({"taskSlotsPerNode": 1.5}, ("taskSlotsPerNode", "expected int, got 1.5")),
        (
            {"interNodeCommunication": "Off"},
            ("interNodeCommunication", "'Off' is none of Enabled, Disabled"),
        ),
        (
            {"startTask": {"commandLine": "x", "userIdentity": {"autoUser": {"scope": "Nobody"}}}},
            ("startTask.userIdentity.autoUser.scope", "'Nobody' is none of Task, Pool"),
        ),
        ({"metadata": [{"name": "x"}]}, ("metadata[0].value", "is required")),
        ({"resourceTags": {"a": 1}}, ("resourceTags.a", "expected str, got 1")),
        ({"identity": "me"}, ("identity.", "expected an object, got 'me'")),
    ],
)
def test_azure_natives_own_types_are_what_inputs_are_held_against(
    inputs: dict[str, Any], fault: tuple[str, str]
) -> None:
    named = {"accountName": "a", "resourceGroupName": "rg"}
    assert schema.faults(POOL, {**named, **inputs}) == [fault]


def test_what_is_not_known_yet_passes() -> None:
    assert schema.faults(POOL, {"accountName": UNKNOWN, "resourceGroupName": "rg"}) == []


def test_a_resource_that_azure_native_does_not_have_is_an_error() -> None:
    with pytest.raises(LookupError):
        schema.faults("azure-native:batch:Swimming", {})


def test_nothing_is_made_in_a_group_or_an_account_that_is_not_there(arm: Azure) -> None:
    request = {"vaultName": "media-vault", "properties": {"tenantId": TENANT, "sku": SKU}}
    with refused("ResourceGroupNotFound"):
        arm.create(VAULT, {**request, "resourceGroupName": "other"})
    with refused("ParentResourceNotFound"):
        arm.create(POOL, pool_inputs())


def test_nobody_gets_a_role_at_a_scope_that_is_not_there(arm: Azure) -> None:
    scope = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/media-vault"
    inputs = {
        "scope": scope,
        "roleAssignmentName": ONE,
        "principalId": SOMEBODY,
        "principalType": "User",
        "roleDefinitionId": BLOB_READER,
    }
    with refused("ParentResourceNotFound"):
        arm.create(ASSIGNMENT, inputs)
    vault(arm)
    arm.create(ASSIGNMENT, inputs)
    with refused("RoleAssignmentExists"):
        arm.create(ASSIGNMENT, {**inputs, "roleAssignmentName": TWO})


def test_a_role_that_azure_does_not_have_is_refused(arm: Azure) -> None:
    inputs = {
        "scope": f"/subscriptions/{SUBSCRIPTION}",
        "roleAssignmentName": ONE,
        "principalId": SOMEBODY,
        "principalType": "User",
        "roleDefinitionId": BLOB_READER[:-1],
    }
    with refused("RoleDefinitionDoesNotExist"):
        arm.create(ASSIGNMENT, inputs)


@pytest.mark.parametrize("missing", PERMISSIONS)
def test_every_one_of_batchs_permissions_counts(arm: Azure, missing: str) -> None:
    given = [each for each in PERMISSIONS if each != missing]
    with refused("InvalidKeyVaultReference"):
        account(arm, vault(arm, permissions=given))


def test_a_deleted_vault_keeps_its_name(arm: Azure) -> None:
    arm.delete(VAULT, vault(arm))
    with refused("already exists in deleted state"):
        vault(arm)


@pytest.mark.parametrize(
    "change",
    [{"vmSize": "Standard_D8ads_v5"}, {"taskSlotsPerNode": 2}, {"identity": {"type": "None"}}],
)
def test_a_pool_refuses_a_put_that_changes_what_cannot_change(
    arm: Azure, change: dict[str, Any]
) -> None:
    account(arm, vault(arm))
    arm_id, _ = arm.create(POOL, pool_inputs())
    with refused("PropertyCannotBeUpdated"):
        arm.update(POOL, arm_id, pool_inputs(**change))
    arm.update(
        POOL,
        arm_id,
        pool_inputs(scaleSettings={"autoScale": {"formula": "$TargetDedicatedNodes = 2;"}}),
    )


def test_an_account_keeps_its_mode(arm: Azure) -> None:
    reference = vault(arm)
    arm_id = account(arm, reference)
    found = arm.read(arm_id)
    with refused("PropertyCannotBeUpdated"):
        arm.update(ACCOUNT, arm_id, {**(found or {}), "poolAllocationMode": "BatchService"})


def test_an_image_and_an_agent_must_fit(arm: Azure) -> None:
    account(arm, vault(arm))
    wrong = pool_inputs()
    machine = wrong["deploymentConfiguration"]["virtualMachineConfiguration"]
    machine["nodeAgentSkuId"] = "batch.node.ubuntu 24.04"
    with refused("is not supported"):
        arm.create(POOL, wrong)


def test_a_subnet_in_use_stays_and_so_does_the_network_around_it(arm: Azure) -> None:
    vnet, subnet = network(arm)
    account(arm, vault(arm))
    pool, _ = arm.create(POOL, pool_inputs(networkConfiguration={"subnetId": subnet}))
    with refused("InUseSubnetCannotBeDeleted"):
        arm.delete(SUBNET, subnet)
    with refused("InUseSubnetCannotBeDeleted"):
        arm.delete("azure-native:network:VirtualNetwork", vnet)
    arm.delete(POOL, pool)
    arm.delete("azure-native:network:VirtualNetwork", vnet)
    assert arm.read(subnet) is None


def test_a_storage_firewall_wants_the_subnets_service_endpoint(arm: Azure) -> None:
    _, subnet = network(arm)
    rules: dict[str, Any] = {"virtualNetworkRules": [{"virtualNetworkResourceId": subnet}]}
    rules["defaultAction"] = "Deny"
    storage = {
        **IN_GROUP,
        "accountName": "media",
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "networkRuleSet": rules,
    }
    with refused("SubnetsHaveNoServiceEndpointsConfigured"):
        arm.create("azure-native:storage:StorageAccount", storage)


def test_what_is_there_cannot_be_made_again(arm: Azure) -> None:
    vault(arm)
    with refused("ResourceExists"):
        vault(arm)


def test_what_is_gone_cannot_be_changed_and_can_be_deleted_again(arm: Azure) -> None:
    arm_id = vault(arm)
    arm.delete(VAULT, arm_id)
    arm.delete(VAULT, arm_id)
    with refused("ResourceNotFound"):
        arm.update(VAULT, arm_id, {})
