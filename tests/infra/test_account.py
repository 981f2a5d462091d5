from tests.infra.mocked import Deployed, deploy
from tests.infra.provider.kinds import BATCH_SERVICE, TENANT


def test_the_account_is_in_user_subscription_mode_with_its_vault(example: Deployed) -> None:
    account = example.one("batch:BatchAccount").inputs
    vault = example.one("keyvault:Vault")
    assert account["poolAllocationMode"] == "UserSubscription"
    assert account["keyVaultReference"]["id"] == vault.id
    assert account["keyVaultReference"]["url"].startswith("https://ffmpegdevkv")


def test_the_account_takes_entra_id_only(example: Deployed) -> None:
    account = example.one("batch:BatchAccount").inputs
    assert account["allowedAuthenticationModes"] == ["AAD"]
    assert "autoStorage" not in account


def test_keys_sign_in_only_where_that_is_asked_for() -> None:
    account = deploy(poolAllocationMode="BatchService", allowSharedKey="true")
    modes = account.one("batch:BatchAccount").inputs["allowedAuthenticationModes"]
    assert modes == ["AAD", "SharedKey"]


def test_the_account_has_an_identity_only_where_it_has_a_use_for_it(example: Deployed) -> None:
    assert "identity" not in example.one("batch:BatchAccount").inputs
    assert [each.name for each in example.all("managedidentity:UserAssignedIdentity")] == [
        "pool-identity"
    ]
    deployed = deploy(autoStorage="true")
    made = deployed.one("managedidentity:UserAssignedIdentity", "account-identity")
    assert deployed.one("batch:BatchAccount").inputs["identity"] == {
        "type": "UserAssigned",
        "userAssignedIdentities": [made.id],
    }


def test_the_accounts_firewall_lets_in_the_given_addresses_and_nodes_by_their_own_door(
    example: Deployed,
) -> None:
    assert "networkProfile" not in example.one("batch:BatchAccount").inputs
    deployed = deploy(batchAllowedIps='["8.8.8.8", "8.8.4.0/24"]')
    assert deployed.one("batch:BatchAccount").inputs["networkProfile"] == {
        "accountAccess": {
            "defaultAction": "Deny",
            "ipRules": [
                {"action": "Allow", "value": "8.8.8.8"},
                {"action": "Allow", "value": "8.8.4.0/24"},
            ],
        }
    }


def test_the_vaults_firewall_lets_in_the_given_addresses_and_azures_services(
    example: Deployed,
) -> None:
    open_ = example.one("keyvault:Vault").inputs["properties"]["networkAcls"]
    assert (open_["defaultAction"], open_["ipRules"]) == ("Allow", [])
    shut = deploy(keyVaultAllowedIps='["8.8.8.8"]')
    assert shut.one("keyvault:Vault").inputs["properties"]["networkAcls"] == {
        "bypass": "AzureServices",
        "defaultAction": "Deny",
        "ipRules": [{"value": "8.8.8.8"}],
    }


def test_an_existing_resource_group_is_taken_and_none_is_made() -> None:
    deployed = deploy(resourceGroup="platform-rg")
    assert deployed.all("resources:ResourceGroup") == []
    groups = {each.inputs.get("resourceGroupName", "platform-rg") for each in deployed.resources}
    assert groups == {"platform-rg"}
    assert deployed.outputs["resource_group"] == "platform-rg"


def test_what_azure_fixes_at_an_accounts_making_makes_another_account(example: Deployed) -> None:
    request = example.one("batch:BatchAccount").request
    assert set(request.replaceOnChanges) == {
        "location",
        "poolAllocationMode",
        "keyVaultReference",
    }
    assert request.deleteBeforeReplace, "a subscription may have only one in a region"


def test_batch_has_its_five_secret_permissions_in_the_vaults_own_put(example: Deployed) -> None:
    properties = example.one("keyvault:Vault").inputs["properties"]
    (policy,) = properties["accessPolicies"]
    assert policy["objectId"] == BATCH_SERVICE
    assert policy["tenantId"] == TENANT
    assert policy["permissions"] == {"secrets": ["get", "list", "set", "delete", "recover"]}
    assert properties["enableRbacAuthorization"] is False


def test_a_vault_by_roles_has_no_policies() -> None:
    properties = deploy(keyVaultPermissionModel="rbac").one("keyvault:Vault").inputs["properties"]
    assert properties["enableRbacAuthorization"] is True
    assert properties["accessPolicies"] == []


def test_the_vault_can_be_used_for_deployments_and_purged_after_a_week(example: Deployed) -> None:
    properties = example.one("keyvault:Vault").inputs["properties"]
    assert properties["enabledForDeployment"] is True
    assert properties["enabledForTemplateDeployment"] is True
    assert properties["enabledForDiskEncryption"] is True
    assert properties["enableSoftDelete"] is True
    assert properties["softDeleteRetentionInDays"] == 7
    assert "enablePurgeProtection" not in properties, "Azure refuses an explicit false"


def test_purge_protection_can_be_had() -> None:
    vault = deploy(keyVaultPurgeProtection="true", keyVaultSoftDeleteDays="90")
    properties = vault.one("keyvault:Vault").inputs["properties"]
    assert properties["enablePurgeProtection"] is True
    assert properties["softDeleteRetentionInDays"] == 90


def test_names_that_must_be_unique_are_azure_natives_to_make(example: Deployed) -> None:
    assert "vaultName" not in example.one("keyvault:Vault").inputs
    assert "accountName" not in example.one("batch:BatchAccount").inputs


def test_names_can_be_given() -> None:
    deployed = deploy(keyVaultName="media-vault", batchAccountName="mediabatch")
    assert deployed.one("keyvault:Vault").inputs["vaultName"] == "media-vault"
    assert deployed.one("batch:BatchAccount").inputs["accountName"] == "mediabatch"


def test_batch_service_mode_needs_no_vault_and_no_grant_for_batch() -> None:
    deployed = deploy(poolAllocationMode="BatchService", batchServicePrincipalObjectId="")
    assert deployed.all("keyvault:Vault") == []
    account = deployed.one("batch:BatchAccount").inputs
    assert account["poolAllocationMode"] == "BatchService"
    assert "keyVaultReference" not in account
    assert BATCH_SERVICE not in {to for to, _, _ in deployed.grants()}


def test_auto_storage_works_without_keys() -> None:
    deployed = deploy(autoStorage="true")
    linked = deployed.one("batch:BatchAccount").inputs["autoStorage"]
    assert linked["authenticationMode"] == "BatchAccountManagedIdentity"
    assert linked["storageAccountId"] == deployed.one("storage:StorageAccount").id
    node = deployed.one("managedidentity:UserAssignedIdentity", "pool-identity")
    assert linked["nodeIdentityReference"] == {"resourceId": node.id}


def test_nothing_that_is_made_lies_outside_the_group_or_goes_untagged(example: Deployed) -> None:
    untagged = {"batch:Pool", "network:Subnet", "authorization:RoleAssignment"}
    for each in example.resources:
        if each.token in untagged or each.token.startswith("storage:Blob"):
            continue
        if each.token == "storage:ManagementPolicy":
            continue
        assert each.inputs["tags"] == {
            "managed-by": "pulumi",
            "stack": "batch-ffmpeg-runner/dev",
        }, each.name
        assert "rg-ffmpeg-dev" in each.id
