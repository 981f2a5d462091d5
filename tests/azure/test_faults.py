"""Whatever Azure does to a run, nothing is lost, nothing is done twice, and the word is clear."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from azure.batch import models
from imageio_ffmpeg import get_ffmpeg_exe

from runner.azure.accounts import Accounts
from runner.azure.add_tasks import JobEndedError, TaskAdder
from runner.azure.clients import batch_client, blob_client
from runner.azure.engine import AzureEngine
from runner.azure.errors import JobCancelledError
from runner.azure.job_state import ended_from_outside
from runner.azure.jobs import Jobs
from runner.azure.pace import Pace
from runner.azure.retrying import TRIES
from runner.azure.signing import Lifetimes
from runner.azure.task_spec import Task
from runner.engine import Stop
from runner.errors import SetupError, TransientError
from runner.models import Event, Kind, Notice, Plan, State
from tests.azure.conftest import EventLog, Gate, MakeCloud, MakeEngine, drive, plan_of
from tests.cloud import IDENTITY, POOL, Cloud, fixed
from tests.conftest import names, until
from tests.emulator import Limits, Settings
from tests.emulator.auth import EmulatedCredential
from tests.media import Media

ADD = "create_task_collection"
SHORT = timedelta(seconds=3)


class Unhurried(threading.Event):
    """An event on which nobody really waits; it writes down for how long they would."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        return self.is_set()


def task(name: str, **more: object) -> Task:
    return {"id": name, "commandLine": "true", **more}


def converted_once(cloud: Cloud, told: EventLog) -> bool:
    """Whether all was converted, and each by one task."""
    done = all(event.state is State.CONVERTED for event in told.results.values())
    return done and set(cloud.attempts().values()) == {1}


# --- requests ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        *((operation, status) for operation in ("create_job", ADD) for status in (429, 500, 503)),
        *(("get_pool", 502), ("update_job", 429), ("list_tasks", 429), ("list_tasks", 500)),
    ],
)
def test_a_passing_fault_of_any_call_costs_one_more_call(
    cloud: Cloud,
    engine_on: MakeEngine,
    one: Path,
    destination: Path,
    operation: str,
    status: int,
) -> None:
    cloud.fault("status", operation, status=status)
    told = drive(engine_on(cloud), plan_of(one, destination))
    assert converted_once(cloud, told)
    assert not told.notices
    refused = [s for s in cloud.azure.requests if s.operation == operation and s.status == status]
    assert len(refused) == 1
    if operation in ("create_job", ADD):
        assert cloud.calls(operation) == 2


