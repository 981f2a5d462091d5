"""The storage account: sources in `input`, results in `output`, the worker in `tools`."""

from typing import Any

import pulumi
from pulumi_azure_native import storage

from infra import naming
from infra.existing import ExistingStorage
from infra.ids import parse_key
from infra.scope import Scope
from infra.settings import Settings

INPUT, OUTPUT, TOOLS = "input", "output", "tools"


class Storage(pulumi.ComponentResource):
    """A storage account without keys, its containers, and the expiry of old blobs."""

    account_name: pulumi.Output[str]
    account_id: pulumi.Output[str]
    blob_endpoint: pulumi.Output[str]
    """Without a trailing slash."""
    sku_name: str
    """Tier and redundancy, as Azure's price list names them; empty if it has none for the account."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        scope: Scope,
        subnet_id: pulumi.Input[str] | None,
        existing: ExistingStorage | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("runner:infra:Storage", name, None, opts)
        self._settings, self._scope, self._existing = settings, scope, existing
        if existing:
            self.account_name = pulumi.Output.from_input(existing.id.name)
            self.account_id = pulumi.Output.from_input(existing.id.text)
            self.blob_endpoint = pulumi.Output.from_input(existing.blob_endpoint)
            self.sku_name = existing.sku_name
        else:
            account = self._account(subnet_id)
            self.account_name = account.name
            self.account_id = account.id
            self.blob_endpoint = account.primary_endpoints.blob.apply(lambda url: url.rstrip("/"))
            self.sku_name = naming.price_list_sku(settings.storage_redundancy, "Hot")
            # An account has one of each of these; in a given account they belong to its owner.
            self._soft_delete()
            self._expiry()
        self.containers = {each: self._container(each) for each in (INPUT, OUTPUT, TOOLS)}
        self.register_outputs({"account_name": self.account_name})

    def container_name(self, kind: str) -> str:
        """Return the name of the container for *kind*, without a prefix in the stack's own account."""
        if not self._existing:
            return kind
        return naming.container(self._settings.name_prefix, self._settings.stack, kind)

    @property
    def _data_options(self) -> pulumi.ResourceOptions:
        """Return the resource options for everything that holds data."""
        return pulumi.ResourceOptions(parent=self, protect=self._settings.protect_data)

    def _account(self, subnet_id: pulumi.Input[str] | None) -> storage.StorageAccount:
        """Make the account: Entra ID only, HTTPS only, nothing public."""
        return storage.StorageAccount(
            naming.global_name_prefix(self._settings.name_prefix, self._settings.stack, "st"),
            account_name=self._settings.storage_account_name or None,
            resource_group_name=self._scope.group,
            location=self._scope.location,
            kind=storage.Kind.STORAGE_V2,
            sku=storage.SkuArgs(name=self._settings.storage_redundancy),
            access_tier=storage.AccessTier.HOT,
            allow_shared_key_access=False,
            default_to_o_auth_authentication=True,
            allow_blob_public_access=False,
            allow_cross_tenant_replication=False,
            enable_https_traffic_only=True,
            minimum_tls_version=storage.MinimumTlsVersion.TLS1_2,
            is_hns_enabled=False,  # application packages do not work with it
            public_network_access=storage.PublicNetworkAccess.ENABLED
            if self._settings.public_network_access
            else storage.PublicNetworkAccess.DISABLED,
            network_rule_set=self._firewall(subnet_id),
            **encryption(self._settings),
            tags=self._scope.tags,
            opts=self._data_options,
        )

    def _firewall(self, subnet_id: pulumi.Input[str] | None) -> storage.NetworkRuleSetArgs:
        """Return who can reach the account: everybody, the nodes and given addresses, or nobody."""
        allowed = self._settings.storage_allowed_ips
        if not self._settings.public_network_access:
            return storage.NetworkRuleSetArgs(
                default_action=storage.DefaultAction.DENY, bypass=storage.Bypass.AZURE_SERVICES
            )
        if not allowed:
            return storage.NetworkRuleSetArgs(default_action=storage.DefaultAction.ALLOW)
        assert subnet_id is not None, "checked"
        return storage.NetworkRuleSetArgs(
            default_action=storage.DefaultAction.DENY,
            bypass=storage.Bypass.AZURE_SERVICES,
            ip_rules=[storage.IPRuleArgs(i_p_address_or_range=each) for each in allowed],
            virtual_network_rules=[
                storage.VirtualNetworkRuleArgs(virtual_network_resource_id=subnet_id)
            ],
        )

    def _container(self, kind: str) -> storage.BlobContainer:
        """Make a container with the management API, which needs no key and no access to the data."""
        given = self._existing
        provider = pulumi.ResourceOptions(provider=given.provider if given else None)
        return storage.BlobContainer(
            kind,
            container_name=self.container_name(kind),
            account_name=self.account_name,
            resource_group_name=given.id.group if given else self._scope.group,
            public_access=storage.PublicAccess.NONE,
            opts=pulumi.ResourceOptions.merge(self._data_options, provider),
        )

    def _soft_delete(self) -> None:
        """Keep deleted data for some days."""
        keep = storage.DeleteRetentionPolicyArgs(enabled=True, days=self._settings.soft_delete_days)
        storage.BlobServiceProperties(
            "soft-delete",
            blob_services_name="default",
            account_name=self.account_name,
            resource_group_name=self._scope.group,
            delete_retention_policy=keep,
            container_delete_retention_policy=keep,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _expiry(self) -> None:
        """Delete old blobs of runs; the worker in `tools` is small, and stays."""
        days = {INPUT: self._settings.expire_input_days, OUTPUT: self._settings.expire_output_days}
        rules = [expiry_rule(container, after) for container, after in days.items() if after]
        if not rules:
            return
        storage.ManagementPolicy(
            "expiry",
            management_policy_name="default",
            account_name=self.account_name,
            resource_group_name=self._scope.group,
            policy=storage.ManagementPolicySchemaArgs(rules=rules),
            opts=pulumi.ResourceOptions(parent=self),
        )


def encryption(settings: Settings) -> dict[str, Any]:
    """Return the encryption: the given key, which the account reads with the given identity, or Azure's."""
    key, identity = (
        parse_key(settings.storage_encryption_key),
        settings.storage_encryption_identity_id,
    )
    if key is None:
        return {}
    return {
        "identity": storage.IdentityArgs(
            type=storage.IdentityType.USER_ASSIGNED, user_assigned_identities=[identity]
        ),
        "encryption": storage.EncryptionArgs(
            key_source=storage.KeySource.MICROSOFT_KEYVAULT,
            key_vault_properties=storage.KeyVaultPropertiesArgs(
                key_vault_uri=key.vault, key_name=key.name, key_version=key.version or None
            ),
            encryption_identity=storage.EncryptionIdentityArgs(
                encryption_user_assigned_identity=identity
            ),
        ),
    }


def expiry_rule(container: str, days: int) -> storage.ManagementPolicyRuleArgs:
    """Return the rule that deletes the blobs of *container* after *days* days."""
    delete = storage.DateAfterModificationArgs(days_after_modification_greater_than=days)
    return storage.ManagementPolicyRuleArgs(
        name=f"expire-{container}",
        enabled=True,
        type=storage.RuleType.LIFECYCLE,
        definition=storage.ManagementPolicyDefinitionArgs(
            filters=storage.ManagementPolicyFilterArgs(
                blob_types=["blockBlob"], prefix_match=[f"{container}/"]
            ),
            actions=storage.ManagementPolicyActionArgs(
                base_blob=storage.ManagementPolicyBaseBlobArgs(delete=delete)
            ),
        ),
    )
