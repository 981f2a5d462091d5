"""What Pulumi runs."""

from infra.environment import program

program()
