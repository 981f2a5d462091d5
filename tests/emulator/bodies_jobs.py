"""The bodies of requests about jobs."""

from __future__ import annotations

from typing import Any

from tests.emulator.bodies import (
    DISPLAY_NAME,
    METADATA,
    RETRIES,
    SETTINGS,
    TASK_CONSTRAINTS,
    USER_IDENTITY,
    resource_files,
)
from tests.emulator.bodies_pools import AUTO_POOL
from tests.emulator.checks import (
    Check,
    Shape,
    an_object,
    anything,
    between,
    boolean,
    duration,
    exactly_one,
    filled,
    identifier,
    integer,
    one_of,
    text,
)
from tests.emulator.errors import invalid_property


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
"""A whole job may be sent back as it was read; properties that cannot be changed are ignored."""
JOB_DISABLE = Shape({"disableTasks": one_of("requeue", "terminate", "wait")})
JOB_TERMINATE = Shape({}, {"terminateReason": text})
