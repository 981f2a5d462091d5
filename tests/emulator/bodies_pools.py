"""The bodies of requests about pools and nodes."""

from __future__ import annotations

from typing import Any

from tests.emulator.bodies import (
    _OLD_POOL,
    _POOL_BODY,
    _SCALE,
    DEALLOCATION,
    METADATA,
    PACKAGES,
    START_TASK,
)
from tests.emulator.checks import (
    Shape,
    anything,
    between,
    boolean,
    duration,
    filled,
    identifier,
    list_of,
    one_of,
    text,
    text_up_to,
)
from tests.emulator.errors import BatchError, invalid_property
from tests.emulator.machines import vcpus_of


def check_machine(body: dict[str, Any]) -> None:
    """Refuse a size that does not exist, and more slots than its cores allow."""
    cores = vcpus_of(body["vmSize"])
    if cores is None:
        raise invalid_property("vmSize", body["vmSize"], "there is no such size")
    slots, most = body.get("taskSlotsPerNode", 1), min(4 * cores, 256)
    if slots > most:
        raise invalid_property("taskSlotsPerNode", slots, f"at most {most} on {body['vmSize']}")


def check_new_pool(body: dict[str, Any]) -> None:
    if not body.get("virtualMachineConfiguration"):
        raise BatchError("MissingRequiredProperty", {"PropertyName": "virtualMachineConfiguration"})
    check_machine(body)
    fixed = [
        n for n in ("targetDedicatedNodes", "targetLowPriorityNodes", "resizeTimeout") if n in body
    ]
    if body.get("enableAutoScale") and fixed:
        raise invalid_property(fixed[0], body[fixed[0]], "cannot go with enableAutoScale")
    if not body.get("enableAutoScale") and body.get("autoScaleFormula"):
        raise invalid_property("autoScaleFormula", "", "needs enableAutoScale")


POOL_ADD = Shape({"id": identifier, "vmSize": filled}, {**_POOL_BODY, **_SCALE}, check_new_pool)
POOL_ADD_OLD = Shape(POOL_ADD.required, {**POOL_ADD.optional, **_OLD_POOL}, check_new_pool)
POOL_PATCH = Shape({}, {**_POOL_BODY, **_OLD_POOL, "vmSize": filled})
POOL_REPLACE = Shape(
    {},
    {
        "startTask": START_TASK,
        "applicationPackageReferences": PACKAGES,
        "metadata": METADATA,
        "certificateReferences": anything,
        "targetNodeCommunicationMode": anything,
    },
)
POOL_RESIZE = Shape(
    {},
    {
        "targetDedicatedNodes": between(0, 2**31 - 1),
        "targetLowPriorityNodes": between(0, 2**31 - 1),
        "resizeTimeout": duration,
        "nodeDeallocationOption": DEALLOCATION,
    },
)
ENABLE_AUTOSCALE = Shape({}, {"autoScaleFormula": text, "autoScaleEvaluationInterval": duration})
EVALUATE_AUTOSCALE = Shape({"autoScaleFormula": text})
REMOVE_NODES = Shape(
    {"nodeList": list_of(text, at_most=100)},
    {"resizeTimeout": duration, "nodeDeallocationOption": DEALLOCATION},
)
REBOOT = Shape({}, {"nodeRebootOption": DEALLOCATION})
REIMAGE = Shape({}, {"nodeReimageOption": DEALLOCATION})
DEALLOCATE = Shape({}, {"nodeDeallocateOption": DEALLOCATION})
DISABLE_SCHEDULING = Shape(
    {}, {"nodeDisableSchedulingOption": one_of("requeue", "terminate", "taskcompletion")}
)

AUTO_POOL = Shape(
    {"poolLifetimeOption": one_of("job", "jobschedule")},
    {
        "autoPoolIdPrefix": text_up_to(20),
        "keepAlive": boolean,
        "pool": Shape({"vmSize": filled}, {**_POOL_BODY, **_SCALE, **_OLD_POOL}, check_new_pool),
    },
)
