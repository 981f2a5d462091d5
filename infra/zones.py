"""Private DNS zones, by Private Link's name of the target. Pure."""

from collections.abc import Mapping

ZONES: Mapping[str, str] = {
    "blob": "privatelink.blob.core.windows.net",
    "vault": "privatelink.vaultcore.azure.net",
    "batchAccount": "privatelink.batch.azure.com",
    "nodeManagement": "privatelink.batch.azure.com",
}
"""Microsoft's recommended zones (https://learn.microsoft.com/azure/private-link/private-endpoint-dns).
Batch has one for both targets, without the region in its name."""
