"""The operations on jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.emulator import bodies, bodies_jobs, jobs, views
from tests.emulator.operations import Answer, Call, Routes, created, done, entity, listing
from tests.emulator.times import SECOND

if TYPE_CHECKING:
    from tests.emulator.model import Job, Json

routes = Routes()

FIELDS = {
    "id": lambda job: job.id,
    "displayName": lambda job: job.setting("displayName"),
    "state": lambda job: str(job.state),
    "previousState": lambda job: job.previous and str(job.previous),
    "priority": lambda job: job.setting("priority"),
    "creationTime": lambda job: job.created,
    "lastModified": lambda job: job.modified,
    "stateTransitionTime": lambda job: job.since,
    "previousStateTransitionTime": lambda job: job.previous_since or None,
    "executionInfo/poolId": lambda job: job.pool_id,
    "executionInfo/startTime": lambda job: job.started,
    "executionInfo/endTime": lambda job: job.ended,
    "executionInfo/terminateReason": lambda job: job.terminate_reason,
    "onAllTasksComplete": lambda job: job.setting("onAllTasksComplete"),
    "poolInfo/poolId": lambda job: job.setting("poolInfo").get("poolId"),
}


@routes.add("POST", "/jobs", 201, bodies_jobs.JOB_ADD)
def create_job(call: Call) -> Answer:
    bodies.refuse_left_out(call.body)
    job = jobs.create(call.account, call.body)
    # the service names its internal first run of the job here, whatever the job's id
    return created(f"{call.url}/jobs/job-1", job.modified)


@routes.add("GET", "/jobs")
def list_jobs(call: Call) -> Answer:
    found = sorted(call.account.jobs.values(), key=order)
    return listing(
        call, found, lambda j: view(call, j), fragment="jobs", fields=FIELDS, order=order
    )


def order(job: Job) -> str:
    return job.id.lower()


def view(call: Call, job: Job) -> Json:
    return views.job_view(call.url, job)


@routes.add("GET", "/jobs/{job}")
def get_job(call: Call, job: str) -> Answer:
    found = call.account.job(job)
    call.expect(found.modified, read=True)
    return entity(call, view(call, found), "jobs", found.modified)


@routes.add("PATCH", "/jobs/{job}", 200, bodies_jobs.JOB_PATCH)
def update_job(call: Call, job: str) -> Answer:
    found = call.account.job(job)
    call.expect(found.modified)
    jobs.update(call.account, found, call.body)
    return done(call, found.modified)


@routes.add("PUT", "/jobs/{job}", 200, bodies_jobs.JOB_PUT)
def replace_job(call: Call, job: str) -> Answer:
    found = call.account.job(job)
    call.expect(found.modified)
    jobs.replace(call.account, found, call.body)
    return done(call, found.modified)


@routes.add("DELETE", "/jobs/{job}", 202)
def delete_job(call: Call, job: str) -> Answer:
    found = call.account.job(job)
    call.expect(found.modified)
    jobs.delete(call.account, found)
    return Answer()


@routes.add("POST", "/jobs/{job}/disable", 202, bodies_jobs.JOB_DISABLE)
def disable_job(call: Call, job: str) -> Answer:
    found = call.account.job(job)
    call.expect(found.modified)
    jobs.disable(call.account, found, call.body["disableTasks"].lower())
    return done(call, found.modified)


@routes.add("POST", "/jobs/{job}/enable", 202)
def enable_job(call: Call, job: str) -> Answer:
    found = call.account.job(job)
    call.expect(found.modified)
    jobs.enable(call.account, found)
    return done(call, found.modified)


@routes.add("POST", "/jobs/{job}/terminate", 202, bodies_jobs.JOB_TERMINATE)
def terminate_job(call: Call, job: str) -> Answer:
    found = call.account.job(job)
    call.expect(found.modified)
    jobs.terminate(call.account, found, call.body.get("terminateReason", "UserTerminate"))
    return done(call, found.modified)


@routes.add("GET", "/jobs/{job}/taskcounts")
def get_job_task_counts(call: Call, job: str) -> Answer:
    found = call.account.job(job)
    return entity(call, counted(call, found), "taskcountsresult")


def counted(call: Call, job: Job) -> Json:
    """Return the counts, or those of a while ago where they are made to lag."""
    now = call.account.now()
    if job.lagging is not None and now < job.lagging[0]:
        return job.lagging[1]
    counts = jobs.task_counts(job)
    fault = call.account.faults.take("counts_lag", job.id)
    job.lagging = None if fault is None else (now + round(fault.seconds * SECOND), counts)
    return counts
