"""What somebody else has made before, as it should be."""

from typing import Any

from tests.infra.provider.kinds import BATCH_SERVICE, SUBSCRIPTION, TENANT
from tests.infra.provider.store import Store

GROUP_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/existing"
STORAGE = f"{GROUP_ID}/providers/Microsoft.Storage/storageAccounts/media"
VAULT = f"{GROUP_ID}/providers/Microsoft.KeyVault/vaults/secrets"
ACCOUNT = f"{GROUP_ID}/providers/Microsoft.Batch/batchAccounts/shared"
IDENTITY = f"{GROUP_ID}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/nodes"
CONTAINERS = [f"{STORAGE}/blobServices/default/containers/{name}" for name in ("films", "mp3")]
OTHER_IDENTITY = f"{IDENTITY}-2"
ZONES = [
    f"{GROUP_ID}/providers/Microsoft.Network/privateDnsZones/{zone}"
    for zone in (
        "privatelink.blob.core.windows.net",
        "privatelink.vaultcore.azure.net",
        "privatelink.batch.azure.com",
    )
]
IN_GROUP = {"resourceGroupName": "existing", "location": "westeurope"}
EXISTING: dict[str, dict[str, Any]] = {
    STORAGE: {
        **IN_GROUP,
        "accountName": "media",
        "kind": "StorageV2",
        "sku": {"name": "Standard_RAGRS"},
        "accessTier": "Hot",
        "enableHttpsTrafficOnly": True,
        "minimumTlsVersion": "TLS1_2",
    },
    VAULT: {
        **IN_GROUP,
        "vaultName": "secrets",
        "properties": {
            "enabledForDeployment": True,
            "enabledForTemplateDeployment": True,
            "enableSoftDelete": True,
            "enableRbacAuthorization": False,
            "accessPolicies": [
                {
                    "tenantId": TENANT,
                    "objectId": BATCH_SERVICE,
                    "permissions": {"secrets": ["Get", "List", "Set", "Delete", "Recover"]},
                }
            ],
        },
    },
    ACCOUNT: {
        **IN_GROUP,
        "accountName": "shared",
        "poolAllocationMode": "UserSubscription",
        "allowedAuthenticationModes": ["AAD", "SharedKey"],
    },
    IDENTITY: {**IN_GROUP, "resourceName": "nodes"},
}
"""Inputs by id."""
TOKENS = {
    GROUP_ID: "resources:ResourceGroup",
    STORAGE: "storage:StorageAccount",
    **dict.fromkeys(CONTAINERS, "storage:BlobContainer"),
    VAULT: "keyvault:Vault",
    ACCOUNT: "batch:BatchAccount",
    IDENTITY: "managedidentity:UserAssignedIdentity",
    OTHER_IDENTITY: "managedidentity:UserAssignedIdentity",
    **dict.fromkeys(ZONES, "privatedns:PrivateZone"),
}


def put_existing(store: Store) -> None:
    """Put all of it into the stand-in's Azure."""
    with store.open() as world:
        for arm_id, token in TOKENS.items():
            world.resources[arm_id.lower()] = {
                "token": f"azure-native:{token}",
                "id": arm_id,
                "inputs": EXISTING.get(arm_id, IN_GROUP),
            }
