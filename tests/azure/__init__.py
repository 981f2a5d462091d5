"""The Azure engine against the Batch emulator and Azurite, over HTTPS with tokens."""
