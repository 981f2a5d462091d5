"""Pools as Azure Resource Manager has them, translated into those of the data plane. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.emulator.errors import BatchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.emulator.model import Json

SAME = (
    "displayName",
    "startTask",
    "metadata",
    "taskSlotsPerNode",
    "taskSchedulingPolicy",
    "networkConfiguration",
    "userAccounts",
    "mountConfiguration",
    "upgradePolicy",
    "applicationPackages",
)
"""Properties that both planes call the same."""


def definition_of(name: str, resource: Mapping[str, Any]) -> Json:
    """Return the data plane's definition of a pool resource.

    *resource* is a whole resource with ``properties``, or the properties themselves.

    Raises:
        BatchError: It has no size.
    """
    properties = resource.get("properties") or resource
    if not properties.get("vmSize"):
        raise BatchError("MissingRequiredProperty", {"PropertyName": "vmSize"})
    definition: Json = {"id": name, "vmSize": properties["vmSize"]}
    definition |= {n: properties[n] for n in SAME if properties.get(n) is not None}
    if machine := (properties.get("deploymentConfiguration") or {}).get(
        "virtualMachineConfiguration"
    ):
        agent = machine.get("nodeAgentSkuId") or machine.get("nodeAgentSKUId")
        rest = {k: v for k, v in machine.items() if k.lower() != "nodeagentskuid"}
        image = dict(machine.get("imageReference") or {})
        if "id" in image:
            image["virtualMachineImageId"] = image.pop("id")
        rest["imageReference"] = image
        definition["virtualMachineConfiguration"] = {**rest, "nodeAgentSKUId": agent}
    mode = str(properties.get("interNodeCommunication", "Disabled")).lower()
    definition["enableInterNodeCommunication"] = mode == "enabled"
    definition |= scale_of(properties.get("scaleSettings") or {})
    lowered: Json = lower_enums(definition)
    return lowered


def scale_of(settings: Mapping[str, Any]) -> Json:
    if automatic := settings.get("autoScale"):
        scale = {"enableAutoScale": True, "autoScaleFormula": automatic["formula"]}
        if interval := automatic.get("evaluationInterval"):
            scale["autoScaleEvaluationInterval"] = interval
        return scale
    names = ("targetDedicatedNodes", "targetLowPriorityNodes", "resizeTimeout")
    fixed = settings.get("fixedScale") or {}
    return {n: fixed[n] for n in (*names, "nodeDeallocationOption") if fixed.get(n) is not None}


ENUMS = frozenset({"elevationLevel", "scope", "nodeFillType", "nodeDeallocationOption"})
"""What ARM writes in PascalCase."""


def lower_enums(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {k: lower_enums(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [lower_enums(item) for item in value]
    return value.lower() if name in ENUMS and isinstance(value, str) else value


def identities_of(resource: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the ARM ids of the user-assigned identities, however they are written."""
    identity = resource.get("identity") or {}
    assigned: Iterable[str] = identity.get("userAssignedIdentities") or ()
    return tuple(assigned)