def test_what_is_uploaded_during_a_call_is_added_by_the_next_one(
    cloud: Cloud, engine_on: MakeEngine, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("8-bit.wav", *(tmp_path / "in" / f"{name}.wav" for name in "abcdefgh"))
    cloud.fault("slow", ADD, seconds=4)
    told = drive(engine_on(cloud, submit_delay=60.0), plan_of(tmp_path / "in", destination))
    assert converted_once(cloud, told)
    sent = [json.loads(s.content) for s in cloud.azure.requests if s.operation == ADD]
    # the first one at once: its node need not wait for the others
    assert [len(call["value"]) for call in sent] == [1, 7]


@pytest.mark.parametrize("operation", ["create_job", ADD, "update_job"])
@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
def test_a_lost_answer_does_nothing_twice(
    cloud: Cloud, engine_on: MakeEngine, folder: Path, destination: Path, kind: str, operation: str
) -> None:
    cloud.fault(kind, operation)
    told = drive(engine_on(cloud), plan_of(folder, destination))
    assert converted_once(cloud, told)
    assert len(cloud.jobs()) == 1


@pytest.mark.parametrize(("retry_after", "least"), [(None, 0.25), (7, 7.0), (600, 30.0)])
def test_a_throttled_call_waits_as_long_as_it_is_told_within_reason(
    cloud: Cloud, retry_after: int | None, least: float
) -> None:
    ended = Unhurried()
    jobs, adder = Jobs(cloud.batch, POOL, ended), TaskAdder(cloud.batch, ended)
    cloud.fault("status", "create_job", status=429, retry_after=retry_after, times=2)
    cloud.fault("status", ADD, status=429, retry_after=retry_after, times=2)
    assert jobs.create("job")
    assert adder.add("job", [task("a")]) == {}
    assert (cloud.calls("create_job"), cloud.calls(ADD)) == (3, 3)
    assert len(ended.waits) == 4
    assert least <= min(ended.waits) <= max(ended.waits) <= 30


@pytest.mark.parametrize("status", [429, 503])
def test_a_fault_that_stays_ends_the_run_with_a_word_after_some_tries(
    cloud: Cloud, status: int
) -> None:
    ended = Unhurried()
    jobs, adder = Jobs(cloud.batch, POOL, ended), TaskAdder(cloud.batch, ended)
    jobs.create("job")
    cloud.fault("status", "create_job", status=status, times=None)
    cloud.fault("status", ADD, status=status, times=None)
    with pytest.raises(
        TransientError, match=r"^job other: .*; run the same command again to continue"
    ):
        jobs.create("other")
    with pytest.raises(TransientError, match=r"^adding tasks to job job: .*; run the same command"):
        adder.add("job", [task("a")])
    assert cloud.calls(ADD) == TRIES
    assert 20 < sum(ended.waits) / 2 < 62, "all in all about a minute"


def test_nobody_waits_for_a_call_once_the_run_is_over(cloud: Cloud) -> None:
    ended = threading.Event()
    jobs = Jobs(cloud.batch, POOL, ended)
    jobs.create("job")
    cloud.fault("status", ADD, status=503, times=None)
    ended.set()
    with pytest.raises(TransientError):
        TaskAdder(cloud.batch, ended).add("job", [task("a")])
    assert cloud.calls(ADD) == 1


def test_tasks_that_the_service_could_not_add_are_sent_again_alone(cloud: Cloud) -> None:
    ended = Unhurried()
    Jobs(cloud.batch, POOL, ended).create("job")
    cloud.fault("add_task", "b", status=503)
    cloud.fault("add_task", "c", status=500, times=2)
    assert TaskAdder(cloud.batch, ended).add("job", [task(name) for name in "abc"]) == {}
    sent = [json.loads(s.content) for s in cloud.azure.requests if s.operation == ADD]
    assert [[t["id"] for t in body["value"]] for body in sent] == [
        ["a", "b", "c"],
        ["b", "c"],
        ["c"],
    ]


def test_tasks_that_the_service_refuses_are_named_with_the_reason(cloud: Cloud) -> None:
    Jobs(cloud.batch, POOL).create("job")
    cloud.fault("add_task", "b", status=400, code="InvalidPropertyValue")
    refused = TaskAdder(cloud.batch, Unhurried()).add("job", [task("a"), task("b")])
    assert list(refused) == ["b"]
    assert refused["b"].startswith("InvalidPropertyValue: ")
    assert cloud.calls(ADD) == 1


def test_a_task_that_stays_impossible_to_add_is_given_up_after_some_tries(cloud: Cloud) -> None:
    Jobs(cloud.batch, POOL).create("job")
    cloud.fault("add_task", "b", status=500, times=None)
    with pytest.raises(
        TransientError, match="1 tasks could not be added; run the same command again to continue"
    ):
        TaskAdder(cloud.batch, Unhurried()).add("job", [task("a"), task("b")])
    assert cloud.calls(ADD) == TRIES


def test_what_is_too_large_for_one_call_goes_in_several(cloud: Cloud) -> None:
    Jobs(cloud.batch, POOL).create("job")
    heavy = [
        task(f"t{number}", environmentSettings=[{"name": "X", "value": "x" * 20_000}])
        for number in range(100)
    ]
    assert TaskAdder(cloud.batch, Unhurried()).add("job", heavy) == {}
    assert len(cloud.tasks()) == 100
    statuses = [s.status for s in cloud.azure.requests if s.operation == ADD]
    assert sorted(statuses) == [200, 200, 413]


def test_a_job_ends_after_a_week_whatever_becomes_of_the_runner(cloud: Cloud) -> None:
    Jobs(cloud.batch, POOL).create("job")
    constraints = cloud.batch.get_job("job").constraints
    assert constraints
    assert constraints.max_wall_clock_time == timedelta(days=7)


def test_a_source_that_changed_and_kept_its_size_is_not_taken(
    cloud: Cloud, engine_on: MakeEngine, one: Path, destination: Path
) -> None:
    plan = plan_of(one, destination)
    source = one / "a.wav"
    source.write_bytes(source.read_bytes()[::-1])
    assert source.stat().st_size == plan.conversions[0].source.size
    failure = drive(engine_on(cloud), plan).failures["a.mp3"]
    assert (failure.kind, "changed" in failure.message) == (Kind.INPUT, True)
    assert not any(name.endswith(".wav") for name in cloud.stored("input"))
    assert not cloud.tasks()


def test_a_job_that_is_over_takes_no_more(cloud: Cloud) -> None:
    jobs = Jobs(cloud.batch, POOL)
    jobs.create("job")
    jobs.finish("job")
    until(lambda: cloud.jobs()["job"] == "completed")
    with pytest.raises(JobEndedError):
        TaskAdder(cloud.batch, Unhurried()).add("job", [task("a")])
    jobs.finish("job")  # no error either
    assert jobs.terminate("job", "once more") is False


@pytest.mark.parametrize("kind", ["pascal_case", "lower_case"])
def test_what_became_of_a_task_is_read_in_any_casing(cloud: Cloud, kind: str) -> None:
    ended = Unhurried()
    Jobs(cloud.batch, POOL).create("job")
    cloud.fault(kind, ADD, times=None)
    cloud.fault("add_task", "b", status=503)
    cloud.fault("add_task", "c", status=400, code="InvalidPropertyValue")
    refused = TaskAdder(cloud.batch, ended).add("job", [task(name) for name in "abc"])
    assert list(refused) == ["c"]
    sent = [json.loads(s.content) for s in cloud.azure.requests if s.operation == ADD]
    assert [[t["id"] for t in body["value"]] for body in sent] == [["a", "b", "c"], ["b"]]


@pytest.mark.parametrize("kind", ["shuffle", "pascal_case", "lower_case"])
def test_the_order_and_the_casing_of_answers_play_no_part(
    cloud: Cloud, engine_on: MakeEngine, folder: Path, destination: Path, kind: str
) -> None:
    cloud.fault(kind, times=None)
    cloud.fault("add_task", status=503, times=2)
    told = drive(engine_on(cloud), plan_of(folder, destination))
    assert converted_once(cloud, told)


def test_a_refused_task_fails_its_file_alone(
    cloud: Cloud, engine_on: MakeEngine, folder: Path, destination: Path
) -> None:
    plan = plan_of(folder, destination)
    cloud.fault("add_task", f"{plan.conversions[1].id}-a1", status=400, code="InvalidPropertyValue")
    told = drive(engine_on(cloud), plan)
    failure = told.failures["b.mp3"]
    assert failure.kind is Kind.INTERNAL
    assert failure.message.startswith("Batch refuses the task: InvalidPropertyValue: ")
    assert names(destination) == {"a.mp3", "c.mp3"}


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (403, 'it needs the role "Azure Batch Job Submitter" on the Batch account'),
        (401, r"not signed in \(AuthenticationFailed\); run `az login`"),
    ],
)
@pytest.mark.parametrize("operation", ["get_pool", "create_job", ADD, "list_tasks"])
def test_missing_rights_end_the_run_with_the_role_that_it_takes(
    cloud: Cloud,
    engine_on: MakeEngine,
    one: Path,
    destination: Path,
    operation: str,
    status: int,
    message: str,
) -> None:
    cloud.fault("status", operation, status=status, times=None)
    with pytest.raises(SetupError, match=message):
        drive(engine_on(cloud), plan_of(one, destination))
    cloud.azure.faults.clear()
    told = drive(engine_on(cloud), plan_of(one, destination))
    assert not told.failures


