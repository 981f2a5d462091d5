"""Tests, and the equipment they run on."""
