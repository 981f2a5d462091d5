"""What is known of a run's tasks fits into a few bytes each, and comes back as it was."""

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.azure.cleanup import RunCleanup, interrupted_text, left_over_notice
from runner.azure.conversion_index import ConversionIndex, id_of, target_of
from runner.azure.resume import note_attempt
from runner.azure.tasks import ListedTask
from runner.azure.work_items import InFlightTasks, WorkItem
from runner.conversions import Conversions
from runner.followup import FollowUp
from runner.media.pieces import Cut, Piece
from runner.models import Conversion, Event, Plan, Source, State, Step
from runner.presets import BUILT_IN

RUN = "20261126-0900-mossy-otter"
MP3 = BUILT_IN["mp3"].recipe()
MOST_OF_A_TASK = 64
"""Bytes."""


def table(files: int) -> Conversions:
    return Conversions.of(
        Conversion(Source(f"/in/{n:06}.wav", 10**9 + n, n), f"{n:06}.mp3", MP3)
        for n in range(files)
    )


def facts(item: WorkItem | None) -> dict[str, Any]:
    return {name: getattr(item, name) for name in WorkItem.__slots__ if name != "conversions"}


THREE = table(3)
BLOB = f"{RUN}/{THREE[1].id}"
CUT = Cut((Piece(0, 25, 0.0, 1.0), Piece(1, 25, 1.0, None)), 0.0)


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"attempt": 9999, "retried": 7, "job": f"{RUN}--12", "is_added": True},
        {"blob": BLOB, "sent": 0},
        {"blob": f"{BLOB}.wav", "sent": 2**40, "sending": Step("send", 1.5, 3.25)},
        {"is_earlier": True, "is_undecided": True},
        {"cut": CUT},
    ],
)
def test_an_item_comes_back_as_it_was(known: dict[str, Any]) -> None:
    in_flight = InFlightTasks(RUN, THREE)
    item = WorkItem(THREE, 1, **known)
    in_flight.add(item)
    assert facts(in_flight.find(item.task)) == facts(item)
    assert facts(in_flight.take(item.task)) == facts(item)
    assert in_flight.take(item.task) is None
    assert (len(in_flight), in_flight.undecided, in_flight.jobs()) == (0, 0, set())


@pytest.mark.parametrize(
    "task", [f"{THREE[1].id}-a2", f"{THREE[0].id}-a1", f"{'0' * 24}-a1", "somebody-else's"]
)
def test_only_the_attempt_that_was_added_is_found(task: str) -> None:
    in_flight = InFlightTasks(RUN, THREE)
    in_flight.add(WorkItem(THREE, 1))
    assert in_flight.find(task) is in_flight.take(task) is None
    assert len(in_flight) == 1


def test_each_job_is_counted_by_what_is_known_to_be_in_it() -> None:
    in_flight = InFlightTasks(RUN, THREE)
    items = [WorkItem(THREE, index, job="a") for index in range(3)]
    for item in items:
        in_flight.add(item)
    assert not in_flight.are_added_to("a")
    in_flight.added(items[0])
    in_flight.added(items[0])
    assert in_flight.are_added_to("a")
    items[1].job = "b"  # as the first one had ended
    in_flight.add(items[1])
    assert (in_flight.jobs(), len(in_flight)) == ({"a", "b"}, 3)
    in_flight.take(items[0].task)
    assert not in_flight.are_added_to("a")
    in_flight.added(items[0])  # it has ended before the service's answer came
    assert not in_flight.are_added_to("a")
    in_flight.take(items[2].task)
    assert in_flight.jobs() == {"b"}


def test_the_time_of_pieces_goes_with_their_film_and_not_with_its_next_attempt() -> None:
    in_flight = InFlightTasks(RUN, THREE)
    item = WorkItem(THREE, 1, cut=CUT)
    in_flight.add(item)
    in_flight.piece_took(item.task, f"{item.task}-p0", 2.0)
    in_flight.piece_took(item.task, f"{item.task}-p0", 2.5)
    in_flight.piece_took(THREE[0].id + "-a1", "not in flight", 1.0)
    taken = in_flight.take(item.task)
    assert taken
    assert taken.pieces_seconds == {f"{item.task}-p0": 2.5}
    again = taken.again()
    in_flight.add(again)
    assert facts(in_flight.take(again.task)) == facts(again)