def test_a_used_up_quota_of_jobs_is_named_and_waited_for(
    make_cloud: MakeCloud, engine_on: MakeEngine, one: Path, destination: Path
) -> None:
    cloud = make_cloud(settings=Settings(limits=Limits(active_jobs=1)))
    others = Jobs(cloud.batch, POOL)
    others.create("another")
    said = []
    converted = 0
    for news in engine_on(cloud).run(plan_of(one, destination), Stop()):
        if isinstance(news, Notice) and "quota" in news.message:
            said.append(news.message)
            others.terminate("another", "it is over")
        converted += isinstance(news, Event) and news.state is State.CONVERTED
    (words,) = said
    assert "quota of active jobs is used up; end some" in words
    assert words.endswith("(waiting until one ends)")
    assert converted == 1


def test_a_run_goes_on_in_another_job_where_one_is_full_and_the_next_runner_follows_all(
    cloud: Cloud, engine_on: MakeEngine, media: Media, tmp_path: Path, destination: Path
) -> None:
    for number in range(7):
        media.put("8-bit.wav", tmp_path / "many" / f"{number}.wav")
    plan = plan_of(tmp_path / "many", destination)
    first = drive(
        engine_on(cloud, tasks_per_job=3, detach=True), plan
    )  # ends once all are submitted
    second = drive(engine_on(cloud, tasks_per_job=3), plan)
    events = (*first.events, *second.events)
    converted = {event.conversion.id for event in events if event.state is State.CONVERTED}
    assert len(converted) == 7
    assert set(cloud.attempts().values()) == {1}
    each = [len(list(cloud.batch.list_tasks(job))) for job in cloud.jobs()]
    assert sum(each) == 7
    assert 0 < min(each) <= max(each) <= 3


