"""What each request body may hold: the service's models as tables."""

from __future__ import annotations

import json
from typing import Any

from tests.emulator.checks import (
    Check,
    Shape,
    address,
    an_object,
    anything,
    between,
    boolean,
    duration,
    exactly_one,
    filled,
    identifier,
    integer,
    list_of,
    matching,
    one_of,
    text,
    text_up_to,
)
from tests.emulator.errors import BatchError, invalid_property
from tests.emulator.machines import vcpus_of

MAX_RESOURCE_FILES = 32_768
"""Characters of JSON."""
MAX_DEPENDENCIES = 64_000
"""Characters of all the task ids."""

NAME_VALUE = Shape({"name": filled}, {"value": text})
SETTINGS = list_of(NAME_VALUE)
METADATA = list_of(Shape({"name": text, "value": text}))
IDENTITY = Shape(
    {},
    {
        "resourceId": matching(
            r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.ManagedIdentity"
            r"/userAssignedIdentities/[^/]+|/\w+",  # the short ones are tests' own
            "a user-assigned identity's id",
        )
    },
)
DISPLAY_NAME = text_up_to(1024)
DEALLOCATION = one_of("requeue", "terminate", "taskcompletion", "retaineddata")
RETRIES = between(-1, 2**31 - 1)


def check_resource_file(body: dict[str, Any]) -> None:
    sources = ("httpUrl", "storageContainerUrl", "autoStorageContainerName")
    exactly_one(body, sources, "resourceFiles")
    path = body.get("filePath")
    if body.get("httpUrl") and not path:
        raise BatchError("MissingRequiredProperty", {"PropertyName": "filePath"})
    if path and (".." in path.split("/") or path.startswith("/")):
        raise invalid_property("filePath", path, "must stay below the working directory")
    if body.get("httpUrl") and body.get("blobPrefix"):
        raise invalid_property("blobPrefix", body["blobPrefix"], "is for containers only")
    if body.get("autoStorageContainerName") and body.get("identityReference"):
        raise invalid_property("identityReference", "", "auto-storage has an identity of its own")


RESOURCE_FILE = Shape(
    {},
    {
        "autoStorageContainerName": text,
        "storageContainerUrl": address,
        "httpUrl": address,
        "blobPrefix": text,
        "filePath": text,
        "fileMode": matching(r"0?[0-7]{3,4}", "an octal mode"),
        "identityReference": IDENTITY,
    },
    check_resource_file,
)


def resource_files(name: str, value: Any) -> list[Any]:
    files: list[Any] = list_of(RESOURCE_FILE)(name, value)
    if len(json.dumps(files, separators=(",", ":"))) > MAX_RESOURCE_FILES:
        reason = f"Total size of resourceFiles cannot be more than {MAX_RESOURCE_FILES} characters"
        raise invalid_property("resourceFiles", "", reason)
    return files


OUTPUT_FILES = list_of(
    Shape(
        {
            "filePattern": filled,
            "destination": Shape(
                {
                    "container": Shape(
                        {"containerUrl": address},
                        {"path": text, "identityReference": IDENTITY, "uploadHeaders": SETTINGS},
                    )
                }
            ),
            "uploadOptions": Shape(
                {"uploadCondition": one_of("tasksuccess", "taskfailure", "taskcompletion")}
            ),
        }
    )
)


def check_user(body: dict[str, Any]) -> None:
    exactly_one(body, ("username", "autoUser"), "userIdentity")


USER_IDENTITY = Shape(
    {},
    {
        "username": text_up_to(20),
        "autoUser": Shape(
            {}, {"scope": one_of("task", "pool"), "elevationLevel": one_of("nonadmin", "admin")}
        ),
    },
    check_user,
)
START_TASK = Shape(
    {"commandLine": filled},
    {
        "containerSettings": an_object,
        "resourceFiles": resource_files,
        "environmentSettings": SETTINGS,
        "userIdentity": USER_IDENTITY,
        "maxTaskRetryCount": RETRIES,
        "waitForSuccess": boolean,
    },
)
TASK_CONSTRAINTS = Shape(
    {}, {"maxWallClockTime": duration, "retentionTime": duration, "maxTaskRetryCount": RETRIES}
)
PACKAGES = list_of(Shape({"applicationId": text}, {"version": text}))

