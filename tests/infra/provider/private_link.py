"""What Azure refuses of private endpoints, their DNS zones, and what is reached by them."""

from collections.abc import Callable

from tests.infra.provider.kinds import Inputs
from tests.infra.provider.names import leaf
from tests.infra.provider.refusals import ArmError, at
from tests.infra.provider.rules import under
from tests.infra.provider.store import World

POOL = "azure-native:batch:Pool"
ENDPOINT = "azure-native:network:PrivateEndpoint"
RECORDS = "azure-native:network:PrivateDnsZoneGroup"
ZONE = "azure-native:privatedns:PrivateZone"
LINK = "azure-native:privatedns:VirtualNetworkLink"

WAYS_IN = {
    "blob": ("microsoft.storage/storageaccounts", "privatelink.blob.core.windows.net"),
    "vault": ("microsoft.keyvault/vaults", "privatelink.vaultcore.azure.net"),
    "batchAccount": ("microsoft.batch/batchaccounts", "privatelink.batch.azure.com"),
    "nodeManagement": ("microsoft.batch/batchaccounts", "privatelink.batch.azure.com"),
}
"""The types of resource and the zones that belong to Private Link's group ids."""


def check_endpoint(world: World, _arm_id: str, inputs: Inputs) -> None:
    """Refuse an endpoint to what has no such way in, or in a subnet that allows none."""
    (connection,) = inputs["privateLinkServiceConnections"]
    (group,) = connection["groupIds"]
    target = connection["privateLinkServiceId"]
    if group not in WAYS_IN or f"/{WAYS_IN[group][0]}/" not in target.lower():
        raise ArmError(
            400, "InvalidGroupId", f"{group} is no group id of the resource type of {target}"
        )
    subnet = world.get(inputs["subnet"]["id"])
    policies = subnet and subnet["inputs"].get("privateEndpointNetworkPolicies", "Disabled")
    if policies not in {None, "Disabled"} and group == "nodeManagement":
        raise ArmError(
            400,
            "PrivateEndpointCannotBeCreatedInSubnetThatHasNetworkPoliciesEnabled",
            f"{inputs['subnet']['id']} has private endpoint network policies enabled.",
        )


def check_endpoint_change(world: World, arm_id: str, inputs: Inputs) -> None:
    """Refuse to have an endpoint lead elsewhere."""
    found = world.get(arm_id)
    assert found is not None
    was = found["inputs"]["privateLinkServiceConnections"][0]["privateLinkServiceId"]
    if inputs["privateLinkServiceConnections"][0]["privateLinkServiceId"] != was:
        raise ArmError(
            400, "CannotChangePrivateLinkConnection", f"{arm_id} leads to {was}, and stays so."
        )


def check_records(world: World, arm_id: str, inputs: Inputs) -> None:
    """Refuse records in a zone that is not the one of the endpoint's way in: nobody would find them."""
    endpoint = world.get(arm_id.rsplit("/", 2)[0])
    assert endpoint is not None
    group = endpoint["inputs"]["privateLinkServiceConnections"][0]["groupIds"][0]
    for config in inputs["privateDnsZoneConfigs"]:
        if leaf(config["privateDnsZoneId"]) != WAYS_IN[group][1]:
            raise ArmError(400, "TestWrongZone", f"{group} is looked up in {WAYS_IN[group][1]}")


def check_zone(_world: World, arm_id: str, inputs: Inputs) -> None:
    """Refuse a zone that is said to be in a region."""
    if inputs.get("location") != "global":
        raise ArmError(400, "LocationNotAvailableForResourceType", f"{arm_id} must be global")


def check_link(world: World, arm_id: str, inputs: Inputs) -> None:
    """Refuse a second link of a network to zones of one name."""
    check_zone(world, arm_id, inputs)
    zone = inputs["privateZoneName"]
    for other in world.of(LINK):
        same_zone = other["inputs"]["privateZoneName"] == zone
        if same_zone and other["inputs"]["virtualNetwork"] == inputs["virtualNetwork"]:
            raise ArmError(
                400, "BadRequest", "A virtual network cannot be linked to multiple zones of a name."
            )


def check_zone_use(world: World, arm_id: str) -> None:
    """Refuse to delete a zone that networks are linked to."""
    if any(under(link["id"].lower(), arm_id) for link in world.of(LINK)):
        raise ArmError(409, "CannotDeleteResource", f"{arm_id} has nested resources.")


def check_nodes_way(world: World, arm_id: str, _inputs: Inputs) -> None:
    """Not Azure's refusal but its nodes' fate: without a way to Batch they are unusable."""
    account = arm_id.rsplit("/", 2)[0]
    found = world.get(account)
    if not found or at(found["inputs"], "publicNetworkAccess") != "Disabled":
        return
    for records in world.of(RECORDS):
        endpoint = world.get(records["id"].rsplit("/", 2)[0])
        (connection,) = endpoint["inputs"]["privateLinkServiceConnections"] if endpoint else [{}]
        if connection.get("privateLinkServiceId") == account and connection["groupIds"] == [
            "nodeManagement"
        ]:
            return
    raise ArmError(409, "TestNodesUnusable", f"nodes have no way to {account}")


Check = Callable[[World, str, Inputs], None]
ON_CREATE: dict[str, tuple[Check, ...]] = {
    ENDPOINT: (check_endpoint,),
    RECORDS: (check_records,),
    ZONE: (check_zone,),
    LINK: (check_link,),
    POOL: (check_nodes_way,),
}
ON_UPDATE: dict[str, tuple[Check, ...]] = {
    ENDPOINT: (check_endpoint_change,),
    RECORDS: (check_records,),
}
