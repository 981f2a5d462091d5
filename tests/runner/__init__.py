"""Tests of the runner on this machine."""
