"""The nodes' network: no inbound connections, and only the outbound ones that a node needs."""

from collections.abc import Iterator
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network

from infra import naming
from infra.pools import installs_packages
from infra.regions import SERVICE_TAG_REGIONS
from infra.scope import Scope
from infra.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Outbound traffic that the subnet's security group allows."""

    name: str
    reason: str
    destination: str
    ports: tuple[str, ...] = ("443",)
    protocol: str = "Tcp"


def outbound_rules(settings: Settings) -> Iterator[Rule]:
    """Return the rules for what a node in simplified communication mode must reach.

    https://learn.microsoft.com/azure/batch/simplified-compute-node-communication. DNS, identity tokens and
    the host's own services need no rule, because security groups do not apply to their addresses.
    """
    region = settings.service_tag_region or SERVICE_TAG_REGIONS[settings.location]
    if private := settings.private_subresources:
        yield Rule(
            name="private-endpoints",
            reason="Batch and storage, at their addresses in this network",
            destination=settings.private_endpoint_subnet_cidr,
            protocol="*",
        )
    if "nodeManagement" not in private:
        yield Rule(
            name="batch-node-management",
            reason="The node's agent talks to the Batch service; Azure reserves UDP for it too",
            destination=f"BatchNodeManagement.{region}",
            protocol="*",
        )
    if "blob" not in private:
        yield Rule(
            name="storage",
            reason="Sources in, results and logs out",
            destination=f"Storage.{region}",
        )
    if settings.monitor_agent:
        yield Rule(
            name="azure-monitor",
            reason="The Azure Monitor agent sends what it collects",
            destination="AzureMonitor",
        )
    if installs_packages(settings):
        yield Rule(
            name="package-mirrors",
            reason="The start task may install ffmpeg: apt's mirrors, port 80, or 443 where so listed",
            destination="Internet",
            ports=("80", "443"),
        )


