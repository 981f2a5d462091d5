"""Several pools: a run is on the one that was asked for, and stays there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.azure.conftest import MakeCloud
from tests.azure.world import MIXTURE, SUCCESS, Nodes, World, make_world
from tests.cloud import fixed
from tests.conftest import until

MakePools = Callable[..., World]


@pytest.fixture
def two_pools(make_cloud: MakeCloud, tmp_path: Path) -> MakePools:
    """Make a cloud with the pools `small`, the default, and `big`, and two machines."""

    def make(sources: dict[str, bytes] = SUCCESS) -> World:
        nodes = Nodes()
        nodes.cloud = make_cloud(virtual_tasks=nodes.tasks()).with_pools("small", "big")
        return make_world(nodes.cloud, tmp_path, sources)

    return make


def pools(world: World) -> list[str]:
    """The pools of all jobs, the oldest first."""
    found = sorted(world.cloud.batch.list_jobs(), key=lambda job: str(job.creation_time))
    return [str(job.pool_info and job.pool_info.pool_id).removeprefix("ffmpeg-") for job in found]


def empty(world: World, pool: str) -> None:
    """Take all nodes from *pool*, so that tasks wait there."""
    world.cloud.azure.put_pool(f"ffmpeg-{pool}", taskSlotsPerNode=2, scaleSettings=fixed(0))
    until(lambda: not world.cloud.azure.nodes(f"ffmpeg-{pool}"))


def by_option(world: World) -> tuple[str, ...]:
    return ("--pool", "big")


def by_environment(world: World) -> tuple[str, ...]:
    world.here.environment["RUNNER_POOL"] = "big"
    return ()


def by_settings(world: World) -> tuple[str, ...]:
    (world.here.folder / ".runner.toml").write_text('[convert]\npool = "big"\n')
    return ()


def by_nothing(world: World) -> tuple[str, ...]:
    return ()


@pytest.mark.parametrize(
    ("ask", "used"),
    [(by_option, "big"), (by_environment, "big"), (by_settings, "big"), (by_nothing, "small")],
)
def test_a_run_is_on_the_pool_that_was_asked_for_else_on_the_default_one(
    two_pools: MakePools, ask: Callable[[World], tuple[str, ...]], used: str
) -> None:
    world = two_pools()
    done = world.follow(world.here, "convert", "in", *ask(world))
    assert done.exit_code == 0, done.stderr
    assert f" · on pool ffmpeg-{used} of " in done.stderr
    assert pools(world) == [used]
    assert f", pool {used}  2 files  2 converted" in world.here("status").stdout
    assert f", pool {used}  2 files" in world.here("runs").stdout


def test_a_run_that_was_left_goes_on_with_its_pool_here_and_elsewhere(
    two_pools: MakePools,
) -> None:
    world = two_pools()
    empty(world, "big")
    run = world.do(world.here, "convert", "in", "--pool", "big", "--detach").stdout.strip()
    world.here.environment["RUNNER_POOL"] = "small"  # for runs to come
    job_status = world.here("status").stdout
    assert "nothing is running: the pool has a fixed size of 0" in job_status, "as it is on big"
    world.do(world.here, "convert", "in", "--detach")
    assert pools(world) == ["big"]
    until(lambda: world.cloud.batch.get_pool("ffmpeg-big").allocation_state == "steady")
    world.cloud.azure.put_pool("ffmpeg-big", taskSlotsPerNode=2, scaleSettings=fixed(1))
    done = world.follow(world.there, "attach", run)
    assert done.exit_code == 0, done.stderr
    assert "on pool ffmpeg-big of " in done.stderr
    assert pools(world) == ["big"]
    assert set(world.cloud.attempts().values()) == {1}


def test_a_run_moves_to_another_pool_where_the_command_line_says_so(two_pools: MakePools) -> None:
    world = two_pools()
    empty(world, "small")
    world.do(world.here, "convert", "in", "--detach")
    done = world.follow(world.here, "convert", "in", "--pool", "big")
    assert done.exit_code == 0, done.stderr
    assert pools(world) == ["small", "big"]
    assert sorted(world.cloud.jobs().values()) == ["completed", "completed"]
    assert ", pool big  " in world.here("status").stdout


def test_a_retry_is_on_the_pool_of_its_run_or_on_a_larger_one(two_pools: MakePools) -> None:
    world = two_pools(MIXTURE)
    world.here.environment["RUNNER_POOL"] = "small"
    world.follow(world.here, "convert", "in", "--pool", "big")
    world.follow(world.here, "retry")
    world.follow(world.here, "retry", "--pool", "small")
    assert pools(world) == ["big", "big", "small"]


def test_a_run_whose_pool_is_gone_goes_on_with_the_default_one(two_pools: MakePools) -> None:
    world = two_pools()
    empty(world, "big")
    run = world.do(world.here, "convert", "in", "--pool", "big", "--detach").stdout.strip()
    small = world.cloud.with_outputs(pools=world.cloud.deployment.pools[:1])
    small.environment(world.here.folder / "home")
    done = world.follow(world.here, "attach", run)
    assert done.exit_code == 0, done.stderr
    assert "on pool ffmpeg-small of emulated (westeurope) (resumed here; its pool big is gone)" in (
        done.stderr
    )
    assert pools(world) == ["big", "small"]


def test_a_run_on_any_pool_can_be_cancelled(two_pools: MakePools) -> None:
    world = two_pools()
    world.do(world.here, "convert", "in", "--pool", "big", "--detach")
    assert world.do(world.here, "cancel").exit_code == 0
    until(lambda: list(world.cloud.jobs().values()) == ["completed"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("convert", "in", "--pool", "bigg"),
            "--pool bigg: there is no such pool; there are small",
        ),
        (("doctor", "--pool", "bigg"), "there is no such pool; there are small, big"),
        (
            ("convert", "in", "--pool", "a\x1b[31m"),
            "--pool a\\x1b[31m: use the name of a pool of the stack",
        ),
        (
            ("convert", "in", "--pool", "big", "--where", "local"),
            "--pool big is for Azure, and this run is on this machine (as --where says)",
        ),
    ],
)
def test_a_pool_that_cannot_be_meant_is_one_line(
    two_pools: MakePools, words: tuple[str, ...], said: str
) -> None:
    world = two_pools()
    result = world.here(*words)
    assert (result.exit_code, pools(world)) == (2 if words[0] == "convert" else 4, [])
    assert said in result.stderr + result.stdout
    assert not world.here.destination.exists()


def test_doctor_looks_at_every_pool_or_at_the_one_that_is_named(two_pools: MakePools) -> None:
    world = two_pools()
    world.cloud.azure.delete_pool("ffmpeg-big")
    both = world.here("doctor")
    assert both.exit_code == 4
    assert (
        "ok   pool (small): pool ffmpeg-small of emulated (westeurope), standard_d2ads_v5, the default"
        in both.stdout
    )
    assert "FAIL pool (big): there is no pool ffmpeg-big: run `pulumi up`" in both.stdout
    assert both.stdout.count("  quota: ") == both.stdout.count("  storage: ") == 1
    one = world.here("doctor", "--pool", "small")
    assert (one.exit_code, "big" in one.stdout) == (0, False), one.stdout
