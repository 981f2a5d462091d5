"""The program that Pulumi runs."""

from infra.environment import program

program()
