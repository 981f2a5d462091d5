"""`kill -9` of a runner whose run takes several jobs, then the same command: each task is in one job, and all jobs end."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from tests.azure.conftest import MakeWorld, plan_of
from tests.azure.test_soak import tasks_that_end
from tests.azure.world import World, made_of
from tests.cloud import Cloud
from tests.conftest import tree, until

MOST = 3
"""Tasks a job."""
SOURCES = {f"{number}.wav": b"good %d" % number for number in range(7)}
RESULTS = {name.replace(".wav", ".mp3"): made_of(source) for name, source in SOURCES.items()}


@dataclass(frozen=True)
class Moment:
    """When the runner is killed: what keeps it from getting any further, and how one sees that it is there."""

    hold: Callable[[World], None]
    wait: Callable[[Cloud], None]


def hold_back_a_task(world: World) -> None:
    last = plan_of(world.here.folder / "in", world.here.destination).conversions[-1]
    world.cloud.fault("add_task", f"{last.id}-a1", status=503, times=None)


def until_all_others_are_there(cloud: Cloud) -> None:
    until(lambda: len(cloud.tasks()) == len(SOURCES) - 1)
    until(lambda: len(cloud.jobs()) > 1)


def hold_back_the_end_of_a_job(world: World) -> None:
    world.cloud.fault("status", "update_job", status=503, times=None)


def until_a_full_one_should_end(cloud: Cloud) -> None:
    until(lambda: refused(cloud, "update_job"))
    assert set(cloud.jobs().values()) == {"active"}


def hold_back_the_first_tasks(world: World) -> None:
    world.cloud.fault("slow", "create_task_collection", seconds=1.5)


def until_there_should_be_a_second_job(cloud: Cloud) -> None:
    until(cloud.jobs)
    cloud.fault("status", "create_job", status=503, times=None)
    until(lambda: refused(cloud, "create_job"))
    # what was sent before the kill has arrived, or the service would add it to the full job afterwards
    until(lambda: 0 not in answers(cloud, "create_task_collection"))
    assert len(cloud.jobs()) == 1


def refused(cloud: Cloud, operation: str) -> bool:
    return 503 in answers(cloud, operation)


def answers(cloud: Cloud, operation: str) -> list[int]:
    """The status of each answer; 0 where there is none yet."""
    return [seen.status for seen in cloud.azure.requests if seen.operation == operation]


MOMENTS = {
    "the second job is being filled": Moment(hold_back_a_task, until_all_others_are_there),
    "a full job has not been ended": Moment(
        hold_back_the_end_of_a_job, until_a_full_one_should_end
    ),
    "there is no second job yet": Moment(
        hold_back_the_first_tasks, until_there_should_be_a_second_job
    ),
}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_a_run_of_several_jobs_goes_on_where_it_was_killed(
    make_a_world: MakeWorld, moment: Moment
) -> None:
    world = make_a_world(SOURCES)
    machine = replace(world.here, pace={"tasks_per_job": MOST})
    moment.hold(world)
    process = machine.start("convert", "in", "--transfers", "1")  # in the order of the plan
    moment.wait(world.cloud)
    process.kill()
    process.communicate()
    world.cloud.azure.faults.clear()
    with tasks_that_end(world):
        again = machine("convert", "in")
    assert f"{len(SOURCES)} converted" in again.stderr
    assert tree(machine.destination) == RESULTS
    jobs = world.cloud.jobs()
    tasks = [len(list(world.cloud.batch.list_tasks(job))) for job in jobs]
    assert world.cloud.attempts() == dict.fromkeys(world.cloud.attempts(), 1)
    assert sum(tasks) == len(SOURCES)
    assert max(tasks) <= MOST
    until(lambda: set(world.cloud.jobs().values()) == {"completed"})
    assert world.cloud.stored("input") == {}
    assert f"{len(SOURCES)} up to date" in machine("convert", "in").stderr
    assert world.cloud.jobs().keys() == jobs.keys()
