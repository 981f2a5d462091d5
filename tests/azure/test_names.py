"""Names of jobs, tasks and blobs, and why a job has ended."""

import pytest
from azure.batch.models import BatchJob

from runner.azure.errors import JobCancelledError, JobLostError
from runner.azure.job_state import (
    AT_COST_LIMIT,
    POOL_REPLACED,
    end_of,
    ended_early,
    ended_from_outside,
    refuse_disabled,
    why_to_end,
)
from runner.azure.jobs import AT_LIMIT, CANCELLED
from runner.azure.names import (
    RUN_NAME,
    NodeUrl,
    TaskName,
    jobs_of,
    joining_task,
    manifest_name,
    next_job,
    piece_task,
    result_in,
    run_of,
)
from runner.errors import SetupError

RUN = "20261122-1412-mossy-otter"
FILM = TaskName("0" * 24, 3)


class SomeJobs:
    """The jobs of an account."""

    def __init__(self, *jobs: BatchJob) -> None:
        self._jobs = {job.id: job for job in jobs}

    def job(self, name: str) -> BatchJob | None:
        return self._jobs.get(name)


def job(name: str = RUN, state: str = "active", why: str | None = None) -> BatchJob:
    """A job as the service describes it."""
    ended = {"startTime": "2026-11-22T14:12:00Z", "poolId": "pool", "terminateReason": why}
    return BatchJob({"id": name, "state": state, "executionInfo": ended})


def test_jobs_of_a_run_are_numbered_as_one_follows_the_other() -> None:
    assert next_job(RUN, [RUN]) == f"{RUN}--2"
    assert next_job(RUN, [RUN, f"{RUN}--2"]) == f"{RUN}--3"
    there = [job(), job(f"{RUN}--2"), job(f"{RUN}--4"), job("20261122-1412-mossy-otters")]
    assert [one.id for one in jobs_of(SomeJobs(*there), RUN)] == [RUN, f"{RUN}--2"]  # type: ignore[arg-type] # what it asks for
    assert list(jobs_of(SomeJobs(), RUN)) == []  # type: ignore[arg-type] # what it asks for


@pytest.mark.parametrize(
    "name", [RUN, f"{RUN}--2", f"{RUN}/plan.jsonl.gz", f"{RUN}/{FILM}/result.mp3", f"{RUN}--2/x--y"]
)
def test_a_name_says_which_run_it_belongs_to(name: str) -> None:
    assert run_of(name) == RUN
    assert run_of(manifest_name(RUN)) == RUN


def test_a_run_is_known_by_its_name() -> None:
    found = RUN_NAME.fullmatch(RUN)
    assert found is not None
    assert found[1] == "20261122"
    for other in (f"{RUN}--2", RUN.upper(), "20261122-mossy-otter", "backup"):
        assert RUN_NAME.fullmatch(other) is None


def test_pieces_of_a_film_lead_to_the_task_that_joins_them() -> None:
    piece = piece_task(str(FILM), 12)
    assert piece == f"{'0' * 24}-a3-p12"
    assert joining_task(piece) == joining_task(str(FILM)) == str(FILM)
    assert joining_task("x-p1234567") == "x-p1234567"
    assert TaskName.parse(piece) is None


@pytest.mark.parametrize(
    ("blob", "task"),
    [
        (f"{RUN}/{FILM}/result.mp3", FILM),
        (f"{RUN}/{FILM}/result.", FILM),
        (f"{RUN}/{FILM}/record.json", None),
        (f"{RUN}/{FILM}/results.mp3", None),
        (f"{RUN}/{FILM}", None),
        (f"{RUN}/other/result.mp3", None),
        (RUN, None),
        ("", None),
    ],
)
def test_a_result_is_known_by_its_place(blob: str, task: TaskName | None) -> None:
    assert result_in(blob) == task


def test_an_address_is_signed_where_that_is_needed() -> None:
    assert NodeUrl("https://a/b").url == "https://a/b"
    assert NodeUrl("https://a/b", "sig=1").url == "https://a/b?sig=1"


# --- the ends of jobs ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "why", [None, "", "AllTasksComplete", "AllTasksCOMPLETE", POOL_REPLACED, AT_COST_LIMIT]
)
def test_a_job_that_ended_by_itself_may_go_on_in_another_one(why: str | None) -> None:
    jobs = SomeJobs(job(state="completed", why=why))
    assert ended_from_outside(jobs, RUN) is None  # type: ignore[arg-type] # what it asks for
    assert end_of(job(why=why)) == (why or "")


def test_a_job_that_somebody_ended_is_named_with_the_reason() -> None:
    def ended(*jobs: BatchJob) -> JobLostError | None:
        return ended_from_outside(SomeJobs(*jobs), RUN)  # type: ignore[arg-type] # what it asks for

    lost = ended(job(state="completed", why="UserTerminate"))
    assert type(lost) is JobLostError
    assert str(lost) == f"job {RUN} was ended (UserTerminate)"
    assert type(ended(job(state="completed", why=CANCELLED))) is JobCancelledError
    assert str(ended()) == f"job {RUN} was deleted"
    assert str(ended(job(state="deleting"))) == f"job {RUN} was deleted"
    assert str(ended_early(job(state="completed"))) == f"job {RUN} was ended (no reason given)"


@pytest.mark.parametrize("state", ["disabled", "disabling"])
def test_a_job_that_is_disabled_waits_for_the_one_who_did_that(state: str) -> None:
    with pytest.raises(
        SetupError, match=f"job {RUN} was disabled: `az batch job enable --job-id {RUN}`"
    ):
        ended_from_outside(SomeJobs(job(state=state)), RUN)  # type: ignore[arg-type] # what it asks for


@pytest.mark.parametrize("state", ["active", "enabling", "terminating", "completed", "deleting"])
def test_other_states_are_no_such_end(state: str) -> None:
    refuse_disabled(job(state=state))


LIMITED = {"metadata": [dict(zip(("name", "value"), AT_LIMIT, strict=True))]}


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"state": "active", "poolInfo": {"poolId": "POOL-1"}}, None),
        ({"state": "active", "poolInfo": {"poolId": "pool-0"}}, POOL_REPLACED),
        ({"state": "active"}, POOL_REPLACED),
        # it was stopped at the run's limit of cost, and then somebody enabled it
        ({"state": "active", "poolInfo": {"poolId": "pool-1"}, **LIMITED}, None),
        ({"state": "disabled", "poolInfo": {"poolId": "pool-1"}, **LIMITED}, AT_COST_LIMIT),
        ({"state": "disabling", "poolInfo": {"poolId": "pool-1"}, **LIMITED}, AT_COST_LIMIT),
        # it has ended, so nobody ends it
        ({"state": "completed", "poolInfo": {"poolId": "pool-0"}, **LIMITED}, ""),
        ({"state": "terminating", "poolInfo": {"poolId": "pool-1"}}, ""),
        ({"state": "deleting", "poolInfo": {"poolId": "pool-1"}}, ""),
    ],
)
def test_a_run_that_goes_on_ends_the_jobs_that_take_no_more_of_it(
    facts: dict[str, object], why: str | None
) -> None:
    assert why_to_end(BatchJob({"id": RUN, **facts}), "Pool-1") == why


def test_a_run_that_goes_on_does_not_end_a_job_that_somebody_disabled() -> None:
    with pytest.raises(SetupError, match="was disabled"):
        why_to_end(job(state="disabled"), "pool-1")


def test_a_job_of_which_nothing_is_known_has_no_reason() -> None:
    assert end_of(BatchJob({"id": RUN, "state": "active"})) == ""
