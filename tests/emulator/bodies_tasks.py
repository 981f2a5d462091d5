"""The bodies of requests about tasks."""

from __future__ import annotations

from typing import Any

from tests.emulator.bodies import (
    DISPLAY_NAME,
    MAX_DEPENDENCIES,
    OUTPUT_FILES,
    PACKAGES,
    SETTINGS,
    TASK_CONSTRAINTS,
    USER_IDENTITY,
    resource_files,
)
from tests.emulator.checks import (
    Shape,
    an_object,
    anything,
    between,
    filled,
    identifier,
    integer,
    list_of,
    one_of,
    text,
)
from tests.emulator.errors import BatchError, invalid_property

EXIT_OPTIONS = Shape(
    {},
    {
        "jobAction": one_of("none", "disable", "terminate"),
        "dependencyAction": one_of("satisfy", "block"),
    },
)


def check_range(body: dict[str, Any]) -> None:
    if body["start"] > body["end"]:
        raise invalid_property("start", body["start"], f"not after the end, {body['end']}")


COUNT = between(0, 2**31 - 1)
EXIT_CONDITIONS = Shape(
    {},
    {
        "exitCodes": list_of(Shape({"code": integer, "exitOptions": EXIT_OPTIONS})),
        "exitCodeRanges": list_of(
            Shape({"start": integer, "end": integer, "exitOptions": EXIT_OPTIONS}, {}, check_range)
        ),
        "preProcessingError": EXIT_OPTIONS,
        "fileUploadError": EXIT_OPTIONS,
        "default": EXIT_OPTIONS,
    },
)


def task_ids(name: str, value: Any) -> list[str]:
    ids: list[str] = list_of(text)(name, value)
    if sum(map(len, ids)) > MAX_DEPENDENCIES:
        raise BatchError("TaskDependencyListTooLong")
    return ids


DEPENDS_ON = Shape(
    {},
    {
        "taskIds": task_ids,
        "taskIdRanges": list_of(Shape({"start": COUNT, "end": COUNT}, {}, check_range)),
    },
)
TASK_ADD = Shape(
    {"id": identifier, "commandLine": filled},
    {
        "displayName": DISPLAY_NAME,
        "containerSettings": an_object,
        "exitConditions": EXIT_CONDITIONS,
        "resourceFiles": resource_files,
        "outputFiles": OUTPUT_FILES,
        "environmentSettings": SETTINGS,
        "affinityInfo": Shape({"affinityId": text}),
        "constraints": TASK_CONSTRAINTS,
        "requiredSlots": between(1, 256),
        "userIdentity": USER_IDENTITY,
        "multiInstanceSettings": an_object,
        "dependsOn": DEPENDS_ON,
        "applicationPackageReferences": PACKAGES,
        "authenticationTokenSettings": anything,
    },
)
TASK_COLLECTION = Shape({"value": list_of(an_object)})
_READ_ONLY_TASK = [
    "id",
    "displayName",
    "url",
    "eTag",
    "lastModified",
    "creationTime",
    "exitConditions",
    "state",
    "stateTransitionTime",
    "previousState",
    "previousStateTransitionTime",
    "commandLine",
    "containerSettings",
    "resourceFiles",
    "outputFiles",
    "environmentSettings",
    "affinityInfo",
    "requiredSlots",
    "userIdentity",
    "executionInfo",
    "nodeInfo",
    "multiInstanceSettings",
    "stats",
    "dependsOn",
    "applicationPackageReferences",
    "authenticationTokenSettings",
    "odata.metadata",
]
TASK_PUT = Shape({}, {"constraints": TASK_CONSTRAINTS, **dict.fromkeys(_READ_ONLY_TASK, anything)})
