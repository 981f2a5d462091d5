"""The Batch account, and the key vault that user-subscription mode needs."""

import pulumi
from pulumi_azure_native import Provider, batch, keyvault

from infra import naming
from infra.access import OPERATOR_BATCH_ROLES, Access, assign_role, batch_service_of, operators_of
from infra.existing import Existing, ExistingAccount, ExistingVault
from infra.ids import subscription_scope_of
from infra.scope import Scope
from infra.settings import Settings

CANNOT_CHANGE = ["location", "pool_allocation_mode", "key_vault_reference"]
"""Properties that Azure never changes on a Batch account, although azure-native would try to."""


class Account(pulumi.ComponentResource):
    """A Batch account with Entra ID sign-in, and who may use it."""

    account_name: pulumi.Output[str]
    account_id: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    """The address of the data plane, with its scheme."""
    vault_id: pulumi.Output[str] | None

    group: pulumi.Input[str]
    """The name of its resource group."""
    provider: Provider | None
    """The provider for its subscription; None if that is the stack's own."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        scope: Scope,
        access: Access,
        existing: Existing,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("runner:infra:Account", name, None, opts)
        self._settings, self._scope = settings, scope
        self._child_options = pulumi.ResourceOptions(parent=self)
        self.vault_id = None
        if existing.account:
            self._use(existing.account)
        else:
            self._make(access, existing.vault)
        for who, person in operators_of(settings).items():
            for use, role in OPERATOR_BATCH_ROLES[settings.operator_batch_role].items():
                assign_role(
                    f"{who}-{use}", role, to=person, at=self.account_id, opts=self._child_options
                )
        self.register_outputs({"account_name": self.account_name})

    def _use(self, account: ExistingAccount) -> None:
        """Use an existing account, with its own vault and role assignments."""
        self.account_name = pulumi.Output.from_input(account.id.name)
        self.account_id = pulumi.Output.from_input(account.id.text)
        self.endpoint = pulumi.Output.from_input(f"https://{account.endpoint}")
        self.group, self.provider = account.id.group, account.provider
        self._subscription_grant(subscription_scope_of(account.id.text))

    def _make(self, access: Access, given: ExistingVault | None) -> None:
        """Make the account, after everything that it needs."""
        vault = None
        if given:
            vault = batch.KeyVaultReferenceArgs(id=given.id, url=given.url)
        elif self._settings.has_vault:
            made = self._vault()
            self.vault_id = made.id
            vault = batch.KeyVaultReferenceArgs(id=made.id, url=made.properties.vault_uri)
        before = [
            *(self._vault_grant(vault) if vault else []),
            *self._subscription_grant(self._scope.subscription_scope),
            *access.account_grants,
        ]
        account = self._batch_account(vault, access, before)
        self.account_name = account.name
        self.account_id = account.id
        self.endpoint = pulumi.Output.concat("https://", account.account_endpoint)
        self.group, self.provider = self._scope.group, None

    def _vault(self) -> keyvault.Vault:
        """Make the vault in which Batch keeps its secrets for creating nodes in this subscription."""
        by_policy = self._settings.key_vault_permission_model == "accessPolicy"
        return keyvault.Vault(
            naming.global_name_prefix(self._settings.name_prefix, self._settings.stack, "kv"),
            vault_name=self._settings.key_vault_name or None,
            resource_group_name=self._scope.group,
            location=self._scope.location,
            properties=keyvault.VaultPropertiesArgs(
                tenant_id=self._scope.tenant,
                sku=keyvault.SkuArgs(family=keyvault.SkuFamily.A, name=keyvault.SkuName.STANDARD),
                enable_rbac_authorization=not by_policy,
                access_policies=[self._policy()] if by_policy else [],
                enabled_for_deployment=True,
                enabled_for_template_deployment=True,
                enabled_for_disk_encryption=True,
                enable_soft_delete=True,
                soft_delete_retention_in_days=self._settings.key_vault_soft_delete_days,
                # Azure rejects an explicit false, and never goes back from true:
                # https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview#purge-protection
                enable_purge_protection=self._settings.key_vault_purge_protection or None,
                public_network_access="enabled"
                if self._settings.public_network_access
                else "disabled",
                network_acls=self._vault_firewall(),
            ),
            tags=self._scope.tags,
            opts=self._child_options,
        )

    def _vault_firewall(self) -> keyvault.NetworkRuleSetArgs:
        """Return who can reach the vault: everybody, or the given addresses and Azure's services.

        The default is everybody, because it was not tried whether Batch counts as one of Azure's services
        (Azure/bacc relies on it). Without a grant, nobody can read anything in either case.
        """
        allowed = self._settings.key_vault_allowed_ips
        is_open = self._settings.public_network_access and not allowed
        actions = keyvault.NetworkRuleAction
        return keyvault.NetworkRuleSetArgs(
            bypass=keyvault.NetworkRuleBypassOptions.AZURE_SERVICES,
            default_action=actions.ALLOW if is_open else actions.DENY,
            ip_rules=[keyvault.IPRuleArgs(value=each) for each in allowed],
        )

    def _policy(self) -> keyvault.AccessPolicyEntryArgs:
        """Give Batch access to its secrets as part of the vault, which takes effect at once."""
        secrets = keyvault.SecretPermissions
        return keyvault.AccessPolicyEntryArgs(
            tenant_id=self._scope.tenant,
            object_id=self._settings.batch_service_principal_object_id,
            permissions=keyvault.PermissionsArgs(
                secrets=[
                    secrets.GET,
                    secrets.LIST,
                    secrets.SET,
                    secrets.DELETE,
                    secrets.RECOVER,  # the name of a deleted secret stays taken until it is purged
                ]
            ),
        )

    def _vault_grant(self, vault: batch.KeyVaultReferenceArgs) -> list[pulumi.Resource]:
        """Assign Batch its role on a vault with role-based access."""
        if self._settings.key_vault_permission_model != "rbac":
            return []
        return [
            assign_role(
                "batch-uses-vault",
                "Key Vault Secrets Officer",
                to=batch_service_of(self._settings),
                at=vault.id,
                opts=self._child_options,
            )
        ]

    def _subscription_grant(self, scope: str) -> list[pulumi.Resource]:
        """Assign Batch its role on the nodes' subscription, if configured."""
        if not self._settings.manage_subscription_role:
            return []
        return [
            assign_role(
                "batch-makes-nodes",
                "Azure Batch Service Orchestration Role",
                to=batch_service_of(self._settings),
                at=scope,
                # Every account of this kind in the subscription needs this one assignment.
                opts=pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True),
            )
        ]

    def _batch_account(
        self,
        vault: batch.KeyVaultReferenceArgs | None,
        access: Access,
        before: list[pulumi.Resource],
    ) -> batch.BatchAccount:
        """Make the account, after everything that Azure checks when it is created."""
        return batch.BatchAccount(
            naming.global_name_prefix(self._settings.name_prefix, self._settings.stack, "ba"),
            account_name=self._settings.batch_account_name or None,
            resource_group_name=self._scope.group,
            location=self._scope.location,
            pool_allocation_mode=batch.PoolAllocationMode(self._settings.pool_allocation_mode),
            key_vault_reference=vault,
            allowed_authentication_modes=self._sign_ins(),
            identity=identity(access),
            network_profile=network_profile(self._settings),
            auto_storage=auto_storage(access) if self._settings.auto_storage else None,
            public_network_access=batch.PublicNetworkAccessType.ENABLED
            if self._settings.public_network_access
            else batch.PublicNetworkAccessType.DISABLED,
            tags=self._scope.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=before,
                replace_on_changes=CANNOT_CHANGE,
                # A subscription may only have a few accounts per region, often one.
                delete_before_replace=True,
            ),
        )

    def _sign_ins(self) -> list[batch.AuthenticationMode]:
        """Return how callers may sign in."""
        modes = [batch.AuthenticationMode.AAD]
        if self._settings.allow_shared_key:
            modes.append(batch.AuthenticationMode.SHARED_KEY)
        return modes


