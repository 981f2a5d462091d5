"""What the tests of the whole loop share."""

from tests.infra.conftest import pulumi

__all__ = ["pulumi"]
