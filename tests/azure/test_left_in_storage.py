"""What lies in `input` after each way in which a run ends: what is needed, and after it nothing."""

import signal
import threading
from collections.abc import Callable

import pytest

from runner.azure.jobs import Jobs
from tests.azure.conftest import MakeWorld
from tests.azure.world import MIXTURE, SUCCESS, World
from tests.cloud import POOL
from tests.conftest import needs_links, until

# as the uploads are one after the other, a part of them is there
CONVERT = ("convert", "in", "--transfers", "1")


def while_uploading(world: World) -> None:
    until(lambda: len(world.cloud.stored("input")) >= 2)


def while_following(world: World) -> None:
    until(lambda: len(world.cloud.tasks()) == len(MIXTURE))


def while_collecting(world: World) -> None:
    while_following(world)
    world.end_some_tasks()
    until(lambda: world.collected)


# `kill -9` while collecting is with the true conversions, in test_killing: what was not written down
# is compared with its source
@pytest.mark.parametrize(
    ("moment", "number"),
    [
        *((while_uploading, n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)),
        *((while_following, n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)),
        *((while_collecting, n) for n in (signal.SIGINT, signal.SIGTERM)),
    ],
)
def test_after_a_run_that_was_cut_off_and_taken_up_nothing_is_left(
    make_a_world: MakeWorld, moment: Callable[[World], None], number: signal.Signals
) -> None:
    world = make_a_world(MIXTURE)
    process = world.here.start(*CONVERT)
    moment(world)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGKILL), errors
    world.look().check_that_no_source_is_left_behind()
    assert world.follow(world.here, *CONVERT).exit_code == 1, "one file is bad"
    assert len(world.collected) == 2
    assert not world.cloud.stored("input")
    assert set(world.cloud.attempts().values()) == {1}


@needs_links
def test_a_result_that_cannot_be_written_here_is_not_made_again(make_a_world: MakeWorld) -> None:
    world = make_a_world(SUCCESS)
    command = (*CONVERT, "--name", "sub/{stem}{ext}")
    world.do(world.here, *command, "--detach")
    world.end_tasks()
    loop = world.here.destination / "sub"
    loop.symlink_to(loop)
    done = world.follow(world.here, *command)
    assert done.exit_code == 1
    assert "cannot write sub/a.mp3: too many levels of symbolic links" in done.stderr
    assert set(world.cloud.attempts().values()) == {1}
    loop.unlink()
    world.collect_all()
    assert len(world.collected) == 2


def test_after_fail_fast_the_rest_can_be_collected(make_a_world: MakeWorld) -> None:
    world = make_a_world({**MIXTURE, "b.wav": b"bad b, which is the longest and comes first"})
    # all is submitted before the first one fails
    assert world.do(world.here, *CONVERT, "--detach").exit_code == 0
    stopped = world.follow(world.here, *CONVERT, "--fail-fast", "1")
    assert "stopped after 1 failed file (--fail-fast)" in stopped.stderr
    world.collect_all()


def test_after_somebody_ended_the_job_the_same_command_leaves_nothing(
    make_a_world: MakeWorld,
) -> None:
    world = make_a_world(MIXTURE)

    def end_it() -> None:
        while_collecting(world)
        (job,) = world.cloud.jobs()
        Jobs(world.cloud.batch, POOL).terminate(job, "by an admin")

    ending = threading.Thread(target=end_it)
    ending.start()
    stopped = world.do(world.here, *CONVERT)
    ending.join()
    assert stopped.exit_code == 5
    left = len(MIXTURE) - len(world.collected)
    assert f"was ended (by an admin) with {left} file" in stopped.error
    assert world.cloud.stored("input"), "what is left is to be submitted again"
    assert world.follow(world.here, *CONVERT).exit_code == 1
    assert not world.cloud.stored("input")


def test_where_only_a_part_was_asked_for_the_rest_stays(make_a_world: MakeWorld) -> None:
    world = make_a_world(MIXTURE)
    world.do(world.here, *CONVERT, "--detach")
    world.end_tasks()
    part = world.do(world.here, *CONVERT, "--include", "a.*")
    assert part.exit_code == 0
    assert "2 files of run" in part.stderr
    assert len(world.cloud.stored("input")) == 3, "the plan, and two sources"
    assert world.do(world.here, *CONVERT).exit_code == 1
    assert not world.cloud.stored("input")


def test_a_source_that_changed_leaves_nothing_of_what_it_was(make_a_world: MakeWorld) -> None:
    world = make_a_world(MIXTURE)
    world.do(world.here, *CONVERT, "--detach")
    world.end_tasks()
    (world.here.folder / "in" / "a.wav").write_bytes(b"good a, made better")
    world.here(*CONVERT, "--detach")
    world.end_tasks()
    assert world.here(*CONVERT).exit_code == 1
    assert {b"made of good a, made better", b"made of good c"} == world.collected
    assert not world.cloud.stored("input")


def test_a_run_of_which_all_failed_here_leaves_nothing(make_a_world: MakeWorld) -> None:
    world = make_a_world({"empty.wav": b""})
    assert world.do(world.here, *CONVERT).exit_code == 1
    assert not world.cloud.stored("input")
