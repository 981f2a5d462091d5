"""The resource group for everything, and its subscription."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi_azure_native import Provider, authorization, resources

from infra import naming
from infra.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A resource group, and what its resources need to know."""

    group: pulumi.Output[str]
    """The resource group's name."""
    location: str
    tags: Mapping[str, str]
    subscription: str
    """The subscription's id, a GUID."""
    tenant: str
    _providers: dict[str, Provider] = field(default_factory=dict)

    @property
    def subscription_scope(self) -> str:
        """The subscription's id as a scope for roles and budgets."""
        return f"/subscriptions/{self.subscription}"

    def provider_of(self, subscription: str) -> Provider | None:
        """Return a provider for another *subscription* of the tenant; None for this one.

        It signs in with the environment, like the Azure CLI, because the stack's azure-native configuration is
        only for its own subscription.
        """
        other = subscription.lower()
        if other == self.subscription.lower():
            return None
        if other not in self._providers:
            self._providers[other] = Provider(f"azure-{other}", subscription_id=other)
        return self._providers[other]


def make_scope(settings: Settings) -> Scope:
    """Make the resource group, or use the given one, which may contain other things."""
    client = authorization.get_client_config()
    given = settings.resource_group
    return Scope(
        group=pulumi.Output.from_input(given) if given else make_group(settings).name,
        location=settings.location,
        tags=settings.all_tags,
        subscription=client.subscription_id,
        tenant=client.tenant_id,
    )


def make_group(settings: Settings) -> resources.ResourceGroup:
    """Make the resource group."""
    return resources.ResourceGroup(
        "group",
        resource_group_name=naming.local_name(settings.name_prefix, settings.stack, "rg"),
        location=settings.location,
        tags=settings.all_tags,
    )
