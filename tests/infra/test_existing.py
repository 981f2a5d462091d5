"""What is given by its id is checked, used, and left as it is."""

from typing import Any

import pytest

from infra.configuration import SettingsError
from tests.infra.engine import Deployment
from tests.infra.existing import (
    ACCOUNT,
    EXISTING,
    IDENTITY,
    STORAGE,
    TOKENS,
    VAULT,
    put_existing,
)
from tests.infra.mocked import Deployed, deploy_beside
from tests.infra.provider.kinds import BATCH_SERVICE, SUBSCRIPTION
from tests.infra.provider.names import made_up_id
from tests.infra.test_engine import changes_nothing

ELSEWHERE = SUBSCRIPTION.replace("1", "7")
SUBNET = "/subscriptions/{}/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/hub/subnets/batch"


def elsewhere(arm_id: str) -> str:
    """Return the id of the same in another subscription."""
    return arm_id.replace(SUBSCRIPTION, ELSEWHERE)


@pytest.fixture(scope="module")
def beside() -> Deployed:
    return deploy_beside(
        EXISTING, storageAccountId=STORAGE, keyVaultId=VAULT, poolIdentityId=IDENTITY
    )


def refusal(existing: dict[str, dict[str, Any]], **configuration: str) -> str:
    with pytest.raises(SettingsError) as error:
        deploy_beside(existing, **configuration)
    return str(error.value)


def test_nothing_is_made_instead_of_what_is_given(beside: Deployed) -> None:
    made = {each.token for each in beside.resources}
    assert not made & {
        "storage:StorageAccount",
        "storage:BlobServiceProperties",  # soft delete and expiry are one for an account,
        "storage:ManagementPolicy",  # and so its owner's
        "keyvault:Vault",
        "managedidentity:UserAssignedIdentity",
    }


def test_containers_in_a_given_storage_account_have_the_stacks_name(beside: Deployed) -> None:
    made = {each.inputs["containerName"] for each in beside.all("storage:BlobContainer")}
    assert made == {"ffmpeg-dev-input", "ffmpeg-dev-output", "ffmpeg-dev-tools"}
    assert all(each.id.startswith(STORAGE) for each in beside.all("storage:BlobContainer"))
    assert beside.outputs["storage_account"] == "media"
    assert beside.outputs["blob_endpoint"] == "https://media.blob.core.windows.net"
    assert beside.outputs["output_container"] == "ffmpeg-dev-output"
    assert beside.outputs["storage_sku_name"] == "Hot RA-GRS"
    assert beside.outputs["soft_delete_days"] == -1
    variables = beside.one("batch:Pool").inputs["startTask"]["environmentSettings"]
    addresses = {each["value"] for each in variables}
    assert "https://media.blob.core.windows.net/ffmpeg-dev-tools" in addresses


def test_a_given_identity_is_the_nodes_and_gets_their_roles_and_no_more(beside: Deployed) -> None:
    assert beside.outputs["pool_identity_id"] == IDENTITY
    pool = beside.one("batch:Pool").inputs["identity"]
    assert pool["userAssignedIdentities"] == [IDENTITY]
    principal = made_up_id(IDENTITY, "principal")
    scopes = sorted(scope for to, _, scope in beside.grants() if to == principal)
    containers = f"{STORAGE}/blobServices/default/containers/ffmpeg-dev"
    assert scopes == [f"{containers}-input", f"{containers}-output", f"{containers}-tools"]


def test_a_given_vault_is_the_new_accounts_own(beside: Deployed) -> None:
    reference = beside.one("batch:BatchAccount").inputs["keyVaultReference"]
    assert reference == {"id": VAULT, "url": "https://secrets.vault.azure.net/"}


def test_batch_gets_its_role_on_a_given_vault_that_works_by_roles() -> None:
    properties = {**EXISTING[VAULT]["properties"], "enableRbacAuthorization": True}
    existing = {VAULT: {**EXISTING[VAULT], "properties": properties}}
    deployed = deploy_beside(existing, keyVaultId=VAULT, keyVaultPermissionModel="rbac")
    assert (BATCH_SERVICE, VAULT) in {(to, scope) for to, _, scope in deployed.grants()}


def test_a_pool_is_made_in_a_given_account_and_operators_get_their_roles_on_it() -> None:
    deployed = deploy_beside(EXISTING, batchAccountId=ACCOUNT, batchServicePrincipalObjectId="")
    assert deployed.all("batch:BatchAccount") == deployed.all("keyvault:Vault") == []
    assert deployed.one("batch:Pool").id.startswith(f"{ACCOUNT}/pools/ffmpeg-")
    assert len([scope for _, _, scope in deployed.grants() if scope == ACCOUNT]) == 2
    assert deployed.outputs["batch_endpoint"] == "https://shared.westeurope.batch.azure.com"


def test_two_stacks_have_two_pools_in_one_account() -> None:
    configuration = {"batchAccountId": ACCOUNT, "poolAllocationMode": "BatchService"}
    existing = {ACCOUNT: {**EXISTING[ACCOUNT], "poolAllocationMode": "BatchService"}}
    names = {
        deploy_beside(existing, stack=stack, **configuration).outputs["pools"][0]["id"]
        for stack in ("dev", "prod")
    }
    assert len(names) == 2


def test_what_is_in_another_subscription_is_spoken_to_there() -> None:
    existing = {elsewhere(each): inputs for each, inputs in EXISTING.items()}
    deployed = deploy_beside(
        existing,
        batchAccountId=elsewhere(ACCOUNT),
        storageAccountId=elsewhere(STORAGE),
        subnetId=SUBNET.format(ELSEWHERE),
    )
    (provider,) = deployed.all("pulumi:providers:azure-native")
    assert provider.inputs["subscriptionId"] == ELSEWHERE
    for each in (deployed.one("batch:Pool"), *deployed.all("storage:BlobContainer")):
        assert f"::{provider.name}::" in each.request.provider, each.name
    for each in deployed.all("authorization:RoleAssignment"):
        start = "/".join(each.inputs["scope"].split("/")[:3])
        assert each.inputs["roleDefinitionId"].startswith(f"{start}/"), each.name


