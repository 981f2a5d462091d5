"""A stand-in for the azure-native provider, behaving like Azure where a deployment can fail."""
