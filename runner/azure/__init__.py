"""Convert on Azure Batch. The only importer of the Azure SDKs."""