def test_private_endpoints_are_only_for_what_is_made_here() -> None:
    deployed = deploy_beside(EXISTING, storageAccountId=STORAGE, publicNetworkAccess="false")
    made = {each.name for each in deployed.all("network:PrivateEndpoint")}
    assert made == {"endpoint-vault", "endpoint-batchAccount", "endpoint-nodeManagement"}
    rules = deployed.one("network:NetworkSecurityGroup").inputs["securityRules"]
    assert "storage" in {each["name"] for each in rules}, "that is reached as before"


BY_STORAGE = {"storageAccountId": STORAGE}
BY_VAULT = {"keyVaultId": VAULT}
BY_ACCOUNT = {"batchAccountId": ACCOUNT}


@pytest.mark.parametrize(
    ("configuration", "change", "line"),
    [
        (BY_STORAGE, {"kind": "FileStorage"}, "is of kind FileStorage, but must be StorageV2"),
        (BY_STORAGE, {"isHnsEnabled": True}, "has a hierarchical namespace"),
        (BY_STORAGE, {"enableHttpsTrafficOnly": False}, "allows access without TLS"),
        (BY_STORAGE, {"minimumTlsVersion": "TLS1_0"}, "allows TLS older than 1.2"),
        (BY_STORAGE, {"publicNetworkAccess": "Disabled"}, "is closed to public networks"),
        (BY_STORAGE, {"networkRuleSet": {"defaultAction": "Deny"}}, "is closed to public networks"),
        (BY_VAULT, {"location": "eastus"}, "must be in the Batch account's region, westeurope"),
        (BY_VAULT, {"properties": {"enabledForDeployment": False}}, "be enabled for deployment"),
        (BY_VAULT, {"properties": {"enableSoftDelete": False}}, "has no soft delete"),
        (
            BY_VAULT,
            {"properties": {"enableRbacAuthorization": True}},
            "keyVaultPermissionModel rbac",
        ),
        (BY_VAULT, {"properties": {"accessPolicies": []}}, f"--object-id {BATCH_SERVICE}"),
        (
            BY_VAULT,
            {"properties": {"networkAcls": {"defaultAction": "Deny", "bypass": "None"}}},
            "does not allow Batch",
        ),
        (BY_ACCOUNT, {"location": "eastus"}, "config set azure-native:location eastus"),
        (BY_ACCOUNT, {"poolAllocationMode": "BatchService"}, "set poolAllocationMode BatchService"),
        (BY_ACCOUNT, {"allowedAuthenticationModes": ["SharedKey"]}, "does not allow Entra ID"),
        (BY_ACCOUNT, {"publicNetworkAccess": "Disabled"}, "is closed to public networks"),
    ],
)
def test_what_is_not_as_it_must_be_is_refused_with_what_to_do(
    configuration: dict[str, str], change: dict[str, Any], line: str
) -> None:
    ((setting, arm_id),) = configuration.items()
    before = EXISTING[arm_id]
    if "properties" in change:
        change = {"properties": {**before["properties"], **change["properties"]}}
    said = refusal({arm_id: {**before, **change}}, **configuration)
    assert f'{setting}: "{arm_id}": ' in said
    assert line in said


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"accessTier": "Cool", "sku": {"name": "Standard_LRS"}}, "Cool LRS"),
        ({"sku": {"name": "Standard_RAGZRS"}}, "Hot RA-GZRS"),
        ({"kind": "BlockBlobStorage", "sku": {"name": "Premium_LRS"}}, ""),
        ({"sku": {"name": "StandardV2_LRS"}}, ""),
        ({"accessTier": None}, ""),
        ({"location": "eastus"}, ""),
    ],
)
def test_storage_that_is_given_is_named_as_the_price_list_names_it_or_not_at_all(
    change: dict[str, Any], name: str
) -> None:
    deployed = deploy_beside({STORAGE: {**EXISTING[STORAGE], **change}}, **BY_STORAGE)
    assert deployed.outputs["storage_sku_name"] == name


def test_what_is_not_there_is_one_line() -> None:
    said = refusal({}, storageAccountId=STORAGE)
    assert f'storageAccountId: "{STORAGE}": ' in said
    assert "ResourceNotFound" in said


def test_an_account_elsewhere_needs_a_network_there() -> None:
    existing = {elsewhere(ACCOUNT): EXISTING[ACCOUNT]}
    assert "set subnetId to a subnet there" in refusal(existing, batchAccountId=elsewhere(ACCOUNT))


def test_what_is_given_outlives_the_stack_unchanged(new: Deployment) -> None:
    put_existing(new.store)
    new.up(storageAccountId=STORAGE, keyVaultId=VAULT, poolIdentityId=IDENTITY, protectData=True)
    assert changes_nothing(new.up())
    assert "protect" in new.fail("destroy", "--yes", "--skip-preview")
    new.up(protectData=False)
    new.destroy()
    left = {each["id"]: each["inputs"] for each in new.world.resources.values()}
    assert left == {each: EXISTING.get(each, left[each]) for each in TOKENS}


def test_what_is_not_there_stops_a_preview_without_a_traceback(new: Deployment) -> None:
    new.configure(storageAccountId=STORAGE.replace("media", "nobodys"))
    said = new.fail("preview")
    assert "storageAccountId: " in said
    assert "was not found" in said
    assert "Traceback" not in said
