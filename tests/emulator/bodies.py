"""The parts of request bodies that several requests share: the service's models as tables."""

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
    list_of,
    matching,
    one_of,
    text,
    text_up_to,
)
from tests.emulator.errors import BatchError, invalid_property

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