def test_counts_that_lag_do_not_end_a_run_early_nor_hold_it_up(
    cloud: Cloud, engine_on: MakeEngine, folder: Path, destination: Path
) -> None:
    plan = plan_of(folder, destination)
    cloud.fault("counts_lag", plan.id, seconds=3600, times=None)
    assert converted_once(cloud, drive(engine_on(cloud), plan))


def test_tokens_are_renewed_in_a_long_run(
    make_cloud: MakeCloud, gate: Gate, folder: Path, destination: Path
) -> None:
    cloud = make_cloud(ffmpeg=gate.program)
    credential = EmulatedCredential(lifetime=2)
    batch, storage = (
        batch_client(cloud.deployment, credential),
        blob_client(cloud.deployment.blob_endpoint, credential),
    )
    with batch, storage:
        engine = AzureEngine(
            deployment=cloud.deployment,
            batch=batch,
            storage=storage,
            accounts=Accounts(cloud.deployment, storage=storage),
            ffmpeg=get_ffmpeg_exe(),
            pace=Pace(first_poll=0.2, status_interval=0.2, first_node_poll=0.4, job_retry=1.0),
        )
        opening = threading.Timer(3, gate.open)  # when the first tokens are no good any more
        opening.start()
        told = drive(engine, plan_of(folder, destination))
        opening.join()
    assert converted_once(cloud, told)
    assert credential.issued > 4
    assert not [seen for seen in cloud.azure.requests if seen.status == 401]


def test_what_lies_in_storage_does_not_travel_again(
    cloud: Cloud, engine_on: MakeEngine, folder: Path, destination: Path
) -> None:
    plan = plan_of(folder, destination)
    cloud.fault("status", ADD, status=403)
    with pytest.raises(SetupError):
        drive(engine_on(cloud, transfers=1), plan)
    there = sum(name.endswith(".wav") for name in cloud.stored("input"))
    assert there
    told = drive(engine_on(cloud), plan)
    # one that was under way when the first run ended may have come meanwhile
    assert told.states.count(State.UPLOADING) <= 3 - there
    assert converted_once(cloud, told)