@pytest.mark.parametrize(("cut", "tasks"), [(None, 1), (CUT, 3)])
def test_an_attempt_takes_a_task_for_each_piece_and_one_for_the_result(
    cut: Cut | None, tasks: int
) -> None:
    assert WorkItem(THREE, 1, cut=cut).tasks == tasks


@pytest.mark.parametrize(("blob", "sent"), [(BLOB, 0), ("", None)])
def test_a_retry_has_the_next_number_and_sends_no_source_that_is_there(
    blob: str, sent: int | None
) -> None:
    item = WorkItem(THREE, 1, attempt=3, retried=1, blob=blob, sent=17, job="a", is_earlier=True)
    assert facts(item.again()) == facts(
        WorkItem(THREE, 1, attempt=4, retried=2, blob=blob, sent=sent)
    )


def test_a_command_that_goes_on_has_all_its_retries_and_sends_no_source_that_is_there() -> None:
    in_flight = InFlightTasks(RUN, THREE)
    in_flight.note(WorkItem(THREE, 1, attempt=3, retried=2, blob=BLOB, sent=17, job="a"))
    expected = WorkItem(THREE, 1, attempt=4, blob=BLOB, sent=17)
    assert facts(in_flight.next_attempt(1)) == facts(expected)
    assert facts(in_flight.next_attempt(2)) == facts(WorkItem(THREE, 2, attempt=1, sent=0))


ONE = THREE[1].id


@pytest.mark.parametrize(
    ("listed", "known"),
    [
        # of several attempts the last one counts, and of one that is in two jobs the later job
        ([(f"{ONE}-a1", "a", True, False), (f"{ONE}-a2", "a", True, False)], (2, "a", True, False)),
        ([(f"{ONE}-a2", "a", True, False), (f"{ONE}-a1", "b", True, False)], (2, "a", True, False)),
        (
            [(f"{ONE}-a1", "a", False, False), (f"{ONE}-a1", "b", True, False)],
            (1, "b", True, False),
        ),
        # one that waits in a job that has ended never runs, so it is submitted again
        ([(f"{ONE}-a1", "a", False, False)], (1, "a", False, False)),
        ([(f"{ONE}-a1", "a", False, True)], (1, "a", False, False)),
        # one that was cut off may have another attempt
        ([(f"{ONE}-a1", "a", True, True)], (1, "a", True, True)),
        ([(f"{ONE}-a1", "a", True, True), (f"{ONE}-a2", "a", True, False)], (2, "a", True, False)),
        # and these are nobody's
        (
            [(f"{'0' * 24}-a1", "a", True, False), ("somebody-else's", "a", True, False)],
            (0, "", False, False),
        ),
    ],
)
def test_a_command_that_goes_on_finds_the_newest_attempt(
    listed: list[tuple[str, str, bool, bool]], known: tuple[int, str, bool, bool]
) -> None:
    in_flight = InFlightTasks(RUN, THREE)
    for task, job, will_end, cut_off in listed:
        note_attempt(in_flight, job, ListedTask(task, will_end, cut_off), will_end=will_end)
    item = in_flight.known(1)
    assert (item.attempt, item.job, item.is_added, item.is_undecided) == known
    assert [in_flight.known(index).attempt for index in (0, 2)] == [0, 0]


