"""What Azure refuses of Batch accounts and pools."""

import json
from datetime import UTC, datetime
from typing import Any

from tests.emulator.autoscale import AutoScaleError, evaluate
from tests.emulator.machines import vcpus_of
from tests.emulator.roles import find_role
from tests.infra.provider.kinds import BATCH_SERVICE, SUBSCRIPTION, Inputs
from tests.infra.provider.refusals import ArmError, at
from tests.infra.provider.store import World
from tests.infra.provider.subscription import is_felt

SECRETS = {"get", "list", "set", "delete", "recover"}
ORCHESTRATION = ("Azure Batch Service Orchestration Role", "Owner")
IMAGES = {
    ("0001-com-ubuntu-server-jammy", "22_04-lts"): "batch.node.ubuntu 22.04",
    ("ubuntu-24_04-lts", "server"): "batch.node.ubuntu 24.04",
}
"""Node agents by offer and SKU, for those images that the stand-in knows."""


def wrong(name: str, value: Any, reason: str) -> ArmError:
    """Return Batch's refusal of a property's value."""
    return ArmError(
        400,
        "InvalidPropertyValue",
        f"The value provided for one of the properties in the request body is invalid. "
        f"PropertyName: {name}, PropertyValue: {value}, Reason: {reason}",
    )


def check_account(world: World, _arm_id: str, inputs: Inputs) -> None:
    """Refuse what the two allocation modes do not go with, and references that cannot be used."""
    own = inputs.get("poolAllocationMode") == "UserSubscription"
    if own:
        check_vault_grant(world, inputs)
        if "SharedKey" in (inputs.get("allowedAuthenticationModes") or ()):
            words = "an account in user-subscription mode takes Microsoft Entra ID only"
            raise wrong("allowedAuthenticationModes", "SharedKey", words)
    elif inputs.get("keyVaultReference"):
        raise wrong("keyVaultReference", "", "only an account in user-subscription mode has one")
    check_identities(inputs)
    if at(inputs, "autoStorage.authenticationMode") == "BatchAccountManagedIdentity" and not at(
        inputs, "identity.userAssignedIdentities"
    ):
        raise wrong("autoStorage", "BatchAccountManagedIdentity", "the account has no identity")
    if at(inputs, "networkProfile.accountAccess.ipRules") and (
        at(inputs, "networkProfile.accountAccess.defaultAction") != "Deny"
    ):
        raise wrong("networkProfile", "Allow", "address rules want the default action Deny")


def check_identities(inputs: Inputs) -> None:
    """Refuse a kind of identity that names none, or none that names some."""
    identity = inputs.get("identity") or {}
    if (identity.get("type") == "UserAssigned") != bool(identity.get("userAssignedIdentities")):
        raise ArmError(400, "InvalidIdentityValues", "The value of parameter identity is invalid.")


def check_vault_grant(world: World, inputs: Inputs) -> None:
    """Refuse an account in user-subscription mode that Batch cannot keep its secrets for."""
    reference = inputs.get("keyVaultReference")
    if not reference:
        raise ArmError(400, "InvalidRequestBody", "A key vault reference is required.")
    vault = world.get(reference["id"])
    if vault is None or not batch_may_use(world, vault):
        raise ArmError(
            400,
            "InvalidKeyVaultReference",
            f"The specified Key Vault {reference['id']} does not have the Batch Service in "
            "access policies.",
        )
    if (
        reference["url"].lower()
        != f"https://{vault['id'].rsplit('/', 1)[-1]}.vault.azure.net/".lower()
    ):
        words = f"The URL {reference['url']} is not that of {reference['id']}."
        raise ArmError(400, "InvalidKeyVaultReference", words)


def batch_may_use(world: World, vault: dict[str, Any]) -> bool:
    """Whether Batch has its five permissions on *vault*, by policy or by role."""
    properties = vault["inputs"]["properties"]
    if properties.get("enableRbacAuthorization"):
        return has_role(world, vault["id"], ("Key Vault Secrets Officer",))
    return any(
        each["objectId"] == BATCH_SERVICE
        and {name.lower() for name in each["permissions"].get("secrets", ())} >= SECRETS
        for each in properties.get("accessPolicies", ())
    )


def has_role(world: World, scope: str, roles: tuple[str, ...]) -> bool:
    """Whether Batch itself has one of *roles* at *scope*, and long enough for it to be felt."""
    return any(
        each["inputs"]["principalId"] == BATCH_SERVICE
        and scope.lower().startswith(each["inputs"]["scope"].lower())
        and find_role(each["inputs"]["roleDefinitionId"]).name in roles
        and is_felt(world, each)
        for each in world.of("azure-native:authorization:RoleAssignment")
    )


