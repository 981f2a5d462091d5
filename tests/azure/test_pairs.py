"""Any two commands about one run, in any order: what is paid for is collected, or can be."""

import os
import re
import signal
import threading
from collections.abc import Callable

import pytest

from runner.azure.session import Session
from tests.azure.conftest import MakeWorld
from tests.azure.world import FAILURE, FOREIGN, MIXTURE, SUCCESS, Machine, World, made_of
from tests.conftest import Result, until

# --- the moments: what was done before, and how far that has come --------------------------------


def nothing(world: World) -> None:
    """The first command is yet to come."""


def running(world: World) -> None:
    done = world.do(world.here, "convert", "in", "--detach", "--transfers", "1")
    world.run = done.stdout.strip()
    until(lambda: world.running)


def half_way(world: World) -> None:
    running(world)
    world.end_some_tasks(least=min(2, len(list((world.here.folder / "in").iterdir()))))


def over(world: World) -> None:
    running(world)
    world.end_tasks()


def kept(world: World) -> None:
    """All is over, and meanwhile something got the name of each result."""
    over(world)
    for machine in (world.here, world.there):
        machine.destination.mkdir(exist_ok=True)
        for name in ("a.mp3", "c.mp3"):
            (machine.destination / name).write_bytes(FOREIGN)