# --- tasks and nodes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "code", "reason"),
    [
        ("upload", "FileUploadMiscError", "FileUploadMiscError: "),
        ("upload", "FileUploadTimedOut", "FileUploadTimedOut: "),
        ("download", "BlobDownloadMiscError", "BlobDownloadMiscError: "),
        ("download", "BlobDownloadTimedOut", "BlobDownloadTimedOut: "),
        ("download", "DiskFull", "DiskFull: "),
        ("download", "BlobNotFound", "the worker was no longer in storage; it was uploaded again"),
    ],
)
def test_a_passing_fault_on_a_node_is_tried_again_under_a_new_attempt(
    cloud: Cloud,
    engine_on: MakeEngine,
    one: Path,
    destination: Path,
    fault: str,
    code: str,
    reason: str,
) -> None:
    cloud.fault(fault, code=code)
    told = drive(engine_on(cloud), plan_of(one, destination))
    retrying = [event for event in told.events if event.state is State.RETRYING]
    assert [(e.attempt, e.failure and e.failure.kind) for e in retrying] == [(1, Kind.TRANSIENT)]
    assert retrying[0].failure is not None
    assert retrying[0].failure.message.startswith(reason)
    assert told.results["a.mp3"].attempt == 2
    assert sorted(str(t.id)[-3:] for t in cloud.tasks()) == ["-a1", "-a2"]
    assert told.states.count(State.UPLOADING) == 1, "only what is gone travels again"


@pytest.mark.parametrize(
    ("gone", "reason", "again"),
    [
        ("tools", "the worker was no longer in storage; it was uploaded again", 0),
        ("input", "its source is no longer in storage", 1),
    ],
)
def test_only_what_is_gone_from_storage_is_put_there_again(
    make_cloud: MakeCloud,
    engine_on: MakeEngine,
    folder: Path,
    destination: Path,
    gone: str,
    reason: str,
    again: int,
) -> None:
    cloud = make_cloud(scaleSettings=fixed(0))
    plan = plan_of(folder, destination)
    drive(engine_on(cloud, detach=True, first_poll=60.0), plan)
    name = next(name for name in cloud.stored(gone) if "plan" not in name)
    cloud.blobs.get_blob_client(cloud.container(gone), name).delete_blob()
    cloud.resize(1)
    until(lambda: all(task.state == "completed" for task in cloud.tasks()))
    told = drive(engine_on(cloud), plan)
    retried = {e.failure.message for e in told.events if e.state is State.RETRYING and e.failure}
    assert retried == {reason}
    assert told.states.count(State.UPLOADING) == again
    assert names(destination) == {"a.mp3", "b.mp3", "c.mp3"}


@pytest.mark.parametrize(
    ("fault", "code", "reason"),
    [
        ("upload", "FileUploadAccessDenied", "Storage Blob Data Contributor on the output"),
        ("download", "BlobAccessDenied", "Storage Blob Data Reader on the input and tools"),
        ("upload", "FileUploadContainerNotFound", "a container does not exist: run `pulumi up`"),
        ("download", "CommandProgramNotFound", "the node has no /bin/bash"),
    ],
)
def test_a_fault_of_the_environment_is_not_tried_again_until_it_is_mended(
    cloud: Cloud,
    engine_on: MakeEngine,
    one: Path,
    destination: Path,
    fault: str,
    code: str,
    reason: str,
) -> None:
    plan = plan_of(one, destination)
    cloud.fault(fault, code=code)
    failure = drive(engine_on(cloud, keep=True), plan).failures["a.mp3"]
    assert failure.kind is Kind.ENVIRONMENT
    assert reason in failure.message
    assert len(cloud.tasks()) == 1
    # the same command again, under the same name: its failed attempt is not the last word
    told = drive(engine_on(cloud), plan)
    assert told.results["a.mp3"].state is State.CONVERTED
    assert told.results["a.mp3"].attempt == 2


