"""How pools, nodes, jobs and tasks look from outside: the JSON, field by field as recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.emulator.model import Failure, Job, Json, Node, Outcome, Pool, Task
from tests.emulator.scaling import run_json
from tests.emulator.states import TaskState
from tests.emulator.times import UNLIMITED, etag, parse_duration, timestamp
from tests.emulator.times import duration as duration_text
from tests.emulator.work import task_directory

if TYPE_CHECKING:
    from tests.emulator.model import StartTaskRun
    from tests.emulator.states import Stateful

DEFAULT_USER = {"autoUser": {"scope": "pool", "elevationLevel": "nonadmin"}}


def present(**values: Any) -> Json:
    """Return the values that there are."""
    return {name: value for name, value in values.items() if value is not None}


def moment(ticks: int | None) -> str | None:
    return None if ticks is None else timestamp(ticks)


def phase(thing: Stateful) -> Json:
    body: Json = {"state": str(thing.state), "stateTransitionTime": timestamp(thing.since)}
    if thing.previous is not None:
        body["previousState"] = str(thing.previous)
        body["previousStateTransitionTime"] = timestamp(thing.previous_since)
    return body


def pool_view(url: str, pool: Pool) -> Json:
    definition = dict(pool.definition)
    policy = definition.pop("taskSchedulingPolicy", None) or {}
    vm = definition.pop("virtualMachineConfiguration", None)
    return {
        "id": pool.id,
        **present(displayName=definition.pop("displayName", None)),
        "url": f"{url}/pools/{pool.id}",
        "eTag": etag(pool.modified),
        "lastModified": timestamp(pool.modified),
        "creationTime": timestamp(pool.created),
        "state": str(pool.state),
        "stateTransitionTime": timestamp(pool.since),
        "allocationState": str(pool.allocation.state),
        "allocationStateTransitionTime": timestamp(pool.allocation.since),
        "vmSize": str(definition.pop("vmSize", "")).lower(),
        "resizeTimeout": duration_text(pool.resize_timeout),
        "currentDedicatedNodes": sum(node.dedicated for node in pool.nodes.values()),
        "targetDedicatedNodes": pool.target_dedicated,
        "currentLowPriorityNodes": sum(not node.dedicated for node in pool.nodes.values()),
        "targetLowPriorityNodes": pool.target_low_priority,
        "enableAutoScale": pool.formula is not None,
        **autoscale_view(pool),
        "enableInterNodeCommunication": definition.pop("enableInterNodeCommunication", False),
        **present(
            startTask=start_task_view(definition.pop("startTask", None)),
            metadata=definition.pop("metadata", None),
            resizeErrors=pool.resize_errors or None,
        ),
        "taskSlotsPerNode": definition.pop("taskSlotsPerNode", 1),
        "taskSchedulingPolicy": {"nodeFillType": "spread", **policy},
        **present(virtualMachineConfiguration=vm, identity=identity_view(pool)),
        **definition,
    }


def autoscale_view(pool: Pool) -> Json:
    if pool.formula is None:
        return {}
    return present(
        autoScaleFormula=pool.formula,
        autoScaleEvaluationInterval=duration_text(pool.interval),
        autoScaleRun=run_json(pool.autoscale_run) if pool.autoscale_run else None,
    )


def identity_view(pool: Pool) -> Json | None:
    if not pool.identities:
        return None
    return {
        "type": "UserAssigned",
        "userAssignedIdentities": [{"resourceId": identity} for identity in pool.identities],
    }


def start_task_view(definition: Json | None) -> Json | None:
    if not definition:
        return None
    defaults = {"userIdentity": DEFAULT_USER, "maxTaskRetryCount": 0, "waitForSuccess": True}
    return {**defaults, **definition}


def node_view(url: str, node: Node) -> Json:
    pool = node.pool
    vm = pool.definition.get("virtualMachineConfiguration") or {}
    start_task = start_task_view(pool.definition.get("startTask"))
    return {
        "id": node.id,
        "url": node_url(url, node),
        "state": str(node.state),
        "schedulingState": "enabled" if node.scheduling else "disabled",
        "stateTransitionTime": timestamp(node.since),
        **present(lastBootTime=moment(node.booted)),
        "allocationTime": timestamp(node.allocated),
        "ipAddress": f"10.0.{(node.number + 4) // 256}.{(node.number + 4) % 256}",
        "affinityId": f"TVM:{node.id}",
        "vmSize": str(pool.definition.get("vmSize", "")).lower(),
        "totalTasksRun": node.tasks_run,
        "totalTasksSucceeded": node.tasks_succeeded,
        "runningTasksCount": len(node.runs),
        "runningTaskSlotsCount": node.used_slots,
        **present(
            recentTasks=[recent_view(url, task) for task in node.recent] or None,
            startTask=start_task,
            startTaskInfo=start_task_info(node.start_task) if node.start_task else None,
            errors=node.errors or None,
        ),
        "isDedicated": node.dedicated,
        "endpointConfiguration": {"inboundEndpoints": [endpoint(node)]},
        **present(nodeAgentInfo=agent_info(node)),
        "virtualMachineInfo": {"imageReference": vm.get("imageReference", {})},
    }


def agent_info(node: Node) -> Json | None:
    if node.booted is None:
        return None
    return {"lastUpdateTime": timestamp(node.booted), "version": "1.12.2"}


def endpoint(node: Node) -> Json:
    return {
        "name": "SSHRule.0",
        "protocol": "tcp",
        "publicIPAddress": "127.0.0.1",
        "publicFQDN": "localhost",
        "frontendPort": 50000 + node.number,
        "backendPort": 22,
    }


def node_url(url: str, node: Node) -> str:
    return f"{url}/pools/{node.pool.id}/nodes/{node.id}"


def recent_view(url: str, task: Task) -> Json:
    return {
        "taskUrl": task_url(url, task),
        "jobId": task.job.id,
        "taskId": task.id,
        "taskState": str(task.state),
        "executionInfo": execution_view(task),
    }


def start_task_info(info: StartTaskRun) -> Json:
    outcome = info.outcome or Outcome(exit_code=None)
    ended = info.state == "completed"
    return {
        "state": info.state,
        "startTime": timestamp(info.start),
        **present(
            endTime=moment(info.end),
            exitCode=outcome.exit_code,
            failureInfo=failure_view(outcome.failure),
        ),
        "retryCount": info.retries,
        **present(result=("failure" if outcome.failure else "success") if ended else None),
    }


def failure_view(failure: Failure | None) -> Json | None:
    if failure is None:
        return None
    return {
        "category": failure.category.lower(),
        "code": failure.code,
        "message": failure.message,
        "details": [{"name": name, "value": value} for name, value in failure.details],
    }


def job_view(url: str, job: Job) -> Json:
    definition = dict(job.definition)
    constraints = definition.pop("constraints", None) or {}
    limit = parse_duration(constraints.get("maxWallClockTime", UNLIMITED))
    execution = {"startTime": timestamp(job.started), **present(endTime=moment(job.ended))}
    execution |= present(
        poolId=job.pool_id,
        schedulingError=job.scheduling_error,
        terminateReason=job.terminate_reason,
    )
    body = {
        "id": job.id,
        **present(displayName=definition.pop("displayName", None)),
        "url": f"{url}/jobs/{job.id}",
        "eTag": etag(job.modified),
        "lastModified": timestamp(job.modified),
        "creationTime": timestamp(job.created),
        **phase(job),
        "priority": definition.pop("priority"),
        "maxParallelTasks": definition.pop("maxParallelTasks"),
        "usesTaskDependencies": definition.pop("usesTaskDependencies", False),
        "allowTaskPreemption": definition.pop("allowTaskPreemption"),
        "constraints": {
            "maxWallClockTime": duration_text(limit),
            "maxTaskRetryCount": constraints.get("maxTaskRetryCount", 0),
        },
        "poolInfo": definition.pop("poolInfo"),
        "executionInfo": execution,
        "onAllTasksComplete": definition.pop("onAllTasksComplete").lower(),
        "onTaskFailure": definition.pop("onTaskFailure").lower(),
    }
    return {**body, **without(definition, body)}


def without(definition: Json, taken: Json) -> Json:
    return {k: v for k, v in definition.items() if k not in taken and k != "id"}


def task_url(url: str, task: Task) -> str:
    return f"{url}/jobs/{task.job.id}/tasks/{task.id}"


def execution_view(task: Task) -> Json:
    ended = task.state == TaskState.COMPLETED
    return {
        **present(
            startTime=moment(task.start),
            endTime=moment(task.end if ended else None),
            exitCode=task.exit_code if ended else None,
            result=task.result,
            failureInfo=failure_view(task.failure),
        ),
        "retryCount": task.retries,
        **present(lastRetryTime=moment(task.retried)),
        "requeueCount": task.requeues,
    }


def task_view(url: str, task: Task) -> Json:
    definition = task.read()
    brief = task_brief(url, task)
    constraints = definition.get("constraints") or {}
    limit = parse_duration(constraints.get("maxWallClockTime", UNLIMITED))
    kept = parse_duration(constraints.get("retentionTime", "P7D"))
    middle = {
        "commandLine": definition["commandLine"],
        **{name: definition[name] for name in FILES_AND_SETTINGS if name in definition},
        "userIdentity": definition.get("userIdentity", DEFAULT_USER),
        "constraints": {
            "maxWallClockTime": duration_text(limit),
            "retentionTime": duration_text(kept),
            "maxTaskRetryCount": task.max_retries,
        },
        "requiredSlots": task.slots,
    }
    last: Json = {name: brief.pop(name) for name in ("executionInfo", "nodeInfo") if name in brief}
    shown = {**brief, **middle}
    return {**shown, **without(definition, shown), **last}


FILES_AND_SETTINGS = ("resourceFiles", "outputFiles", "environmentSettings")
BRIEF = frozenset(
    [
        "id",
        "url",
        "eTag",
        "creationTime",
        "lastModified",
        "state",
        "stateTransitionTime",
        "previousState",
        "previousStateTransitionTime",
        "executionInfo",
        "nodeInfo",
    ]
)
"""What of a task can be told without its definition."""


def task_brief(url: str, task: Task) -> Json:
    """Show a task's progress only: a tenth of the cost of the whole."""
    return {
        "id": task.id,
        "url": task_url(url, task),
        "eTag": etag(task.modified),
        "creationTime": timestamp(task.created),
        "lastModified": timestamp(task.modified),
        **phase(task),
        "executionInfo": execution_view(task),
        **present(nodeInfo=node_info(url, task)),
    }


def node_info(url: str, task: Task) -> Json | None:
    node = task.node
    if node is None or task.state == TaskState.ACTIVE:
        return None
    root = task_directory(task)
    return {
        "affinityId": f"TVM:{node.id}",
        "nodeUrl": node_url(url, node),
        "poolId": node.pool.id,
        "nodeId": node.id,
        "taskRootDirectory": root,
        "taskRootDirectoryUrl": f"{node_url(url, node)}/files/{root}",
    }
