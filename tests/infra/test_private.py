"""Without public addresses: private endpoints, the zones that lead to them, and what else is shut."""

import json
from typing import Any

import pytest

from tests.infra.engine import Deployment
from tests.infra.mocked import Deployed, deploy
from tests.infra.provider.azure import Azure
from tests.infra.provider.kinds import SUBSCRIPTION
from tests.infra.provider.refusals import ArmError
from tests.infra.provider.store import Store
from tests.infra.test_engine import changes_nothing

NETWORK = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/net/providers/Microsoft.Network"
    "/virtualNetworks/hub"
)
HUB = "/subscriptions/22222222-0000-0000-0000-000000000002/resourceGroups/dns/providers"
BLOB, VAULT, BATCH = (
    "privatelink.blob.core.windows.net",
    "privatelink.vaultcore.azure.net",
    "privatelink.batch.azure.com",
)


def zone_ids(*names: str) -> str:
    return json.dumps([f"{HUB}/Microsoft.Network/privateDnsZones/{each}" for each in names])


@pytest.fixture(scope="module")
def private() -> Deployed:
    return deploy(publicNetworkAccess="false")


def ways_in(deployed: Deployed) -> dict[str, Any]:
    """Say where each endpoint leads, by its group id."""
    found = {}
    for each in deployed.all("network:PrivateEndpoint"):
        (connection,) = each.inputs["privateLinkServiceConnections"]
        (group,) = connection["groupIds"]
        found[group] = connection["privateLinkServiceId"]
    return found


def test_storage_vault_and_both_sides_of_batch_have_an_endpoint(private: Deployed) -> None:
    account = private.one("batch:BatchAccount").id
    assert ways_in(private) == {
        "blob": private.one("storage:StorageAccount").id,
        "vault": private.one("keyvault:Vault").id,
        "batchAccount": account,
        "nodeManagement": account,
    }


def test_their_public_addresses_are_shut(private: Deployed) -> None:
    storage = private.one("storage:StorageAccount").inputs
    assert storage["publicNetworkAccess"] == "Disabled"
    assert storage["networkRuleSet"] == {"bypass": "AzureServices", "defaultAction": "Deny"}
    account = private.one("batch:BatchAccount").inputs
    assert account["publicNetworkAccess"] == "Disabled"
    assert "networkProfile" not in account, "Azure looks at it only while public access is enabled"
    vault = private.one("keyvault:Vault").inputs["properties"]
    assert vault["publicNetworkAccess"] == "disabled"
    assert vault["networkAcls"]["defaultAction"] == "Deny"
    assert vault["networkAcls"]["bypass"] == "AzureServices", "Batch itself keeps its secrets there"


def test_by_default_nothing_is_shut_and_there_are_no_endpoints(example: Deployed) -> None:
    assert ways_in(example) == {}
    assert example.all("privatedns:PrivateZone") == []
    assert example.one("storage:StorageAccount").inputs["publicNetworkAccess"] == "Enabled"
    assert example.one("batch:BatchAccount").inputs["publicNetworkAccess"] == "Enabled"
    vault = example.one("keyvault:Vault").inputs["properties"]
    assert vault["publicNetworkAccess"] == "enabled"


def test_each_address_is_written_into_its_zone_and_the_network_looks_there(
    private: Deployed,
) -> None:
    zones = {
        each.inputs["privateZoneName"]: each.id for each in private.all("privatedns:PrivateZone")
    }
    assert set(zones) == {BLOB, VAULT, BATCH}
    records = {
        each.inputs["privateEndpointName"]: each.inputs["privateDnsZoneConfigs"][0][
            "privateDnsZoneId"
        ]
        for each in private.all("network:PrivateDnsZoneGroup")
    }
    assert records == {
        "pe-blob-ffmpeg-dev": zones[BLOB],
        "pe-vault-ffmpeg-dev": zones[VAULT],
        "pe-batchAccount-ffmpeg-dev": zones[BATCH],
        "pe-nodeManagement-ffmpeg-dev": zones[BATCH],
    }
    network = private.one("network:VirtualNetwork").id
    links = private.all("privatedns:VirtualNetworkLink")
    assert {each.inputs["privateZoneName"] for each in links} == set(zones)
    for each in links:
        assert each.inputs["virtualNetwork"] == {"id": network}
        assert each.inputs["registrationEnabled"] is False


def test_nodes_may_go_to_the_endpoints_and_no_longer_to_public_ones(private: Deployed) -> None:
    rules = private.one("network:NetworkSecurityGroup").inputs["securityRules"]
    allowed = {each["destinationAddressPrefix"] for each in rules if each["access"] == "Allow"}
    assert allowed == {"10.64.3.224/27", "Internet"}


def test_the_endpoints_have_a_subnet_of_their_own_without_policies_on_them(
    private: Deployed,
) -> None:
    subnet = private.one("network:Subnet", "endpoint-subnet")
    assert subnet.inputs["addressPrefix"] == "10.64.3.224/27"
    assert subnet.inputs["privateEndpointNetworkPolicies"] == "Disabled"
    assert subnet.inputs["privateLinkServiceNetworkPolicies"] == "Disabled"
    assert "networkSecurityGroup" in subnet.inputs, "policies of companies ask for one"
    for each in private.all("network:PrivateEndpoint"):
        assert each.inputs["subnet"]["id"] == subnet.id


