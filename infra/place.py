"""Where everything goes: the resource group, and the subscription it is in."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import authorization, resources

from infra import naming
from infra.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Place:
    """A resource group with what its members need to know."""

    group: pulumi.Output[str]
    """The resource group's name."""
    location: str
    tags: Mapping[str, str]
    subscription: pulumi.Output[str]
    """The subscription's id, a GUID."""
    tenant: pulumi.Output[str]

    @property
    def subscription_scope(self) -> pulumi.Output[str]:
        """The subscription as a scope for roles and budgets."""
        return pulumi.Output.concat("/subscriptions/", self.subscription)


def make_place(settings: Settings) -> Place:
    """Make the resource group, or take the one that is given, which may hold other things."""
    client = authorization.get_client_config_output()
    given = settings.resource_group
    return Place(
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
        resource_group_name=naming.plain(settings.name_prefix, settings.stack, "rg"),
        location=settings.location,
        tags=settings.all_tags,
    )