def test_roles_that_are_really_missing_are_named(
    cloud: Cloud, engine_on: MakeEngine, one: Path, destination: Path
) -> None:
    cloud.azure.roles.revoke(IDENTITY)
    failure = drive(engine_on(cloud), plan_of(one, destination)).failures["a.mp3"]
    assert failure.kind is Kind.ENVIRONMENT
    assert "BlobAccessDenied" in failure.message


def test_a_source_that_vanishes_from_storage_is_uploaded_again(
    make_cloud: MakeCloud, engine_on: MakeEngine, one: Path, destination: Path
) -> None:
    cloud = make_cloud(scaleSettings=fixed(0))

    def lose_it(event: Event) -> None:
        if event.state is State.QUEUED and event.attempt == 1:
            for name in cloud.stored("input"):
                cloud.blobs.get_blob_client(cloud.container("input"), name).delete_blob()
            cloud.resize(1)

    told = drive(engine_on(cloud), plan_of(one, destination), lose_it)
    assert told.results["a.mp3"].attempt == 2
    assert told.states.count(State.UPLOADING) == 2


def test_an_address_that_expired_in_the_queue_is_signed_anew(
    make_cloud: MakeCloud, engine_on: MakeEngine, one: Path, destination: Path
) -> None:
    cloud = make_cloud().without_identity(nodes=0)

    def wait(event: Event) -> None:
        if event.state is State.QUEUED and event.attempt == 1:
            time.sleep(3.1)
            cloud.azure.put_pool("plain", taskSlotsPerNode=2, scaleSettings=fixed(1))

    engine = engine_on(cloud, lifetimes=Lifetimes(read=SHORT, write=SHORT))
    told = drive(engine, plan_of(one, destination), wait)
    retrying = [event.failure for event in told.events if event.state is State.RETRYING]
    assert [f.message for f in retrying if f] == [
        "the signed URL of the task was refused: it expired"
    ]
    assert told.results["a.mp3"].state is State.CONVERTED


def test_a_preempted_node_costs_nothing_but_time(
    make_cloud: MakeCloud, engine_on: MakeEngine, gate: Gate, one: Path, destination: Path
) -> None:
    cloud = make_cloud(ffmpeg=gate.program, scaleSettings=fixed(0, spot=1))

    def preempt() -> None:
        until(lambda: gate.waiting)
        node = cloud.azure.nodes(POOL)[0]["id"]
        cloud.azure.preempt(POOL, node)
        gate.open()
        cloud.azure.restore(POOL, node)

    assert converted_once(cloud, drive_beside(preempt, engine_on(cloud), one, destination))


def test_a_lost_node_costs_nothing_but_time(
    make_cloud: MakeCloud, engine_on: MakeEngine, gate: Gate, one: Path, destination: Path
) -> None:
    cloud = make_cloud(ffmpeg=gate.program)

    def lose() -> None:
        until(lambda: gate.waiting)
        cloud.azure.lose(POOL, cloud.azure.nodes(POOL)[0]["id"])
        gate.open()
        cloud.resize(2)

    assert converted_once(cloud, drive_beside(lose, engine_on(cloud), one, destination))


def test_a_task_that_is_ended_by_hand_is_tried_again(
    make_cloud: MakeCloud, engine_on: MakeEngine, gate: Gate, folder: Path, destination: Path
) -> None:
    cloud = make_cloud(ffmpeg=gate.program)

    def end_one() -> None:
        until(lambda: gate.waiting)
        job = next(iter(cloud.jobs()))
        running = next(t for t in cloud.tasks() if t.state == "running")
        cloud.batch.terminate_task(job, str(running.id))
        gate.open()

    told = drive_beside(end_one, engine_on(cloud), folder, destination)
    assert {event.state for event in told.results.values()} == {State.CONVERTED}
    assert told.states.count(State.RETRYING) == 1


