"""Convert on Azure Batch. Only this package imports the Azure SDKs."""