def test_the_pool_waits_for_its_way_to_batch_and_storage(private: Deployed) -> None:
    waits = private.one("batch:Pool").dependencies
    assert {"records-blob", "records-nodeManagement", f"link-{BATCH}", f"link-{BLOB}"} <= waits


def test_batch_service_mode_has_no_vault_to_reach() -> None:
    deployed = deploy(publicNetworkAccess="false", poolAllocationMode="BatchService")
    assert set(ways_in(deployed)) == {"blob", "batchAccount", "nodeManagement"}
    zones = {each.inputs["privateZoneName"] for each in deployed.all("privatedns:PrivateZone")}
    assert zones == {BLOB, BATCH}


def test_nodes_that_install_nothing_may_do_without_any_way_out() -> None:
    deployed = deploy(publicNetworkAccess="false", nodeFfmpeg="embeddedOnly", egress="none")
    assert deployed.all("network:NatGateway") == []
    rules = deployed.one("network:NetworkSecurityGroup").inputs["securityRules"]
    allowed = {each["destinationAddressPrefix"] for each in rules if each["access"] == "Allow"}
    assert allowed == {"10.64.3.224/27"}
    pool = deployed.one("batch:Pool").inputs["networkConfiguration"]
    assert pool["publicIPAddressConfiguration"] == {"provision": "NoPublicIPAddresses"}


def test_a_given_network_gets_endpoints_in_the_given_subnet_and_links_to_new_zones() -> None:
    deployed = deploy(
        publicNetworkAccess="false",
        subnetId=f"{NETWORK}/subnets/nodes",
        privateEndpointSubnetId=f"{NETWORK}/subnets/endpoints",
    )
    assert deployed.all("network:Subnet") == deployed.all("network:VirtualNetwork") == []
    for each in deployed.all("network:PrivateEndpoint"):
        assert each.inputs["subnet"]["id"] == f"{NETWORK}/subnets/endpoints"
    for each in deployed.all("privatedns:VirtualNetworkLink"):
        assert each.inputs["virtualNetwork"] == {"id": NETWORK}


def test_given_zones_are_used_as_they_are_with_a_given_network() -> None:
    deployed = deploy(
        publicNetworkAccess="false",
        subnetId=f"{NETWORK}/subnets/nodes",
        privateEndpointSubnetId=f"{NETWORK}/subnets/endpoints",
        privateDnsZoneIds=zone_ids(BLOB, VAULT, BATCH),
    )
    assert [each for each in deployed.resources if each.token.startswith("privatedns:")] == []
    (blob,) = deployed.one("network:PrivateDnsZoneGroup", "records-blob").inputs[
        "privateDnsZoneConfigs"
    ]
    assert blob["privateDnsZoneId"].endswith(f"/privateDnsZones/{BLOB}")


def test_given_zones_are_linked_to_the_network_that_is_made_here() -> None:
    deployed = deploy(publicNetworkAccess="false", privateDnsZoneIds=zone_ids(BLOB, VAULT, BATCH))
    links = deployed.all("privatedns:VirtualNetworkLink")
    assert {each.inputs["resourceGroupName"] for each in links} == {"dns"}
    (provider,) = deployed.all("pulumi:providers:azure-native")
    assert provider.inputs["subscriptionId"] == HUB.split("/")[2]
    assert all(f"::{provider.name}::" in each.request.provider for each in links)


def test_it_is_shut_changed_and_opened_again_in_an_order_that_azure_accepts(
    deployment: Deployment,
) -> None:
    assert "only on a machine inside the network" in deployment.up(publicNetworkAccess=False)
    assert ("create", "Pool") not in deployment.journal(), "its nodes only take another way"
    assert changes_nothing(deployment.up())
    deployment.up(batchAccountName="another")
    ways = [
        each["inputs"]["privateLinkServiceConnections"][0]["privateLinkServiceId"]
        for each in deployment.world.of("azure-native:network:PrivateEndpoint")
    ]
    assert len([each for each in ways if each.endswith("/batchAccounts/another")]) == 2
    deployment.up(publicNetworkAccess=True)
    assert deployment.world.of("azure-native:network:PrivateEndpoint") == []


def test_a_destroy_takes_endpoints_and_zones_away(new: Deployment) -> None:
    new.up(publicNetworkAccess=False, nodeFfmpeg="embeddedOnly", egress="none")
    new.destroy()
    assert new.world.resources == {}


@pytest.mark.parametrize(("group", "code"), [("blob", "InvalidGroupId"), ("dfs", "InvalidGroupId")])
def test_the_stand_in_refuses_ways_in_that_there_are_not(
    tmp_path: Any, group: str, code: str
) -> None:
    arm = Azure(Store(tmp_path / "azure.json"))
    arm.create("azure-native:resources:ResourceGroup", {"resourceGroupName": "rg"})
    connection = {
        "name": "x",
        "groupIds": [group],
        "privateLinkServiceId": "/x/Microsoft.Batch/batchAccounts/b",
    }
    with pytest.raises(ArmError, match=code):
        arm.create(
            "azure-native:network:PrivateEndpoint",
            {
                "resourceGroupName": "rg",
                "privateEndpointName": "pe",
                "subnet": {"id": f"{NETWORK.replace(SUBSCRIPTION, '1')}/subnets/endpoints"},
                "privateLinkServiceConnections": [connection],
            },
        )