# --- results -------------------------------------------------------------------------------------


def submitted(cloud: Cloud, engine_on: MakeEngine, folder: Path, destination: Path) -> None:
    """Have all tasks run to their end with nobody there to collect."""
    drive(engine_on(cloud, detach=True, first_poll=60.0), plan_of(folder, destination))
    until(lambda: all(task.state == "completed" for task in cloud.tasks()))


def overwrite(cloud: Cloud, ending: str, data: bytes | None) -> None:
    """Damage a blob among the results, or delete it."""
    name = next(name for name in cloud.stored("output") if name.endswith(ending))
    blob = cloud.blobs.get_blob_client(cloud.container("output"), name)
    if data is None:
        blob.delete_blob()
    else:
        blob.upload_blob(data, overwrite=True)


@pytest.mark.parametrize(
    ("ending", "data", "reason"),
    [
        ("result.mp3", b"damaged", "the result in storage does not have the size in its record"),
        ("result.mp3", None, "its result is no longer in storage"),
        ("record.json", None, "the task left no record of its result"),
        ("record.json", b"{", "the record of the task cannot be read: not JSON"),
    ],
)
def test_a_result_that_is_not_what_the_node_made_is_never_taken(
    cloud: Cloud,
    engine_on: MakeEngine,
    one: Path,
    destination: Path,
    ending: str,
    data: bytes | None,
    reason: str,
) -> None:
    submitted(cloud, engine_on, one, destination)
    overwrite(cloud, ending, data)
    told = drive(engine_on(cloud), replace(plan_of(one, destination), id=next(iter(cloud.jobs()))))
    retrying = [event.failure for event in told.events if event.state is State.RETRYING]
    assert [f.message for f in retrying if f] == [reason]
    assert told.results["a.mp3"].attempt == 2
    assert told.results["a.mp3"].state is State.CONVERTED


# --- jobs and pools ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (lambda jobs, job: jobs.terminate(job, "by an admin"), r"was ended \(by an admin\) with"),
        (lambda jobs, job: jobs.delete(job), "was deleted"),
    ],
    ids=["terminated", "deleted"],
)
def test_a_job_that_is_ended_from_outside_ends_the_run_which_can_go_on(
    make_cloud: MakeCloud,
    engine_on: MakeEngine,
    gate: Gate,
    folder: Path,
    destination: Path,
    end: Callable[[Jobs, str], object],
    message: str,
) -> None:
    cloud = make_cloud(ffmpeg=gate.program)
    plan = plan_of(folder, destination)

    def end_it() -> None:
        until(lambda: gate.waiting)
        end(Jobs(cloud.batch, POOL), plan.id)

    with pytest.raises(
        TransientError, match=f"job {plan.id} {message}.*; run the same command again to submit"
    ):
        drive_beside(end_it, engine_on(cloud, retries=1), folder, destination, plan=plan)
    assert set(cloud.jobs()) <= {plan.id}, "what somebody ended is not begun again"
    gate.open()
    until(lambda: cloud.jobs().get(plan.id, "completed") == "completed")
    told = drive(engine_on(cloud), plan)
    assert {event.state for event in told.results.values()} == {State.CONVERTED}
    assert names(destination) == {"a.mp3", "b.mp3", "c.mp3"}


def test_a_job_that_has_ended_itself_is_told_from_one_that_was_ended(cloud: Cloud) -> None:
    jobs = Jobs(cloud.batch, POOL)
    for name in ("itself", "ended"):
        jobs.create(name)
    jobs.finish("itself")
    jobs.terminate("ended", "cancelled by runner")
    until(lambda: set(cloud.jobs().values()) == {"completed"})
    assert ended_from_outside(jobs, "itself") is None
    ended = ended_from_outside(jobs, "ended")
    assert isinstance(ended, JobCancelledError)
    assert str(ended) == "job ended was ended (cancelled by runner)"
    gone = ended_from_outside(jobs, "gone")
    assert not isinstance(gone, JobCancelledError)
    assert str(gone) == "job gone was deleted"


