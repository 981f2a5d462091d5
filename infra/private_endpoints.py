"""Private endpoints: addresses in the network for storage, vault and Batch, and the DNS records for them."""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network, privatedns

from infra import ids, naming
from infra.scope import Scope
from infra.settings import Settings
from infra.zones import ZONES


@dataclass(frozen=True, kw_only=True)
class Target:
    """A part of a resource that a private endpoint leads to."""

    resource_id: pulumi.Input[str]
    subresource: str
    """Private Link's name of the part ("group id")."""


class PrivateEndpoints(pulumi.ComponentResource):
    """An endpoint for each target, with its records in the private DNS zones."""

    ready: list[pulumi.Resource]
    """What must exist before anything in the network can find the targets."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        scope: Scope,
        subnet_id: pulumi.Input[str],
        targets: list[Target],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("runner:infra:PrivateEndpoints", name, None, opts)
        self._settings, self._scope = settings, scope
        self._child_options = pulumi.ResourceOptions(parent=self)
        self.ready = []
        zone_ids = self._zones(subnet_id)
        for target in targets:
            self._endpoint(target, subnet_id, zone_ids[ZONES[target.subresource]])
        self.register_outputs({})

    def _zones(self, subnet_id: pulumi.Input[str]) -> dict[str, pulumi.Input[str]]:
        """Return the ids of all zones by name; zones that are not given are created and linked."""
        given = {
            ids.parse_id(each).name.lower(): each for each in self._settings.private_dns_zone_ids
        }
        network_id = pulumi.Output.from_input(subnet_id).apply(ids.network_of)
        return {
            zone: self._given_zone(given[zone], network_id)
            if zone in given
            else self._zone(zone, network_id)
            for zone in self._settings.private_dns_zones
        }

    def _zone(self, zone: str, network_id: pulumi.Output[str]) -> pulumi.Output[str]:
        """Make a zone and link it to the network."""
        made = privatedns.PrivateZone(
            zone,
            private_zone_name=zone,
            resource_group_name=self._scope.group,
            location="global",
            tags=self._scope.tags,
            opts=self._child_options,
        )
        self._link(zone, self._scope.group, made.name, network_id, self._child_options)
        return made.id

    def _given_zone(self, zone_id: str, network_id: pulumi.Output[str]) -> str:
        """Use an existing zone, linked to the stack's own network; a given network has its own links."""
        if self._settings.creates_network:
            other = ids.parse_id(zone_id)
            options = pulumi.ResourceOptions(
                parent=self, provider=self._scope.provider_of(other.subscription)
            )
            self._link(other.name, other.group, other.name, network_id, options)
        return zone_id

    def _link(
        self,
        name: str,
        group: pulumi.Input[str],
        zone: pulumi.Input[str],
        network_id: pulumi.Output[str],
        options: pulumi.ResourceOptions,
    ) -> None:
        """Link *zone* to the network."""
        link = privatedns.VirtualNetworkLink(
            f"link-{name}",
            virtual_network_link_name=self._resource_name("link"),
            private_zone_name=zone,
            resource_group_name=group,
            location="global",
            registration_enabled=False,
            virtual_network=privatedns.SubResourceArgs(id=network_id),
            tags=self._scope.tags,
            opts=pulumi.ResourceOptions.merge(
                options,
                # A network can only be linked to one zone of the same name.
                pulumi.ResourceOptions(
                    replace_on_changes=["virtual_network"], delete_before_replace=True
                ),
            ),
        )
        self.ready.append(link)

    def _endpoint(
        self, target: Target, subnet_id: pulumi.Input[str], zone_id: pulumi.Input[str]
    ) -> None:
        """Make the endpoint, which adds its address to the zone."""
        name = f"endpoint-{target.subresource}"
        endpoint = network.PrivateEndpoint(
            name,
            private_endpoint_name=self._resource_name(f"pe-{target.subresource}"),
            resource_group_name=self._scope.group,
            location=self._scope.location,
            subnet=network.SubnetArgs(id=subnet_id),
            private_link_service_connections=[
                network.PrivateLinkServiceConnectionArgs(
                    name=target.subresource,
                    private_link_service_id=target.resource_id,
                    group_ids=[target.subresource],
                )
            ],
            tags=self._scope.tags,
            opts=pulumi.ResourceOptions.merge(
                self._child_options,
                # The target of an endpoint cannot be changed.
                pulumi.ResourceOptions(replace_on_changes=["private_link_service_connections"]),
            ),
        )
        records = network.PrivateDnsZoneGroup(
            f"records-{target.subresource}",
            private_dns_zone_group_name="default",
            private_endpoint_name=endpoint.name,
            resource_group_name=self._scope.group,
            private_dns_zone_configs=[
                network.PrivateDnsZoneConfigArgs(
                    name=target.subresource, private_dns_zone_id=zone_id
                )
            ],
            opts=self._child_options,
        )
        self.ready.append(records)

    def _resource_name(self, kind: str) -> str:
        """Return the name of a resource of this *kind*."""
        return naming.local_name(self._settings.name_prefix, self._settings.stack, kind)
