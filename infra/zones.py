"""Private DNS zones, by Private Link's names of what has its address there. Pure."""

from collections.abc import Mapping

ZONES: Mapping[str, str] = {
    "blob": "privatelink.blob.core.windows.net",
    "vault": "privatelink.vaultcore.azure.net",
    "batchAccount": "privatelink.batch.azure.com",
    "nodeManagement": "privatelink.batch.azure.com",
}
"""Microsoft's recommended zones. Batch's has one for both ways in, and no region in its name."""
