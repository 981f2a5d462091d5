"""The storage account: sources in `input`, results in `output`, the worker in `tools`."""

import pulumi
from pulumi_azure_native import storage

from infra import naming
from infra.place import Place
from infra.settings import Settings

INPUT, OUTPUT, TOOLS = "input", "output", "tools"


class Storage(pulumi.ComponentResource):
    """A storage account without keys, its containers, and the expiry of what runs leave."""

    account_name: pulumi.Output[str]
    account_id: pulumi.Output[str]
    blob_endpoint: pulumi.Output[str]
    """Without a trailing slash."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        place: Place,
        subnet_id: pulumi.Input[str] | None,
    ) -> None:
        super().__init__("runner:infra:Storage", name)
        self.settings, self.place = settings, place
        account = self.account(subnet_id)
        self.account_name = account.name
        self.account_id = account.id
        self.blob_endpoint = account.primary_endpoints.blob.apply(lambda url: url.rstrip("/"))
        self.containers = {each: self.container(each) for each in (INPUT, OUTPUT, TOOLS)}
        self.soft_delete()
        self.expiry()
        self.register_outputs({"account_name": self.account_name})

    @property
    def kept(self) -> pulumi.ResourceOptions:
        """Options of what holds data."""
        return pulumi.ResourceOptions(parent=self, protect=self.settings.protect_data)

    def account(self, subnet_id: pulumi.Input[str] | None) -> storage.StorageAccount:
        """Make the account: Entra ID only, HTTPS only, nothing public."""
        return storage.StorageAccount(
            naming.base(self.settings.name_prefix, self.settings.stack, "st"),
            account_name=self.settings.storage_account_name or None,
            resource_group_name=self.place.group,
            location=self.place.location,
            kind=storage.Kind.STORAGE_V2,
            sku=storage.SkuArgs(name=self.settings.storage_redundancy),
            access_tier=storage.AccessTier.HOT,
            allow_shared_key_access=False,
            default_to_o_auth_authentication=True,
            allow_blob_public_access=False,
            allow_cross_tenant_replication=False,
            enable_https_traffic_only=True,
            minimum_tls_version=storage.MinimumTlsVersion.TLS1_2,
            is_hns_enabled=False,  # application packages do not work with it
            public_network_access=storage.PublicNetworkAccess.ENABLED
            if self.settings.public_network_access
            else storage.PublicNetworkAccess.DISABLED,
            network_rule_set=self.firewall(subnet_id),
            tags=self.place.tags,
            opts=self.kept,
        )

    def firewall(self, subnet_id: pulumi.Input[str] | None) -> storage.NetworkRuleSetArgs:
        """Say from where the account answers: everywhere, the nodes and the given addresses, or neither."""
        allowed = self.settings.storage_allowed_ips
        if not self.settings.public_network_access:
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

    def container(self, name: str) -> storage.BlobContainer:
        """Make a container, through the control plane: that needs no key."""
        return storage.BlobContainer(
            name,
            container_name=name,
            account_name=self.account_name,
            resource_group_name=self.place.group,
            public_access=storage.PublicAccess.NONE,
            opts=self.kept,
        )

    def soft_delete(self) -> None:
        """Keep what is deleted for some days."""
        keep = storage.DeleteRetentionPolicyArgs(enabled=True, days=self.settings.soft_delete_days)
        storage.BlobServiceProperties(
            "soft-delete",
            blob_services_name="default",
            account_name=self.account_name,
            resource_group_name=self.place.group,
            delete_retention_policy=keep,
            container_delete_retention_policy=keep,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def expiry(self) -> None:
        """Delete what runs leave; the worker in `tools` is small, and stays."""
        days = {INPUT: self.settings.expire_input_days, OUTPUT: self.settings.expire_output_days}
        rules = [expiry_rule(container, after) for container, after in days.items() if after]
        if not rules:
            return
        storage.ManagementPolicy(
            "expiry",
            management_policy_name="default",
            account_name=self.account_name,
            resource_group_name=self.place.group,
            policy=storage.ManagementPolicySchemaArgs(rules=rules),
            opts=pulumi.ResourceOptions(parent=self),
        )


def expiry_rule(container: str, days: int) -> storage.ManagementPolicyRuleArgs:
    """Delete the blobs of *container* once they are *days* old."""
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