def test_a_job_that_is_ended_while_all_wait_is_noticed(
    make_cloud: MakeCloud, engine_on: MakeEngine, folder: Path, destination: Path
) -> None:
    cloud = make_cloud(scaleSettings=fixed(0))
    plan = plan_of(folder, destination)

    def end_it() -> None:
        until(lambda: len(cloud.tasks()) == 3)
        Jobs(cloud.batch, POOL).terminate(plan.id, "by an admin")

    with pytest.raises(TransientError, match=r"was ended \(by an admin\) with 3 files left"):
        drive_beside(end_it, engine_on(cloud), folder, destination, plan=plan)


def test_a_job_that_somebody_disabled_is_named(
    make_cloud: MakeCloud, engine_on: MakeEngine, one: Path, destination: Path
) -> None:
    cloud = make_cloud(scaleSettings=fixed(0))
    plan = plan_of(one, destination)
    submitted_plan = engine_on(cloud, detach=True)
    drive(submitted_plan, plan)
    cloud.batch.begin_disable_job(
        plan.id, models.BatchJobDisableOptions(disable_tasks="requeue"), polling_interval=0
    ).wait()
    with pytest.raises(SetupError, match=f"job {plan.id} was disabled: `az batch job enable"):
        drive(engine_on(cloud), plan)


def test_a_missing_pool_is_named(
    cloud: Cloud, engine_on: MakeEngine, one: Path, destination: Path
) -> None:
    gone = cloud.with_pool(id="gone")
    with pytest.raises(SetupError, match="there is no pool gone: run `pulumi up`"):
        drive(engine_on(gone), plan_of(one, destination))
    assert not cloud.jobs()


def test_a_pool_that_is_deleted_in_the_run_is_named_and_its_successor_takes_over(
    make_cloud: MakeCloud, engine_on: MakeEngine, gate: Gate, folder: Path, destination: Path
) -> None:
    cloud = make_cloud(ffmpeg=gate.program)
    plan = plan_of(folder, destination)

    def delete() -> None:
        until(lambda: gate.waiting)
        cloud.azure.delete_pool(POOL)

    with pytest.raises(SetupError, match=f"there is no pool {POOL}: run `pulumi up`"):
        drive_beside(delete, engine_on(cloud), folder, destination, plan=plan)
    gate.open()
    # what `pulumi up` makes then has another name
    cloud.azure.put_pool("next", taskSlotsPerNode=2, identity=[IDENTITY], scaleSettings=fixed(1))
    moved = cloud.with_pool(id="next")
    told = drive(engine_on(moved), plan)
    assert {event.state for event in told.results.values()} == {State.CONVERTED}
    assert set(cloud.jobs()) == {plan.id, f"{plan.id}--2"}
    assert max(cloud.attempts().values()) == 2


def test_a_missing_container_is_named(
    cloud: Cloud, engine_on: MakeEngine, one: Path, destination: Path
) -> None:
    gone = replace(cloud, deployment=replace(cloud.deployment, input_container="gone"))
    with pytest.raises(SetupError, match="the container does not exist: run `pulumi up`"):
        drive(engine_on(gone), plan_of(one, destination))


def drive_beside(
    act: Callable[[], None],
    engine: AzureEngine,
    folder: Path,
    destination: Path,
    *,
    plan: Plan | None = None,
) -> EventLog:
    """Run the files of *folder* while another thread does *act*; what fails there fails here."""
    errors: list[BaseException] = []

    def acting() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    thread = threading.Thread(target=acting)
    thread.start()
    try:
        return drive(engine, plan or plan_of(folder, destination))
    finally:
        thread.join()
        if errors:
            raise errors[0]
