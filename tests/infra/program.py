"""The program itself, for whoever is about to run it: Pulumi's SDK for Azure takes three seconds to load."""

import gc
from typing import Any

import pulumi.log
import pulumi.resource
import pulumi.runtime.resource
from pulumi.runtime.proto.source_pb2 import StackTrace
from pulumi.runtime.resource import collapse_alias_to_urn

from infra.environment import make_environment, program

__all__ = ["make_environment", "program"]


def _collapse(alias: Any, name: str, kind: str, parent: Any) -> Any:
    if kind.startswith("azure-native:"):
        return alias
    return collapse_alias_to_urn(alias, name, kind, parent)


_prepare_aliases = pulumi.runtime.resource.prepare_aliases
_ALIASES: dict[str, list[Any]] = {}


async def _prepare_once(resource: Any, options: Any, specs: bool) -> list[Any]:
    kind = resource._type
    if not kind.startswith("azure-native:"):
        return await _prepare_aliases(resource, options, specs)
    if kind not in _ALIASES:
        _ALIASES[kind] = await _prepare_aliases(resource, options, specs)
    return _ALIASES[kind]


# The SDK knows each resource of Azure by some twenty older API versions too, its aliases. The engine is told
# of them, which are the same for each of its kind, and besides a URN is made of each for the resource's
# children, of which none has any. That takes three quarters of the program's time.
pulumi.resource.collapse_alias_to_urn = _collapse  # type: ignore[attr-defined,assignment] # it imports that
pulumi.runtime.resource.prepare_aliases = _prepare_once  # type: ignore[assignment] # names differ
# The lines of the program that made each resource, which only Pulumi Cloud shows: a fifth of what is left.
pulumi.runtime.resource._get_stack_trace = StackTrace  # without any frame
# And what it tells for debugging, by a call to the engine each time, which nobody is shown: another quarter.
pulumi.log.debug = lambda *_what, **_of: None

# loaded for good, see pytest_collection_finish
gc.collect()
gc.freeze()
