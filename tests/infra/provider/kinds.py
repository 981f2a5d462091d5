"""The resources that the stand-in knows: their ids, and what Azure adds to them."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.infra.provider.names import leaf, made_up_id

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
TENANT = "99999999-8888-7777-6666-555555555555"
DEPLOYER = "dddddddd-0000-0000-0000-000000000001"
BATCH_SERVICE = "bbbbbbbb-0000-0000-0000-00000000ba7c"
"""The object id of Azure Batch in this tenant."""

Inputs = Mapping[str, Any]
Computed = Callable[[str, Inputs], dict[str, Any]]


def nothing(_arm_id: str, _inputs: Inputs) -> dict[str, Any]:
    """Add nothing."""
    return {}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of resource: its id's template, and what follows from it."""

    path: str
    """With the inputs' names in braces; relative to a resource group when it begins with one word."""
    fixed: tuple[str, ...] = ()
    """Inputs whose change makes azure-native replace, besides those in the path."""
    computed: Computed = nothing

    @property
    def path_inputs(self) -> list[str]:
        """The inputs that make the id."""
        return re.findall(r"{(\w+)}", self.template)

    @property
    def template(self) -> str:
        """The whole path, from the subscription down."""
        if self.path.startswith(("{", "/")):
            return self.path
        return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{{resourceGroupName}}/providers/{self.path}"

    @property
    def name_input(self) -> str:
        """The input that is the resource's own name."""
        return self.path_inputs[-1]

    def arm_id(self, inputs: Inputs, subscription: str = SUBSCRIPTION) -> str:
        """Return the id that *inputs* give, for a provider of *subscription*."""
        return self.template.replace(SUBSCRIPTION, subscription).format_map(inputs)


def storage_account(arm_id: str, inputs: Inputs) -> dict[str, Any]:
    """Add the endpoints: a blob emulator's, where one is given."""
    blob = os.environ.get("PROVIDER_BLOB_URL") or f"https://{leaf(arm_id)}.blob.core.windows.net"
    return {
        "primaryEndpoints": {"blob": f"{blob.rstrip('/')}/"},
        **identity_map(arm_id, inputs),
    }


def batch_account(arm_id: str, inputs: Inputs) -> dict[str, Any]:
    """Add the endpoint, which has no scheme: a Batch emulator's, where one is given."""
    emulator = urlsplit(os.environ.get("PROVIDER_BATCH_URL", "")).netloc
    region = inputs.get("location", "westeurope")
    return {
        "accountEndpoint": emulator or f"{leaf(arm_id)}.{region}.batch.azure.com",
        **identity_map(arm_id, inputs),
    }


def identity_map(arm_id: str, inputs: Inputs) -> dict[str, Any]:
    """Turn the list of identities into the map that Azure answers with."""
    identity = inputs.get("identity")
    if not identity:
        return {}
    owners = {
        each: {"clientId": made_up_id(each, "client"), "principalId": made_up_id(each, "principal")}
        for each in identity.get("userAssignedIdentities", [])
    }
    return {"identity": {**identity, "userAssignedIdentities": owners}}


def identity(arm_id: str, inputs: Inputs) -> dict[str, Any]:
    """Add the principal behind an identity."""
    return {
        "principalId": made_up_id(arm_id, "principal"),
        "clientId": made_up_id(arm_id, "client"),
        "tenantId": TENANT,
    }


def vault(arm_id: str, inputs: Inputs) -> dict[str, Any]:
    """Add the vault's address to its properties."""
    uri = f"https://{leaf(arm_id)}.vault.azure.net/"
    return {"properties": {**inputs["properties"], "vaultUri": uri}}


