"""The operations on tasks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tests.emulator import bodies, bodies_tasks, jobs, tasks, views
from tests.emulator.errors import BatchError, invalid_property
from tests.emulator.operations import Answer, Call, Routes, created, done, entity, listing
from tests.emulator.times import etag, timestamp
from tests.emulator.wire import error_body

if TYPE_CHECKING:
    from tests.emulator.model import Job, Json, Task

routes = Routes()

LARGEST_COLLECTION = 100

FIELDS = {
    "id": lambda task: task.id,
    "displayName": lambda task: task.read().get("displayName"),
    "state": lambda task: str(task.state),
    "previousState": lambda task: task.previous and str(task.previous),
    "creationTime": lambda task: task.created,
    "lastModified": lambda task: task.modified,
    "stateTransitionTime": lambda task: task.since,
    "previousStateTransitionTime": lambda task: task.previous_since or None,
    "executionInfo/exitCode": lambda task: task.exit_code,
    "executionInfo/result": lambda task: task.result,
    "executionInfo/retryCount": lambda task: task.retries,
    "executionInfo/requeueCount": lambda task: task.requeues,
    "executionInfo/startTime": lambda task: task.start,
    "executionInfo/endTime": lambda task: task.end,
    "executionInfo/failureInfo/code": lambda task: task.failure and task.failure.code,
    "executionInfo/failureInfo/category": lambda task: (
        task.failure and task.failure.category.lower()
    ),
    "nodeInfo/nodeId": lambda task: task.node and task.node.id,
    "nodeInfo/poolId": lambda task: task.node and task.node.pool.id,
}


def add_checked(call: Call, job: Job, definition: Json) -> Task:
    bodies.refuse_left_out(definition)
    jobs.check_exit_actions(job, definition)
    return tasks.add(call.account, job, definition)


@routes.add("POST", "/jobs/{job}/tasks", 201, bodies_tasks.TASK_ADD)
def create_task(call: Call, job: str) -> Answer:
    task = add_checked(call, call.account.job(job), call.body)
    return created(views.task_url(call.url, task), task.modified)


@routes.add("POST", "/jobs/{job}/addtaskcollection", 200, bodies_tasks.TASK_COLLECTION)
def create_task_collection(call: Call, job: str) -> Answer:
    found = call.account.job(job)
    given = call.body["value"]
    if len(given) > LARGEST_COLLECTION:
        raise invalid_property("value", len(given), f"at most {LARGEST_COLLECTION} tasks")
    tasks.refuse_closed(found)
    # one malformed task refuses the whole request
    definitions = [bodies_tasks.TASK_ADD("value", each) for each in given]
    results = [add_one(call, found, definition) for definition in definitions]
    if call.account.faults.take("shuffle", "create_task_collection"):
        results = call.account.faults.shuffled(results)
    return Answer(body={"odata.metadata": f"{call.metadata}taskaddresult", "value": results})


def add_one(call: Call, job: Job, definition: Json) -> Json:
    """Add one task of a collection, and say how that went."""
    try:
        inject(call, definition["id"])
        task = add_checked(call, job, definition)
    except BatchError as error:
        return refused(call, definition, error)
    return {
        "status": "success",
        "taskId": task.id,
        "eTag": etag(task.modified),
        "lastModified": timestamp(task.modified),
        "location": views.task_url(call.url, task),
    }


def inject(call: Call, task_id: str) -> None:
    fault = call.account.faults.take("add_task", task_id)
    if fault is not None:
        raise BatchError(fault.code or "ServerBusy", status=fault.status)


def refused(call: Call, definition: Json, error: BatchError) -> Json:
    described = error_body(error, call.account.now())
    status = "clienterror" if error.status < 500 else "servererror"
    return {"status": status, "taskId": definition["id"], "error": described}


@routes.add("GET", "/jobs/{job}/tasks")
def list_tasks(call: Call, job: str) -> Answer:
    found = call.account.job(job).order
    tops = {name.partition("/")[0] for name in call.wanted}
    shown = views.task_brief if tops and tops <= views.BRIEF else views.task_view
    return listing(
        call, found, partial(shown, call.url), fragment="tasks", fields=FIELDS, order=order
    )


def order(task: Task) -> int:
    return task.number


def view(call: Call, task: Task) -> Json:
    return views.task_view(call.url, task)


@routes.add("GET", "/jobs/{job}/tasks/{task}")
def get_task(call: Call, job: str, task: str) -> Answer:
    found = call.account.task(job, task)
    call.expect(found.modified, read=True)
    return entity(call, view(call, found), "tasks", found.modified)


@routes.add("PUT", "/jobs/{job}/tasks/{task}", 200, bodies_tasks.TASK_PUT)
def replace_task(call: Call, job: str, task: str) -> Answer:
    found = call.account.task(job, task)
    call.expect(found.modified)
    tasks.replace(call.account, found, call.body.get("constraints") or {})
    return done(call, found.modified)


@routes.add("DELETE", "/jobs/{job}/tasks/{task}")
def delete_task(call: Call, job: str, task: str) -> Answer:
    found = call.account.task(job, task)
    call.expect(found.modified)
    tasks.delete(call.account, found)
    return Answer()


@routes.add("POST", "/jobs/{job}/tasks/{task}/terminate", 204)
def terminate_task(call: Call, job: str, task: str) -> Answer:
    found = call.account.task(job, task)
    call.expect(found.modified)
    tasks.terminate(call.account, found)
    return done(call, found.modified)


@routes.add("POST", "/jobs/{job}/tasks/{task}/reactivate", 204)
def reactivate_task(call: Call, job: str, task: str) -> Answer:
    found = call.account.task(job, task)
    call.expect(found.modified)
    tasks.reactivate(call.account, found)
    return done(call, found.modified)


@routes.add("GET", "/jobs/{job}/tasks/{task}/subtasksinfo")
def list_subtasks(call: Call, job: str, task: str) -> Answer:
    call.account.task(job, task)
    nothing: list[Any] = []  # only multi-instance tasks have any
    return Answer(body={"odata.metadata": f"{call.metadata}subtasks", "value": nothing})