@pytest.mark.parametrize(
    ("state", "uncollected", "same", "older"),
    [
        (State.CONVERTED, False, True, True),
        (State.FAILED, False, True, False),
        # its result stays in storage, for whoever takes it
        (State.FAILED, True, False, False),
        (None, False, False, False),
    ],
)
def test_storage_keeps_what_somebody_may_still_collect(
    state: State | None, uncollected: bool, same: bool, older: bool
) -> None:
    cleanup = RunCleanup(InFlightTasks(RUN, THREE), [])
    if state:
        cleanup.note(Event(conversion=THREE[1], state=state, uncollected=uncollected))
    before = replace(THREE[1], source=replace(THREE[1].source, mtime_ns=99))
    # another version of the source has the same target, which was made of the newer one
    assert (cleanup.is_done(THREE[1]), cleanup.is_done(before)) == (same, older)
    assert not cleanup.is_done(THREE[0])
    stranger = Conversion(Source("/in/other.wav", 1, 1), "other.mp3", MP3)
    cleanup.note(Event(conversion=stranger, state=State.CONVERTED))
    assert not cleanup.is_done(stranger)


def test_storage_keeps_nothing_of_what_was_done_before() -> None:
    cleanup = RunCleanup(
        InFlightTasks(RUN, THREE), [Conversion(Source("/in/x", 1, 1), "X.mp3", MP3)]
    )
    assert cleanup.is_done(Conversion(Source("/in/x", 1, 1), "elsewhere.mp3", MP3)) is False
    assert cleanup.is_done(Conversion(Source("/in/x", 1, 1), "X.mp3", MP3))
    assert cleanup.is_done(Conversion(Source("/in/x", 2, 2), "x.mp3", MP3)), "it is the same file"


@pytest.mark.parametrize(
    ("going_on", "ended", "said"),
    [
        (0, 0, "stopped; nothing is running on Azure; run the same command again to continue"),
        (
            1,
            0,
            "stopped here; 1 task still running on Azure: collect it with `runner attach run`, or cancel the run with `runner cancel run`",
        ),
        (0, 2, "stopped here; 2 tasks done there: collect them with `runner attach run`"),
        (
            2,
            1,
            "stopped here; 2 tasks still running on Azure, 1 task done there: collect them with `runner attach run`, or cancel the run with `runner cancel run`",
        ),
    ],
)
def test_who_stops_is_told_what_goes_on_without_him(going_on: int, ended: int, said: str) -> None:
    assert interrupted_text(going_on, ended, "run", FollowUp()) == said


@pytest.mark.parametrize("is_there", [True, False])
def test_what_is_left_on_azure_comes_with_the_command_that_collects_it(
    is_there: bool, tmp_path: Path
) -> None:
    if is_there:
        (tmp_path / THREE[2].target).touch()
    notice = left_over_notice(THREE, Plan("run", tmp_path, tuple(THREE)), FollowUp())
    assert notice.uncollected == 3
    assert ("--overwrite always" in notice.message) is is_there, notice.message
    assert notice.message.startswith("3 files of run run left on Azure")


def test_a_million_tasks_in_flight_take_64_mb_on_top_of_the_plan() -> None:
    few, many = (in_flight_bytes(table(files)) for files in (2_050, 4_100))
    assert (many - few) / 2_050 < MOST_OF_A_TASK


def in_flight_bytes(conversions: Conversions) -> int:
    tracemalloc.start()
    in_flight = InFlightTasks(RUN, conversions)
    for index, conversion in enumerate(conversions):
        sending = Step("send", 1.5 + index, 3.5 + index)
        item = WorkItem(
            conversions, index, blob=f"{RUN}/{conversion.id}.wav", sent=index, sending=sending
        )
        item.job = f"{RUN}--{index // 4_000}"
        in_flight.add(item)
        in_flight.added(item)
        assert in_flight.find(item.task)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held


@pytest.mark.parametrize("files", [0, 1, 2, 1000])
def test_each_conversion_is_found_by_its_id_and_by_its_target(files: int) -> None:
    conversions = table(files)
    ids, targets = ConversionIndex(conversions, id_of), ConversionIndex(conversions, target_of)
    assert [ids.find(conversion.id) for conversion in conversions] == list(range(files))
    assert [targets.find(target_of(conversion)) for conversion in conversions] == [*range(files)]
    others = [Conversion(Source("/in/other.wav", 1, n), f"other {n}", MP3) for n in range(50)]
    assert {ids.find(other.id) for other in others} == {None}
    assert {targets.find(target_of(other)) for other in others} == {None}
