from typing import Any

import pytest

from tests.infra.mocked import Deployed, deploy

SUBNET = (
    "/subscriptions/1/resourceGroups/net/providers/Microsoft.Network"
    "/virtualNetworks/hub/subnets/batch"
)


def rules_of(deployed: Deployed) -> Any:
    rules = deployed.one("network:NetworkSecurityGroup").inputs["securityRules"]
    return {each["name"]: each for each in rules}


def test_nothing_comes_in(example: Deployed) -> None:
    inbound = [each for each in rules_of(example).values() if each["direction"] == "Inbound"]
    (only,) = inbound
    assert (only["access"], only["priority"], only["protocol"]) == ("Deny", 4096, "*")
    assert only["sourceAddressPrefix"] == only["destinationPortRange"] == "*"


def test_out_goes_what_a_node_in_simplified_mode_needs_and_nothing_else(example: Deployed) -> None:
    outbound = [each for each in rules_of(example).values() if each["direction"] == "Outbound"]
    allowed = {
        (each["destinationAddressPrefix"], tuple(each["destinationPortRanges"]), each["protocol"])
        for each in outbound
        if each["access"] == "Allow"
    }
    assert allowed == {
        ("BatchNodeManagement.WestEurope", ("443",), "*"),
        ("Storage.WestEurope", ("443",), "Tcp"),
        ("Internet", ("80", "443"), "Tcp"),
    }
    refused = [each for each in outbound if each["access"] == "Deny"]
    assert [each["priority"] for each in refused] == [4096]


def test_every_rule_says_why_and_no_two_share_a_priority(example: Deployed) -> None:
    rules = rules_of(example).values()
    assert all(each["description"] for each in rules)
    assert len({(each["direction"], each["priority"]) for each in rules}) == len(rules)


@pytest.mark.parametrize("setting", [{"imageHasFfmpeg": "true"}, {"nodeFfmpeg": "embeddedOnly"}])
def test_nodes_that_install_nothing_need_no_internet(setting: dict[str, str]) -> None:
    deployed = deploy(**setting)
    assert "package-mirrors" not in rules_of(deployed)


def test_the_monitor_agent_gets_its_way_out_even_then() -> None:
    deployed = deploy(imageHasFfmpeg="true", monitorAgent="true")
    assert rules_of(deployed)["azure-monitor"]["destinationAddressPrefix"] == "AzureMonitor"


def test_a_region_can_be_spelled_by_hand() -> None:
    deployed = deploy(**{"azure-native:location": "atlantis", "serviceTagRegion": "NewAtlantis"})
    rule = rules_of(deployed)["storage"]
    assert rule["destinationAddressPrefix"] == "Storage.NewAtlantis"


def test_the_subnet_has_only_the_declared_way_out(example: Deployed) -> None:
    subnet = example.one("network:Subnet").inputs
    assert subnet["defaultOutboundAccess"] is False
    assert subnet["privateLinkServiceNetworkPolicies"] == "Disabled"
    assert subnet["natGateway"]["id"] == example.one("network:NatGateway").id
    assert subnet["networkSecurityGroup"]["id"] == example.one("network:NetworkSecurityGroup").id


def test_media_do_not_go_through_the_nat_gateway(example: Deployed) -> None:
    endpoints = example.one("network:Subnet").inputs["serviceEndpoints"]
    assert endpoints == [{"service": "Microsoft.Storage"}]


def test_the_nat_gateway_has_a_standard_static_address(example: Deployed) -> None:
    address = example.one("network:PublicIPAddress")
    assert address.inputs["sku"]["name"] == "Standard"
    assert address.inputs["publicIPAllocationMethod"] == "Static"
    gateway = example.one("network:NatGateway").inputs
    assert gateway["publicIpAddresses"] == [{"id": address.id}]


def test_the_network_leaves_its_subnets_to_themselves(example: Deployed) -> None:
    assert "subnets" not in example.one("network:VirtualNetwork").inputs


def test_public_addresses_of_the_nodes_need_no_gateway() -> None:
    deployed = deploy(egress="batchManagedPublicIp")
    assert deployed.all("network:NatGateway") == deployed.all("network:PublicIPAddress") == []
    assert "natGateway" not in deployed.one("network:Subnet").inputs
    pool = deployed.one("batch:Pool").inputs["networkConfiguration"]
    assert pool["publicIPAddressConfiguration"] == {"provision": "BatchManaged"}
    assert pool["subnetId"] == deployed.one("network:Subnet").id


def test_a_given_subnet_is_used_and_nothing_is_made_around_it() -> None:
    deployed = deploy(subnetId=SUBNET)
    assert [each for each in deployed.resources if each.token.startswith("network:")] == []
    pool = deployed.one("batch:Pool").inputs["networkConfiguration"]
    assert pool["subnetId"] == SUBNET
    assert pool["publicIPAddressConfiguration"] == {"provision": "NoPublicIPAddresses"}


def test_nodes_may_be_in_no_network_of_ours() -> None:
    deployed = deploy(network="none", poolAllocationMode="BatchService")
    assert [each for each in deployed.resources if each.token.startswith("network:")] == []
    assert "subnetId" not in deployed.one("batch:Pool").inputs["networkConfiguration"]


def test_another_range_is_another_subnet_made_before_the_old_one_goes(example: Deployed) -> None:
    other = deploy(subnetCidr="10.64.1.0/24").one("network:Subnet")
    subnet = example.one("network:Subnet")
    assert other.inputs["subnetName"] != subnet.inputs["subnetName"]
    assert subnet.request.deleteBeforeReplaceDefined
    assert not subnet.request.deleteBeforeReplace
