"""Checks of existing resources that are given by id: of the settings, and of the resources themselves. Pure."""

from collections.abc import Iterator

from pulumi_azure_native import batch, keyvault, managedidentity, storage

from infra.findings import Findings
from infra.ids import ResourceId, is_id_of, parse_id, parse_key
from infra.settings import Settings

TYPES = {
    "storage_account_id": ("Microsoft.Storage/storageAccounts", "az storage account show"),
    "key_vault_id": ("Microsoft.KeyVault/vaults", "az keyvault show"),
    "batch_account_id": ("Microsoft.Batch/batchAccounts", "az batch account show"),
    "pool_identity_id": ("Microsoft.ManagedIdentity/userAssignedIdentities", "az identity show"),
    "storage_encryption_identity_id": (
        "Microsoft.ManagedIdentity/userAssignedIdentities",
        "az identity show",
    ),
}
"""By setting: the resource type of its id, and the command that prints it."""

CONTRADICTIONS = {
    "storage_account_id": ("storage_account_name", "storage_allowed_ips", "storage_encryption_key"),
    "key_vault_id": ("key_vault_name", "key_vault_allowed_ips", "key_vault_purge_protection"),
    "batch_account_id": (
        "batch_account_name",
        "batch_allowed_ips",
        "allow_shared_key",
        "auto_storage",
        "key_vault_id",
        "key_vault_name",
        "key_vault_allowed_ips",
    ),
}
"""By setting: other settings that would only apply to a new resource."""

VAULT_PERMISSIONS = ("get", "list", "set", "delete", "recover")


def ids(settings: Settings) -> Findings:
    """Check that each id has the right type."""
    for name, (resource_type, command) in TYPES.items():
        given = getattr(settings, name)
        if given and not is_id_of(given, resource_type):
            yield name, f"must be the id of a {resource_type}: `{command} --query id -o tsv …`"


def contradictions(settings: Settings) -> Findings:
    """Check that no settings for new resources are set for existing ones."""
    for name, others in CONTRADICTIONS.items():
        for other in others:
            if getattr(settings, name) and getattr(settings, other):
                yield other, "only applies to a new one, but an existing one is given by id"
    if settings.key_vault_id and not settings.is_user_subscription:
        yield "key_vault_id", "only poolAllocationMode UserSubscription has a vault"
    if settings.pool_identity_id and not settings.pool_identity:
        yield "pool_identity_id", "contradicts poolIdentity false"


def network_of_account(settings: Settings) -> Findings:
    """Check that the nodes' network and the Batch account are in the same subscription, as Batch requires."""
    subnet, account = settings.subnet_id, settings.batch_account_id
    if not (is_id_of(account, TYPES["batch_account_id"][0]) and subnet.startswith("/")):
        return
    if parse_id(account).subscription.lower() != subnet.split("/")[2].lower():
        yield "subnet_id", "must be in the Batch account's own subscription"


def encryption(settings: Settings) -> Findings:
    """Check that both key and identity are set, or neither."""
    key, identity = settings.storage_encryption_key, settings.storage_encryption_identity_id
    if key and parse_key(key) is None:
        yield (
            "storage_encryption_key",
            (
                "must be a key's address, such as https://VAULT.vault.azure.net/keys/NAME: "
                "`az keyvault key show --query key.kid -o tsv …`, without its version to follow new ones"
            ),
        )
    if key and not identity:
        yield (
            "storage_encryption_identity_id",
            "must be the id of an identity that has Key Vault Crypto Service Encryption User on the key",
        )
    if identity and not key:
        yield "storage_encryption_identity_id", "has no effect without storageEncryptionKey"


CHECKS = (ids, contradictions, network_of_account, encryption)