def interrupted(world: World) -> None:
    """Somebody pressed Ctrl-C when a part was collected."""

    def press() -> None:
        until(lambda: len(world.cloud.tasks()) == len(list((world.here.folder / "in").iterdir())))
        world.end_some_tasks()
        until(lambda: world.collected)
        os.kill(os.getpid(), signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    done = world.do(world.here, "convert", "in", "--transfers", "1")
    pressing.join()
    assert done.exit_code == 130
    (world.run,) = world.cloud.jobs()


def collected(world: World) -> None:
    over(world)
    world.do(world.here, "attach", world.run)


def collected_there(world: World) -> None:
    over(world)
    world.do(world.there, "attach", world.run)


def cancelled(world: World) -> None:
    half_way(world)
    world.do(world.here, "cancel", world.run)


def cancelled_there(world: World) -> None:
    half_way(world)
    world.do(world.there, "cancel", world.run)


def cancelled_when_over(world: World) -> None:
    over(world)
    world.do(world.here, "cancel", world.run)


def retried(world: World) -> None:
    collected(world)
    world.do(world.here, "retry", "--detach")


def cleaned(world: World) -> None:
    over(world)
    world.do(world.here, "clean", world.run)


def second(
    world: World, machine: Machine, command: str, give: Callable[..., Result] | None = None
) -> Result:
    """Give the second *command*; one that waits for tasks has them come to their end."""
    waits = give or world.follow
    if command == "convert":
        return waits(machine, "convert", "in")
    if command == "attach":
        return waits(machine, "attach", world.run)
    words = {"detach": ("convert", "in", "--detach"), "retry": ("retry", "--detach")}
    return world.do(machine, *words.get(command, (command, world.run)))


# --- the table: exit codes of the second command, given here, and by somebody elsewhere ----------

HERE = ("convert", "detach", "attach", "retry", "cancel", "clean")
THERE = ("convert", "attach", "cancel")
TABLE: tuple[tuple[Callable[[World], None], tuple[int, ...], tuple[int, ...]], ...] = (
    (nothing, (1, 0, 4, 2, 4, 0), (1, 4, 4)),
    (running, (1, 0, 1, 3, 0, 0), (1, 1, 0)),
    (over, (1, 0, 1, 3, 0, 0), (1, 1, 0)),
    (kept, (1, 1, 1, 3, 0, 0), (1, 1, 0)),
    (interrupted, (1, 0, 1, 3, 0, 0), (1, 1, 0)),
    (collected, (1, 0, 4, 0, 0, 0), (1, 4, 0)),
    (collected_there, (1, 0, 4, 3, 0, 0), (1, 4, 0)),
    (cancelled, (1, 0, 0, 3, 0, 0), (1, 0, 0)),
    (cancelled_there, (1, 0, 0, 3, 0, 0), (1, 0, 0)),
    (cancelled_when_over, (1, 0, 1, 3, 0, 0), (1, 1, 0)),
    (retried, (1, 0, 4, 3, 0, 0), (1, 4, 0)),
    (cleaned, (1, 0, 4, 2, 4, 2), (1, 4, 4)),
)
REFUSED = (2, 3, 4)
"""The exit codes of a command that finds nothing to do, and so changes nothing."""
Command = tuple[str, str, int]
"""Where it is given, what it is, and its exit code."""


def commands_after(here: tuple[int, ...], there: tuple[int, ...]) -> list[list[Command]]:
    """What is given after a moment, one list for each world: refused ones need none of their own.

    As they leave all as it was, whatever comes next meets what it would meet without them.
    """
    given = [
        (where, command, code)
        for where, commands, codes in (("here", HERE, here), ("there", THERE, there))
        for command, code in zip(commands, codes, strict=True)
    ]
    refused = [each for each in given if each[2] in REFUSED]
    first, *others = (each for each in given if each[2] not in REFUSED)
    return [[*refused, first], *([each] for each in others)]


CELLS = [
    pytest.param(
        moment,
        commands,
        id="-".join([moment.__name__, *(f"{command}.{where}" for where, command, _ in commands)]),
    )
    for moment, here, there in TABLE
    for commands in commands_after(here, there)
]


@pytest.mark.parametrize(("moment", "commands"), CELLS)
def test_what_is_paid_for_is_collected_or_can_be(
    make_a_world: MakeWorld, moment: Callable[[World], None], commands: list[Command]
) -> None:
    world = make_a_world(MIXTURE)
    moment(world)
    for where, command, code in commands:
        machine: Machine = getattr(world, where)
        if code in REFUSED:
            before = what_is_there(world)
            done = second(world, machine, command, give=world.do)  # no task ends meanwhile
            assert what_is_there(world) == before, f"{command} {where} is refused, and acts"
        else:
            done = second(world, machine, command)
        # who detaches may be so quick, or the poller: what is over then waits for `attach`, or is collected
        either = command == "detach" and moment in (over, cancelled_when_over)
        assert done.exit_code in ((code, 1) if either else (code,)), (command, where, done.stderr)
    world.collect_all()


def what_is_there(world: World) -> tuple[object, ...]:
    """What a command that is refused leaves as it was."""
    cloud = world.cloud
    return cloud.attempts(), cloud.listed("input"), cloud.listed("output"), world.files


@pytest.mark.parametrize(("sources", "code"), [(SUCCESS, 0), (FAILURE, 1)], ids=["good", "bad"])
@pytest.mark.parametrize("command", ["convert", "attach", "cancel"])
@pytest.mark.parametrize("moment", [running, over])
def test_so_it_is_where_all_succeed_or_all_fail(
    make_a_world: MakeWorld,
    moment: Callable[[World], None],
    command: str,
    sources: dict[str, bytes],
    code: int,
) -> None:
    world = make_a_world(sources)
    moment(world)
    done = second(world, world.here, command)
    assert done.exit_code == (0 if command == "cancel" else code), done.stderr
    world.collect_all()


# --- what is said --------------------------------------------------------------------------------


def test_an_attach_that_keeps_what_is_there_says_what_replaces_it(make_a_world: MakeWorld) -> None:
    world = make_a_world(MIXTURE)
    kept(world)
    done = world.do(world.here, "attach", world.run, "-o", "out")
    attach = f"runner attach {world.run} --overwrite always -o out"
    assert f"2 files of run {world.run} left on Azure, because files here were kept" in done.stderr
    assert f"replace those with `{attach}`" in done.stderr
    assert "collect the results" in world.do(world.here, "status").stdout, "it is not finished"
    again = world.do(world.here, *attach.split()[1:])
    assert again.exit_code == 0, again.stderr
    assert {made_of(b"good a"), made_of(b"good c")} <= world.collected
    assert not world.look().plans


def test_cancel_says_how_many_results_wait_and_what_collects_them(
    make_a_world: MakeWorld,
) -> None:
    world = make_a_world(MIXTURE)
    half_way(world)
    done = world.do(world.here, "cancel", world.run, "-o", "out")
    assert done.stderr == (
        f"run {world.run} cancelled; collect its 2 results in storage with "
        f"`runner attach {world.run} -o out`\n"
    )
    assert list(world.cloud.stored("input")) == [f"{world.run}/plan.jsonl.gz"]
    status = world.do(world.here, "status").stdout
    assert "interrupted" in status
    assert "the same command" not in status
    assert world.do(world.here, "attach").exit_code == 0
    assert (
        world.do(world.here, "cancel", world.run).stderr == f"run {world.run} had already ended\n"
    )


def test_a_detached_run_submits_what_somebody_cancelled_elsewhere_before_it_leaves(
    make_a_world: MakeWorld,
) -> None:
    world = make_a_world(MIXTURE)
    cancelled_there(world)
    world.do(world.here, "convert", "in", "--detach")
    assert sorted(world.cloud.attempts().values()) == [1, 1, 2], "what was cut off runs again"


def test_cancel_of_a_run_that_is_over_leaves_it_to_be_collected(make_a_world: MakeWorld) -> None:
    world = make_a_world(MIXTURE)
    over(world)
    before = world.cloud.stored("input")
    done = world.do(world.here, "cancel", world.run)
    assert done.stderr == (
        f"run {world.run} had already ended; collect its 2 results in storage with "
        f"`runner attach {world.run}`\n"
    )
    assert world.cloud.stored("input") == before
    converted = world.do(world.here, "convert", "in")
    assert "3 files: 2 converted, 1 failed" in converted.stderr
    assert set(world.cloud.attempts().values()) == {1}, "collected, and not made anew"


def test_clean_counts_the_results_that_nobody_has(make_a_world: MakeWorld) -> None:
    world = make_a_world(MIXTURE)
    over(world)
    done = world.do(world.here, "clean", world.run)
    assert done.stderr.endswith(", with 2 results that had not been collected\n")
    collected(world)
    done = world.do(world.here, "clean", world.run)
    assert "nobody" not in done.stderr


def test_a_clean_start_leaves_what_nobody_has_collected(make_a_world: MakeWorld) -> None:
    world = make_a_world(SUCCESS)
    over(world)
    world.here.folder.joinpath("in").rename(world.here.folder / "old")
    (world.here.folder / "in").mkdir()
    (world.here.folder / "in" / "d.wav").write_bytes(b"good d")
    done = world.follow(world.here, "convert", "in", "--clean-start")
    assert f"kept run {world.run}: collect its 2 results with `runner attach {world.run}`" in (
        done.stderr
    )
    assert world.do(world.here, "attach", world.run).exit_code == 0


def test_a_runner_that_follows_a_cancelled_run_does_not_take_it_up_again(
    make_a_world: MakeWorld,
) -> None:
    world = make_a_world(MIXTURE)

    def cancel() -> None:
        until(lambda: len(world.cloud.tasks()) == 3)
        world.end_some_tasks(least=2)
        until(lambda: len(world.collected) == 2)
        Session(world.cloud.deployment).cancel(next(iter(world.cloud.jobs())), lambda _: True)

    cancelling = threading.Thread(target=cancel)
    cancelling.start()
    done = world.do(world.here, "convert", "in", "--transfers", "1")
    cancelling.join()
    (run,) = world.cloud.jobs()
    assert done.exit_code == 130
    assert done.stderr.endswith(f"Error: run {run} was cancelled with 1 file left\n")
    assert not world.cloud.stored("input")
    (line,) = world.do(world.here, "runs").stdout.splitlines()
    assert re.fullmatch("2 converted in .*; interrupted", line.split("  ")[3]), line
    world.follow(world.here, "convert", "in")
    assert len(world.cloud.jobs()) == 2, "the same command begins anew, with what is left"


@pytest.mark.parametrize("command", ["attach", "convert", "retry"])
def test_a_result_that_is_out_of_date_is_replaced_by_whichever_command_collects_it(
    make_a_world: MakeWorld, command: str
) -> None:
    world = make_a_world(SUCCESS)
    collected(world)
    (world.here.folder / "in" / "a.wav").write_bytes(b"bad a" if command == "retry" else b"new a")
    target = world.here.destination / "a.mp3"
    if command == "retry":
        assert world.follow(world.here, "convert", "in").exit_code == 1
        (world.here.folder / "in" / "a.wav").write_bytes(b"new a")
    else:
        assert world.do(world.here, "convert", "in", "--detach").exit_code == 0
    assert target.read_bytes() == made_of(b"good a"), "it stays until the new one is here"
    words = {"attach": ("attach",), "convert": ("convert", "in"), "retry": ("retry",)}
    done = world.follow(world.here, *words[command])
    assert done.exit_code == 0, done.stderr
    assert target.read_bytes() == made_of(b"new a")


def test_an_old_result_that_somebody_changes_before_it_is_collected_is_kept(
    make_a_world: MakeWorld,
) -> None:
    world = make_a_world(SUCCESS)
    collected(world)
    (world.here.folder / "in" / "a.wav").write_bytes(b"new a")
    world.do(world.here, "convert", "in", "--detach")
    target = world.here.destination / "a.mp3"
    target.write_bytes(FOREIGN)
    done = world.follow(world.here, "attach")
    assert done.exit_code == 1
    assert "it was changed after it was made; --overwrite always replaces it" in done.stderr
    assert target.read_bytes() == FOREIGN
    world.collect_all()
    assert target.read_bytes() == made_of(b"new a"), "so the command that was printed asks for"