def check_pool(world: World, arm_id: str, inputs: Inputs) -> None:
    """Refuse a pool that could not be made, or of which no node could work."""
    account = world.get(arm_id.rpartition("/pools/")[0])
    assert account is not None, "parents are checked before"
    check_machine(inputs)
    check_image(inputs)
    check_identities(inputs)
    check_scale(inputs)
    check_place(world, account, inputs)
    own = account["inputs"].get("poolAllocationMode") == "UserSubscription"
    if inputs.get("resourceTags") and not own:
        raise wrong("resourceTags", "", "only an account in user-subscription mode has them")


def check_machine(inputs: Inputs) -> None:
    """Refuse a size that there is not, and more slots than its cores bear."""
    size = inputs.get("vmSize")
    cores = vcpus_of(size) if size else None
    if cores is None:
        raise wrong("vmSize", size, "there is no such size")
    slots = inputs.get("taskSlotsPerNode", 1)
    if slots > min(4 * cores, 256):
        raise wrong("taskSlotsPerNode", slots, f"at most {min(4 * cores, 256)} on a {size}")


def check_image(inputs: Inputs) -> None:
    """Refuse an image and an agent that do not fit, and an image that is named twice or not at all."""
    machine = at(inputs, "deploymentConfiguration.virtualMachineConfiguration")
    if machine is None:
        raise ArmError(400, "MissingRequiredProperty", "virtualMachineConfiguration is required.")
    reference, agent = machine["imageReference"], machine["nodeAgentSkuId"]
    marketplace = [reference.get(name) for name in ("publisher", "offer", "sku")]
    if bool(reference.get("id")) == any(marketplace) or any(marketplace) != all(marketplace):
        raise wrong("imageReference", json.dumps(reference), "an id, or publisher, offer and SKU")
    fitting = IMAGES.get((reference.get("offer"), reference.get("sku")), agent)
    if agent != fitting or not agent.startswith("batch.node."):
        raise ArmError(
            400,
            "InvalidPropertyValue",
            f"The specified imageReference {json.dumps(reference)} is not supported with {agent}",
        )


def check_scale(inputs: Inputs) -> None:
    """Refuse a pool that says nothing of its size, or too much, and a formula that does not run."""
    scale = inputs.get("scaleSettings") or {}
    if len(scale) != 1:
        raise ArmError(400, "InvalidRequestBody", "Exactly one kind of scale settings is required.")
    if "fixedScale" in scale and not {"targetDedicatedNodes", "targetLowPriorityNodes"} & set(
        scale["fixedScale"]
    ):
        raise wrong("fixedScale", "", "at least one of the targets must be set")
    formula = at(scale, "autoScale.formula")
    if formula is None:
        return
    try:
        evaluate(formula, samples={}, now=datetime.now(UTC))
    except AutoScaleError as error:
        if error.code != "InsufficientSampleData":  # there are none before the pool
            raise ArmError(400, error.code, f"{error.message} {error.detail}") from error


def check_place(world: World, account: dict[str, Any], inputs: Inputs) -> None:
    """Refuse a subnet that Batch cannot use, and nodes that no network is given for."""
    subnet_id = at(inputs, "networkConfiguration.subnetId")
    provision = at(inputs, "networkConfiguration.publicIPAddressConfiguration.provision")
    if provision == "NoPublicIPAddresses":
        if not subnet_id:
            raise wrong("publicIPAddressConfiguration", provision, "wants a subnet")
        if inputs.get("targetNodeCommunicationMode") != "Simplified":
            raise wrong("targetNodeCommunicationMode", "", "wants Simplified without addresses")
        subnet = world.get(subnet_id)
        if subnet and subnet["inputs"].get("privateLinkServiceNetworkPolicies") != "Disabled":
            words = "privateLinkServiceNetworkPolicies must be disabled on the subnet"
            raise wrong("subnetId", subnet_id, words)  # azure-docs issue 95888
    if subnet_id is None:
        return
    vnet = world.get(subnet_id.rpartition("/subnets/")[0])
    here, there = (each and each["inputs"].get("location") for each in (account, vnet))
    if here and there and here != there:
        raise wrong("subnetId", subnet_id, "the network is in another region than the account")
    own = account["inputs"].get("poolAllocationMode") == "UserSubscription"
    scope = f"/subscriptions/{SUBSCRIPTION}"
    if own and not world.batch_may_make_nodes and not has_role(world, scope, ORCHESTRATION):
        words = (
            "Either the specified VNet does not exist, or the Batch service does not have access "
            f"to it: {subnet_id}"
        )
        raise ArmError(400, "InvalidPropertyValue", words)


ON_WRITE = {
    "azure-native:batch:BatchAccount": (check_account,),
    "azure-native:batch:Pool": (check_pool,),
}