class Network(pulumi.ComponentResource):
    """A virtual network that only allows what the nodes need."""

    subnet_id: pulumi.Output[str]
    private_endpoint_subnet_id: pulumi.Output[str] | None

    def __init__(
        self,
        name: str,
        settings: Settings,
        scope: Scope,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("runner:infra:Network", name, None, opts)
        self._settings, self._scope = settings, scope
        self._child_options = pulumi.ResourceOptions(parent=self)
        vnet = network.VirtualNetwork(
            "vnet",
            resource_group_name=scope.group,
            location=scope.location,
            virtual_network_name=self._resource_name("vnet"),
            address_space=network.AddressSpaceArgs(address_prefixes=[settings.vnet_cidr]),
            tags=scope.tags,
            opts=self._child_options,
        )
        group = self._security_group()
        gateway = self._nat_gateway() if settings.effective_egress == "natGateway" else None
        nodes = self._node_subnet(vnet, group, gateway)
        self.subnet_id = nodes.id
        self.private_endpoint_subnet_id = (
            self._endpoint_subnet(vnet, group, nodes).id if settings.private_subresources else None
        )
        self.register_outputs({"subnet_id": self.subnet_id})

    def _node_subnet(
        self,
        vnet: network.VirtualNetwork,
        group: network.NetworkSecurityGroup,
        gateway: network.NatGateway | None,
    ) -> network.Subnet:
        """Make the subnet of the nodes."""
        return network.Subnet(
            "subnet",
            resource_group_name=self._scope.group,
            virtual_network_name=vnet.name,
            # A changed range makes a subnet of another name beside the old one, which the pool
            # in it holds until the new pool is there.
            subnet_name=f"nodes-{naming.digest({'cidr': self._settings.subnet_cidr})}",
            address_prefix=self._settings.subnet_cidr,
            # Azure's default outbound access is retired; nodes only have the access declared here:
            # https://learn.microsoft.com/azure/virtual-network/ip-services/default-outbound-access
            default_outbound_access=False,
            # Batch refuses a subnet with them for nodes without public addresses (azure-docs
            # issue 95888), and here nobody offers a private link.
            private_link_service_network_policies=network.VirtualNetworkPrivateLinkServiceNetworkPolicies.DISABLED,
            network_security_group=network.NetworkSecurityGroupArgs(id=group.id),
            nat_gateway=network.SubResourceArgs(id=gateway.id) if gateway else None,
            # Free, and keeps media traffic off the NAT gateway, which is billed by the gigabyte.
            service_endpoints=[
                network.ServiceEndpointPropertiesFormatArgs(service="Microsoft.Storage")
            ],
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=False),
        )

    def _endpoint_subnet(
        self,
        vnet: network.VirtualNetwork,
        group: network.NetworkSecurityGroup,
        nodes: network.Subnet,
    ) -> network.Subnet:
        """Make the subnet of the private endpoints."""
        cidr = self._settings.private_endpoint_subnet_cidr
        return network.Subnet(
            "endpoint-subnet",
            resource_group_name=self._scope.group,
            virtual_network_name=vnet.name,
            subnet_name=f"endpoints-{naming.digest({'cidr': cidr})}",
            address_prefix=cidr,
            default_outbound_access=False,
            # Batch's page on pools without public addresses asks for it. So the security group,
            # which is there for policies that ask for one, does not apply to the endpoints.
            private_endpoint_network_policies=network.VirtualNetworkPrivateEndpointNetworkPolicies.DISABLED,
            private_link_service_network_policies=network.VirtualNetworkPrivateLinkServiceNetworkPolicies.DISABLED,
            network_security_group=network.NetworkSecurityGroupArgs(id=group.id),
            opts=pulumi.ResourceOptions(
                parent=self,
                delete_before_replace=False,
                # Azure changes a network's subnets one at a time.
                depends_on=[nodes],
            ),
        )

    def _resource_name(self, kind: str) -> str:
        """Return the name of a resource of this *kind*."""
        return naming.local_name(self._settings.name_prefix, self._settings.stack, kind)

    def _security_group(self) -> network.NetworkSecurityGroup:
        """Make the security group: the outbound rules, and denial of everything else in both directions."""
        rules = [
            network.SecurityRuleArgs(
                name=rule.name,
                description=rule.reason,
                priority=100 + 10 * index,
                direction=network.SecurityRuleDirection.OUTBOUND,
                access=network.SecurityRuleAccess.ALLOW,
                protocol=rule.protocol,
                source_address_prefix="*",
                source_port_range="*",
                destination_address_prefix=rule.destination,
                destination_port_ranges=list(rule.ports),
            )
            for index, rule in enumerate(outbound_rules(self._settings))
        ]
        return network.NetworkSecurityGroup(
            "security-group",
            resource_group_name=self._scope.group,
            location=self._scope.location,
            network_security_group_name=self._resource_name("nsg"),
            security_rules=[
                *rules,
                self._deny_all("out", network.SecurityRuleDirection.OUTBOUND),
                self._deny_all("in", network.SecurityRuleDirection.INBOUND),
            ],
            tags=self._scope.tags,
            opts=self._child_options,
        )

    def _deny_all(
        self, way: str, direction: network.SecurityRuleDirection
    ) -> network.SecurityRuleArgs:
        """Deny what no rule allows, because Azure's default rules would allow some of it."""
        return network.SecurityRuleArgs(
            name=f"nothing-else-{way}",
            description="Nodes talk to nobody else, not even to each other",
            priority=4096,
            direction=direction,
            access=network.SecurityRuleAccess.DENY,
            protocol="*",
            source_address_prefix="*",
            source_port_range="*",
            destination_address_prefix="*",
            destination_port_range="*",
        )

    def _nat_gateway(self) -> network.NatGateway:
        """Make the nodes' single public address, which is billed by the hour even when idle."""
        address = network.PublicIPAddress(
            "nat-address",
            resource_group_name=self._scope.group,
            location=self._scope.location,
            public_ip_address_name=self._resource_name("nat-ip"),
            sku=network.PublicIPAddressSkuArgs(name=network.PublicIPAddressSkuName.STANDARD),
            public_ip_allocation_method=network.IPAllocationMethod.STATIC,
            tags=self._scope.tags,
            opts=self._child_options,
        )
        return network.NatGateway(
            "nat-gateway",
            resource_group_name=self._scope.group,
            location=self._scope.location,
            nat_gateway_name=self._resource_name("nat"),
            sku=network.NatGatewaySkuArgs(name=network.NatGatewaySkuName.STANDARD),
            public_ip_addresses=[network.SubResourceArgs(id=address.id)],
            tags=self._scope.tags,
            opts=self._child_options,
        )
