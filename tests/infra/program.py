"""The program itself, for whoever is about to run it: Pulumi's SDK for Azure takes three seconds to load."""

import gc

from infra.environment import make_environment, program

__all__ = ["make_environment", "program"]

# loaded for good, see pytest_collection_finish
gc.collect()
gc.freeze()