KINDS: Mapping[str, Kind] = {
    f"azure-native:{token}": kind
    for token, kind in {
        "resources:ResourceGroup": Kind(
            path=f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{{resourceGroupName}}",
            fixed=("location",),
        ),
        "storage:StorageAccount": Kind(
            path="Microsoft.Storage/storageAccounts/{accountName}",
            fixed=("location", "isHnsEnabled"),
            computed=storage_account,
        ),
        "storage:BlobServiceProperties": Kind(
            path="Microsoft.Storage/storageAccounts/{accountName}/blobServices/{blobServicesName}"
        ),
        "storage:BlobContainer": Kind(
            path="Microsoft.Storage/storageAccounts/{accountName}"
            "/blobServices/default/containers/{containerName}"
        ),
        "storage:ManagementPolicy": Kind(
            path="Microsoft.Storage/storageAccounts/{accountName}"
            "/managementPolicies/{managementPolicyName}"
        ),
        "keyvault:Vault": Kind(path="Microsoft.KeyVault/vaults/{vaultName}", computed=vault),
        "managedidentity:UserAssignedIdentity": Kind(
            path="Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}",
            computed=identity,
        ),
        "network:VirtualNetwork": Kind(
            path="Microsoft.Network/virtualNetworks/{virtualNetworkName}", fixed=("location",)
        ),
        "network:Subnet": Kind(
            path="Microsoft.Network/virtualNetworks/{virtualNetworkName}/subnets/{subnetName}"
        ),
        "network:NetworkSecurityGroup": Kind(
            path="Microsoft.Network/networkSecurityGroups/{networkSecurityGroupName}"
        ),
        "network:NatGateway": Kind(path="Microsoft.Network/natGateways/{natGatewayName}"),
        "network:PublicIPAddress": Kind(
            path="Microsoft.Network/publicIPAddresses/{publicIpAddressName}",
            fixed=("location", "publicIPAddressVersion", "publicIPPrefix", "sku"),
        ),
        "network:PrivateEndpoint": Kind(
            path="Microsoft.Network/privateEndpoints/{privateEndpointName}",
            fixed=("location", "subnet"),
        ),
        "network:PrivateDnsZoneGroup": Kind(
            path="Microsoft.Network/privateEndpoints/{privateEndpointName}"
            "/privateDnsZoneGroups/{privateDnsZoneGroupName}"
        ),
        "privatedns:PrivateZone": Kind(path="Microsoft.Network/privateDnsZones/{privateZoneName}"),
        "privatedns:VirtualNetworkLink": Kind(
            path="Microsoft.Network/privateDnsZones/{privateZoneName}"
            "/virtualNetworkLinks/{virtualNetworkLinkName}"
        ),
        "authorization:RoleAssignment": Kind(
            path="{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
            fixed=("principalId",),
        ),
        "batch:BatchAccount": Kind(
            path="Microsoft.Batch/batchAccounts/{accountName}", computed=batch_account
        ),
        "batch:Pool": Kind(
            path="Microsoft.Batch/batchAccounts/{accountName}/pools/{poolName}",
            computed=identity_map,
        ),
        "operationalinsights:Workspace": Kind(
            path="Microsoft.OperationalInsights/workspaces/{workspaceName}"
        ),
        "monitor:DiagnosticSetting": Kind(
            path="{resourceUri}/providers/microsoft.insights/diagnosticSettings/{name}"
        ),
        "monitor:ActionGroup": Kind(path="Microsoft.Insights/actionGroups/{actionGroupName}"),
        "monitor:MetricAlert": Kind(path="Microsoft.Insights/metricAlerts/{ruleName}"),
        "consumption:Budget": Kind(
            path="{scope}/providers/Microsoft.Consumption/budgets/{budgetName}"
        ),
    }.items()
}


def outputs_of(token: str, arm_id: str, inputs: Inputs) -> dict[str, Any]:
    """Return what Azure says of a resource that was made from *inputs*."""
    kind = KINDS[token]
    said = {name: value for name, value in inputs.items() if name not in kind.path_inputs}
    return {**said, "name": leaf(arm_id), **kind.computed(arm_id, inputs)}


LOOKUPS = {
    f"azure-native:{function}": f"azure-native:{kind}"
    for function, kind in {
        "storage:getStorageAccount": "storage:StorageAccount",
        "keyvault:getVault": "keyvault:Vault",
        "batch:getBatchAccount": "batch:BatchAccount",
        "managedidentity:getUserAssignedIdentity": "managedidentity:UserAssignedIdentity",
    }.items()
}
"""Functions of the provider that look a resource up."""


def answer(
    token: str, arguments: Inputs, subscription: str, get: Callable[[str], dict[str, Any] | None]
) -> dict[str, Any]:
    """Answer a function of the provider; *get* finds what there is by its id.

    Raises:
        LookupError: It is not one that the stand-in knows, or there is no such resource.
    """
    if token in LOOKUPS:
        kind = LOOKUPS[token]
        arm_id = KINDS[kind].arm_id(arguments, subscription)
        found = get(arm_id)
        if found is None:
            words = f"The Resource '{arm_id}' was not found."
            raise LookupError(f'Status=404 Code="ResourceNotFound" Message="{words}"')
        return {"id": arm_id, **outputs_of(kind, arm_id, found["inputs"])}
    if token != "azure-native:authorization:getClientConfig":
        raise LookupError(f"the stand-in knows no function {token}")
    return {
        "subscriptionId": SUBSCRIPTION,
        "tenantId": TENANT,
        "objectId": DEPLOYER,
        "clientId": made_up_id(DEPLOYER, "client"),
    }
