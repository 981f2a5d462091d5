"""The program that Pulumi runs."""

import gc

gc.disable()  # while Pulumi's SDK for Azure loads, none of which is garbage: a quarter of that time

from infra.environment import program  # noqa: E402 - as said

gc.freeze()
gc.enable()
program()