def identity(access: Access) -> batch.BatchAccountIdentityArgs | None:
    """Return the account's identity, if it needs one."""
    if access.account_identity_id is None:
        return None
    return batch.BatchAccountIdentityArgs(
        type=batch.ResourceIdentityType.USER_ASSIGNED,
        user_assigned_identities=[access.account_identity_id],
    )


def network_profile(settings: Settings) -> batch.NetworkProfileArgs | None:
    """Return who can reach the account; nodes use a separate endpoint, which stays open.

    Azure only uses this if public network access is enabled.
    """
    if not settings.batch_allowed_ips:
        return None
    return batch.NetworkProfileArgs(
        account_access=batch.EndpointAccessProfileArgs(
            default_action=batch.EndpointAccessDefaultAction.DENY,
            ip_rules=[
                batch.IPRuleArgs(action=batch.IPRuleAction.ALLOW, value=each)
                for each in settings.batch_allowed_ips
            ],
        )
    )


def auto_storage(access: Access) -> batch.AutoStorageBasePropertiesArgs:
    """Return the link to the storage account for application packages, without its keys."""
    node = access.pool_identity_id
    return batch.AutoStorageBasePropertiesArgs(
        storage_account_id=access.storage.account_id,
        authentication_mode=batch.AutoStorageAuthenticationMode.BATCH_ACCOUNT_MANAGED_IDENTITY,
        node_identity_reference=batch.ComputeNodeIdentityReferenceArgs(resource_id=node)
        if node
        else None,
    )
