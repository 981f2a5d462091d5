"""Tests of the environment: under mocks, and with Pulumi's own engine."""