def storage_findings(found: storage.GetStorageAccountResult, settings: Settings) -> Iterator[str]:
    """Return why a storage account cannot be used."""
    if found.kind not in {"StorageV2", "BlockBlobStorage"}:
        yield f"is of kind {found.kind}, but must be StorageV2 or BlockBlobStorage"
    if found.is_hns_enabled:
        yield (
            "has a hierarchical namespace, where folders are blobs too; "
            "this is not supported, use another account"
        )
    if not found.enable_https_traffic_only:
        yield (
            "allows access without TLS, where tokens could be read: "
            "`az storage account update --https-only true …`"
        )
    if found.minimum_tls_version in {None, "TLS1_0", "TLS1_1"}:
        yield ("allows TLS older than 1.2: `az storage account update --min-tls-version TLS1_2 …`")
    rules = found.network_rule_set
    is_shut = found.public_network_access == "Disabled" or (
        rules is not None and rules.default_action == "Deny"
    )
    yield from _unreachable(settings, is_shut=is_shut)


def _unreachable(settings: Settings, *, is_shut: bool) -> Iterator[str]:
    if is_shut and not settings.subnet_id:
        yield (
            "is closed to public networks: set subnetId to a subnet that it allows, "
            "or that reaches its private endpoint"
        )


def vault_findings(
    found: keyvault.GetVaultResult, resource_id: ResourceId, settings: Settings, subscription: str
) -> Iterator[str]:
    """Return why Batch cannot use a vault."""
    properties = found.properties
    if resource_id.subscription.lower() != subscription.lower():
        yield "must be in the Batch account's own subscription"
    if (found.location or "").lower() != settings.location:
        yield f"is in {found.location}, but must be in the Batch account's region, {settings.location}"
    if not (properties.enabled_for_deployment and properties.enabled_for_template_deployment):
        yield (
            "must be enabled for deployment: `az keyvault update "
            "--enabled-for-deployment true --enabled-for-template-deployment true …`"
        )
    acls = properties.network_acls
    if acls is not None and acls.default_action == "Deny" and acls.bypass != "AzureServices":
        yield "does not allow Batch: `az keyvault update --bypass AzureServices …`"
    if properties.enable_soft_delete is False:
        yield "has no soft delete, so Batch's secrets could be lost: switch it on"
    by_roles = bool(properties.enable_rbac_authorization)
    if by_roles != (settings.key_vault_permission_model == "rbac"):
        model = "rbac" if by_roles else "accessPolicy"
        yield f"uses {'roles' if by_roles else 'policies'}: set keyVaultPermissionModel {model}"
    elif not by_roles and not _has_policy(properties, settings.batch_service_principal_object_id):
        yield (
            "has no access policy for Batch, and this program does not change it: `az keyvault set-policy "
            f"-n {resource_id.name} --object-id {settings.batch_service_principal_object_id} "
            f"--secret-permissions {' '.join(VAULT_PERMISSIONS)}`"
        )


def _has_policy(properties: keyvault.outputs.VaultPropertiesResponse, principal: str) -> bool:
    for policy in properties.access_policies or ():
        granted = {str(each).lower() for each in policy.permissions.secrets or ()}
        enough = "all" in granted or granted.issuperset(VAULT_PERMISSIONS)
        if enough and policy.object_id.lower() == principal.lower():
            return True
    return False


def account_findings(
    found: batch.GetBatchAccountResult,
    resource_id: ResourceId,
    settings: Settings,
    subscription: str,
) -> Iterator[str]:
    """Return why no pool can be created in a Batch account, or why `runner` cannot use it."""
    if found.location.lower() != settings.location:
        yield (
            f"is in {found.location}: `pulumi config set azure-native:location {found.location}`, "
            "because its nodes are there too"
        )
    if found.pool_allocation_mode != settings.pool_allocation_mode:
        yield f"has another mode: set poolAllocationMode {found.pool_allocation_mode}"
    modes = found.allowed_authentication_modes
    if modes is not None and "AAD" not in modes:
        yield (
            "does not allow Entra ID: add AAD to its authentication modes "
            "(portal: Authentication mode)"
        )
    if settings.creates_network and resource_id.subscription.lower() != subscription.lower():
        yield (
            "is in another subscription, where this program cannot create a network for its nodes: "
            "set subnetId to a subnet there, or set network none"
        )
    yield from _unreachable(settings, is_shut=found.public_network_access == "Disabled")


def identity_findings(
    found: managedidentity.GetUserAssignedIdentityResult, tenant: str
) -> Iterator[str]:
    """Return why nodes cannot use an identity."""
    if found.tenant_id != tenant:
        yield f"belongs to another tenant, {found.tenant_id}"