IMAGE = Shape(
    {},
    dict.fromkeys(
        [
            "publisher",
            "offer",
            "sku",
            "version",
            "exactVersion",
            "virtualMachineImageId",
            "sharedGalleryImageId",
            "communityGalleryImageId",
        ],
        text,
    ),
)
VM_CONFIGURATION = Shape(
    {
        "imageReference": IMAGE,
        "nodeAgentSKUId": matching(r"batch\.node\.\S.*", "a node agent's SKU"),
    },
    dict.fromkeys(
        [
            "windowsConfiguration",
            "dataDisks",
            "licenseType",
            "containerConfiguration",
            "diskEncryptionConfiguration",
            "nodePlacementConfiguration",
            "extensions",
            "osDisk",
            "securityProfile",
            "serviceArtifactReference",
        ],
        anything,
    ),
)
_SCALE: dict[str, Check] = {
    "resizeTimeout": duration,
    "targetDedicatedNodes": between(0, 2**31 - 1),
    "targetLowPriorityNodes": between(0, 2**31 - 1),
    "enableAutoScale": boolean,
    "autoScaleFormula": text,
    "autoScaleEvaluationInterval": duration,
}
NETWORK = Shape(
    {},
    {
        "subnetId": filled,
        "dynamicVNetAssignmentScope": one_of("none", "job"),
        "endpointConfiguration": Shape({"inboundNATPools": list_of(an_object, at_most=5)}),
        "publicIPAddressConfiguration": an_object,
        "enableAcceleratedNetworking": boolean,
    },
)
USER_ACCOUNT = Shape(
    {"name": text_up_to(20), "password": filled},
    {
        "elevationLevel": one_of("nonadmin", "admin"),
        "linuxUserConfiguration": an_object,
        "windowsUserConfiguration": an_object,
    },
)
MOUNT = Shape(
    {},
    dict.fromkeys(
        [
            "azureBlobFileSystemConfiguration",
            "azureFileShareConfiguration",
            "cifsMountConfiguration",
            "nfsMountConfiguration",
        ],
        an_object,
    ),
)
_POOL_BODY: dict[str, Check] = {
    "displayName": DISPLAY_NAME,
    "virtualMachineConfiguration": VM_CONFIGURATION,
    "enableInterNodeCommunication": boolean,
    "networkConfiguration": NETWORK,
    "startTask": START_TASK,
    "applicationPackageReferences": PACKAGES,
    "taskSlotsPerNode": between(1, 256),
    "taskSchedulingPolicy": Shape(
        {},
        {
            "nodeFillType": one_of("spread", "pack"),
            "jobDefaultOrder": one_of("none", "creationtime"),
        },
    ),
    "userAccounts": list_of(USER_ACCOUNT),
    "metadata": METADATA,
    "mountConfiguration": list_of(MOUNT, at_most=10),
    "upgradePolicy": an_object,
}
_OLD_POOL: dict[str, Check] = dict.fromkeys(
    ["certificateReferences", "applicationLicenses", "targetNodeCommunicationMode", "resourceTags"],
    anything,
)
"""What clients of earlier versions of the API send, and 2025-06-01 does not know."""


def check_machine(body: dict[str, Any]) -> None:
    """Refuse a size that there is not, and more slots than its cores bear."""
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


def check_pool_info(body: dict[str, Any]) -> None:
    exactly_one(body, ("poolId", "autoPoolSpecification"), "poolInfo")


POOL_INFO = Shape({}, {"poolId": identifier, "autoPoolSpecification": AUTO_POOL}, check_pool_info)
JOB_CONSTRAINTS = Shape({}, {"maxWallClockTime": duration, "maxTaskRetryCount": RETRIES})
_JOB_TASK: dict[str, Check] = {
    "id": identifier,
    "containerSettings": an_object,
    "resourceFiles": resource_files,
    "environmentSettings": SETTINGS,
    "constraints": TASK_CONSTRAINTS,
    "userIdentity": USER_IDENTITY,
}
PREPARATION_TASK = Shape(
    {"commandLine": filled},
    {**_JOB_TASK, "waitForSuccess": boolean, "rerunOnNodeRebootAfterSuccess": boolean},
)
RELEASE_TASK = Shape(
    {"commandLine": filled},
    {
        **{name: check for name, check in _JOB_TASK.items() if name != "constraints"},
        "maxWallClockTime": duration,
        "retentionTime": duration,
    },
)
ALL_COMPLETE = one_of("noaction", "terminatejob")


def parallel(name: str, value: Any) -> Any:
    """Take -1 for no bound, or at least one."""
    if integer(name, value) == 0:
        raise invalid_property(name, value, "-1, or at least 1")
    return between(-1, 2**31 - 1)(name, value)


_JOB_CHANGEABLE: dict[str, Check] = {
    "priority": between(-1000, 1000),
    "maxParallelTasks": parallel,
    "allowTaskPreemption": boolean,
    "constraints": JOB_CONSTRAINTS,
    "onAllTasksComplete": ALL_COMPLETE,
    "metadata": METADATA,
}
JOB_NETWORK = Shape({"subnetId": filled}, {"skipWithdrawFromVNet": boolean})
JOB_ADD = Shape(
    {"id": identifier, "poolInfo": POOL_INFO},
    {
        **_JOB_CHANGEABLE,
        "displayName": DISPLAY_NAME,
        "usesTaskDependencies": boolean,
        "jobManagerTask": an_object,
        "jobPreparationTask": PREPARATION_TASK,
        "jobReleaseTask": RELEASE_TASK,
        "commonEnvironmentSettings": SETTINGS,
        "onTaskFailure": one_of("noaction", "performexitoptionsjobaction"),
        "networkConfiguration": JOB_NETWORK,
    },
)
JOB_PATCH = Shape(
    {}, {**_JOB_CHANGEABLE, "poolInfo": POOL_INFO, "networkConfiguration": JOB_NETWORK}
)
_READ_ONLY_JOB = [
    "id",
    "displayName",
    "usesTaskDependencies",
    "url",
    "eTag",
    "lastModified",
    "creationTime",
    "state",
    "stateTransitionTime",
    "previousState",
    "previousStateTransitionTime",
    "executionInfo",
    "stats",
    "jobManagerTask",
    "jobPreparationTask",
    "jobReleaseTask",
    "commonEnvironmentSettings",
    "onTaskFailure",
    "odata.metadata",
]
JOB_PUT = Shape(
    {"poolInfo": POOL_INFO},
    {**JOB_PATCH.optional, **dict.fromkeys(_READ_ONLY_JOB, anything)},
)
"""A whole job may be sent back as it was read; what cannot be changed is not looked at."""
JOB_DISABLE = Shape({"disableTasks": one_of("requeue", "terminate", "wait")})
JOB_TERMINATE = Shape({}, {"terminateReason": text})

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

LEFT_OUT = (
    "containerSettings",
    "multiInstanceSettings",
    "applicationPackageReferences",
    "jobManagerTask",
)
"""Properties that would need what the emulator does not have."""


def refuse_left_out(body: dict[str, Any]) -> None:
    """Answer 501 rather than pretend."""
    for name in LEFT_OUT:
        if body.get(name):
            raise BatchError("NotImplemented", {"PropertyName": name})
