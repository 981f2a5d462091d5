"""When a run stops before its end, and what it leaves for the same command. Nothing is converted."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from runner.engine import Stop
from runner.errors import (
    InterruptedRunError,
    RunCancelledError,
    RunnerError,
    SetupError,
    UsageError,
)
from runner.existing import Existing
from runner.ledger import Ledger
from runner.models import Conversion, Event, Failure, Kind, LeftOut, Notice, Plan, Source, State
from runner.options import RunOptions
from runner.runs import Run, convert
from tests.runner.programs import recipe

CONVERTED = None
"""The end of a file that did not fail."""


@dataclass
class Recited:
    """An engine whose conversions end as they are told to, one after the other."""

    ends: list[Kind | None]
    ended: int = 0

    def run(self, plan: Plan, stop: Stop) -> Generator[Event | Notice, None, None]:
        for conversion, kind in zip(plan.conversions, self.ends, strict=True):
            if stop.gently:
                return
            self.ended += 1
            yield Event(conversion=conversion, state=State.RUNNING)
            if kind is None:
                yield Event(conversion=conversion, state=State.CONVERTED)
            else:
                failure = Failure(kind, f"its {kind.value}")
                end = Event(conversion=conversion, state=State.FAILED, failure=failure)
                yield replace(end, log="what ffmpeg said")


@pytest.fixture
def ledger(destination: Path) -> Iterator[Ledger]:
    with Ledger.open(destination) as opened:
        yield opened


def planned(ledger: Ledger, files: int) -> Plan:
    conversions = (
        Conversion(Source(f"/in/{n}.mp4", 100, 1), f"{n}.mp3", recipe()) for n in range(files)
    )
    return Plan("20261122-1412-mossy-otter", ledger.destination, tuple(conversions))


def carry_out(
    ledger: Ledger, ends: list[Kind | None], *, plan: Plan | None = None, **options: int
) -> tuple[int, RunnerError | None]:
    """How many files came to their end, and what the run was ended with."""
    engine = Recited(ends)
    plan = plan or planned(ledger, len(ends))
    run = Run(plan=plan, backend="local", command="", options=RunOptions(**options))  # type: ignore[arg-type] # numbers only
    try:
        convert(run, engine, Existing(ledger), lambda _: None, Stop())
    except RunnerError as error:
        return engine.ended, error
    return engine.ended, None


@pytest.mark.parametrize(
    ("ends", "ended"),
    [
        ([Kind.SETTINGS] * 9, 3),
        ([Kind.SETTINGS] * 2, 2),
        ([Kind.SETTINGS], 1),
        ([CONVERTED, *[Kind.SETTINGS] * 8], None),
        ([Kind.SETTINGS, Kind.SETTINGS, CONVERTED, *[Kind.SETTINGS] * 3], None),
        ([Kind.SETTINGS, Kind.SETTINGS, Kind.INPUT, Kind.SETTINGS, Kind.SETTINGS], None),
        ([Kind.INPUT] * 9, None),
        ([Kind.TIMEOUT] * 9, None),
    ],
)
def test_the_first_three_files_that_settings_fail_end_the_run(
    ends: list[Kind | None], ended: int | None, ledger: Ledger
) -> None:
    count, error = carry_out(ledger, ends)
    assert count == (ended or len(ends))
    assert isinstance(error, UsageError) is (ended is not None)
    assert error is None or str(error) == "every file failed with the same error: its settings"


def test_a_file_with_an_impossible_name_is_not_one_of_the_three(ledger: Ledger) -> None:
    plan = planned(ledger, 6)
    failure = Failure(Kind.NAME, "no name")
    left_out = tuple(LeftOut(conversion, failure) for conversion in plan.conversions[:2])
    plan = replace(plan, conversions=plan.conversions[2:], left_out=left_out)
    count, error = carry_out(ledger, [Kind.SETTINGS] * 4, plan=plan)
    assert (count, isinstance(error, UsageError)) == (3, True)


@pytest.mark.parametrize("earlier", [0, 1, 4])
def test_one_fault_of_the_environment_ends_the_run(earlier: int, ledger: Ledger) -> None:
    ends = [*[CONVERTED] * earlier, Kind.ENVIRONMENT, CONVERTED, CONVERTED]
    count, error = carry_out(ledger, ends)
    assert count == earlier + 1
    assert isinstance(error, SetupError)
    assert str(error) == "its environment: fix that, then run the same command again"


@pytest.mark.parametrize(
    ("ends", "fail_fast", "ended"),
    [
        ([Kind.INPUT, CONVERTED, Kind.TIMEOUT, CONVERTED], 1, 1),
        ([Kind.INPUT, CONVERTED, Kind.TIMEOUT, CONVERTED], 2, 3),
        ([Kind.INPUT, CONVERTED, Kind.TIMEOUT, CONVERTED], 3, 4),
    ],
)
def test_fail_fast_counts_all_failures_and_nothing_else(
    ends: list[Kind | None], fail_fast: int, ended: int, ledger: Ledger
) -> None:
    count, error = carry_out(ledger, ends, fail_fast=fail_fast)
    assert count == ended
    assert (error is not None) is (ended < len(ends))
    assert error is None or f"stopped after {fail_fast} failed files" in str(error)


@pytest.mark.parametrize(
    ("ends", "unfinished"),
    [
        ([CONVERTED, Kind.INPUT, Kind.TIMEOUT], False),
        # it is the last one: all have come to their end, and yet the same command has something to do
        ([CONVERTED, CONVERTED, Kind.ENVIRONMENT], True),
        ([CONVERTED, Kind.ENVIRONMENT, CONVERTED], True),
    ],
)
def test_a_run_is_over_when_the_same_command_has_nothing_to_do(
    ends: list[Kind | None], unfinished: bool, ledger: Ledger
) -> None:
    carry_out(ledger, ends)
    (run,) = ledger.runs()
    assert run.unfinished is unfinished
    assert run.failed == len([end for end in ends if end])


def test_a_failure_that_is_known_from_before_counts_for_no_stop(ledger: Ledger) -> None:
    plan = planned(ledger, 4)
    existing = Existing(ledger, made_with="this ffmpeg")
    run = Run(plan=plan, backend="local", command="")
    first = Recited([Kind.INPUT, Kind.INPUT, CONVERTED, CONVERTED])
    convert(run, first, existing, lambda _: None, Stop())
    again = Recited([Kind.SETTINGS, Kind.SETTINGS])
    run = replace(run, options=RunOptions(fail_fast=3))
    report = convert(run, again, Existing(ledger, made_with="this ffmpeg"), lambda _: None, Stop())
    assert report.count(State.FAILED) == 4
    assert again.ended == 2


@dataclass
class Told:
    """An engine that tells what it is given, and then fails, if it does."""

    news: list[Event | Notice]
    error: RunnerError | None = None

    def run(self, plan: Plan, stop: Stop) -> Generator[Event | Notice, None, None]:
        yield from self.news
        if self.error is not None:
            raise self.error


def test_all_events_are_shown_and_counted(ledger: Ledger) -> None:
    plan = planned(ledger, 2)
    first, second = plan.conversions
    failure = Failure(Kind.INPUT, "damaged", "what ffmpeg said")
    news: list[Event | Notice] = [
        Event(conversion=first, state=State.RETRYING, failure=failure, log="of the first attempt"),
        Event(conversion=first, state=State.FAILED, attempt=2, failure=failure, log="of the next"),
        Notice("something"),
        Event(conversion=second, state=State.CONVERTED, log="of a good one"),
    ]
    shown: list[Event | Notice] = []
    run = Run(plan=plan, backend="local", command="")
    report = convert(run, Told(news), Existing(ledger), shown.append, Stop())
    assert shown == news
    assert report.counts == {State.FAILED: 1, State.CONVERTED: 1}
    assert [(one.kind, one.text, one.files) for one in report.failures] == [("input", "damaged", 1)]
    assert 0 <= report.seconds < 1_000
    assert [one.log for one in ledger.attempts.at("0.mp3")] == [
        "of the next",
        "of the first attempt",
    ]
    (record,) = ledger.runs()
    assert (record.exit_code, record.unfinished) == (1, False)


@pytest.mark.parametrize(
    ("notice", "error", "unfinished"),
    [
        (Notice("left", uncollected=1), None, True),
        (Notice("no more"), None, False),
        (None, InterruptedRunError("stopped"), False),
        (Notice("left", uncollected=1), InterruptedRunError("stopped"), True),
        (Notice("left", uncollected=1), RunCancelledError("given up"), False),
    ],
)
def test_what_is_left_to_be_collected_is_gone_on_with_unless_it_is_given_up(
    notice: Notice | None, error: RunnerError | None, unfinished: bool, ledger: Ledger
) -> None:
    plan = planned(ledger, 1)
    news: list[Event | Notice] = [Event(conversion=plan.conversions[0], state=State.CONVERTED)]
    news += [notice] if notice else []
    run = Run(plan=plan, backend="local", command="")
    try:
        convert(run, Told(news, error), Existing(ledger), lambda _: None, Stop())
    except InterruptedRunError as raised:
        assert raised is error  # noqa: PT017 - it need not be raised
    (record,) = ledger.runs()
    assert (record.unfinished, record.exit_code) == (unfinished, 130 if error else 0)
