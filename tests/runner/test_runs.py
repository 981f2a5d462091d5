"""When a run stops before its end, and what it leaves for the same command. Nothing is converted."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from runner.engine import Stop
from runner.errors import (
    CostLimitError,
    InterruptedRunError,
    RunCancelledError,
    RunnerError,
    SetupError,
    UsageError,
)
from runner.ledger import Ledger
from runner.models import (
    Conversion,
    Event,
    Execution,
    Failure,
    Kind,
    LeftOut,
    NodeUse,
    Notice,
    Plan,
    Result,
    Source,
    State,
)
from runner.options import RunOptions
from runner.overwrite import OverwritePolicy
from runner.prices import Prices, StoragePrices
from runner.runs import Run, convert
from runner.stop_policy import StopPolicy
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
        convert(run, engine, OverwritePolicy(ledger), lambda _: None, Stop())
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
    assert error is None or f"stopped after {fail_fast} failed file" in str(error)


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
    (run,) = ledger.runs.all()
    assert run.unfinished is unfinished
    assert run.failed == len([end for end in ends if end])


def test_a_failure_that_is_known_from_before_counts_for_no_stop(ledger: Ledger) -> None:
    plan = planned(ledger, 4)
    existing = OverwritePolicy(ledger, made_with="this ffmpeg")
    run = Run(plan=plan, backend="local", command="")
    first = Recited([Kind.INPUT, Kind.INPUT, CONVERTED, CONVERTED])
    convert(run, first, existing, lambda _: None, Stop())
    again = Recited([Kind.SETTINGS, Kind.SETTINGS])
    run = replace(run, options=RunOptions(fail_fast=3))
    report = convert(
        run, again, OverwritePolicy(ledger, made_with="this ffmpeg"), lambda _: None, Stop()
    )
    assert report.count(State.FAILED) == 4
    assert again.ended == 2


@pytest.mark.parametrize(
    ("pressed", "left", "stopped"), [(True, 2, True), (True, 0, False), (False, 2, False)]
)
def test_only_a_run_that_was_stopped_with_files_left_ends_as_interrupted(
    pressed: bool, left: int, stopped: bool, ledger: Ledger
) -> None:
    stop = Stop()
    policy = StopPolicy(planned(ledger, 3), None, stop)
    if pressed:
        stop.request()
    with pytest.raises(InterruptedRunError, match="2 of 3 files") if stopped else nullcontext():
        policy.raise_if_stopped(left)


@dataclass
class Replay:
    """An engine that tells what it is given, and then fails, if it does."""

    news: Sequence[Event | Notice | NodeUse]
    error: RunnerError | None = None

    def run(self, plan: Plan, stop: Stop) -> Generator[Event | Notice | NodeUse, None, None]:
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
    report = convert(run, Replay(news), OverwritePolicy(ledger), shown.append, Stop())
    assert shown == news
    assert report.counts == {State.FAILED: 1, State.CONVERTED: 1}
    assert [(one.kind, one.text, one.files) for one in report.failures] == [("input", "damaged", 1)]
    assert 0 <= report.seconds < 1_000
    assert [one.log for one in ledger.attempts.at("0.mp3")] == [
        "of the next",
        "of the first attempt",
    ]
    (record,) = ledger.runs.all()
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
        convert(run, Replay(news, error), OverwritePolicy(ledger), lambda _: None, Stop())
    except InterruptedRunError as raised:
        assert raised is error  # noqa: PT017 - it need not be raised
    (record,) = ledger.runs.all()
    assert (record.unfinished, record.exit_code) == (unfinished, 130 if error else 0)


HOURLY = Prices(spot=1.0, dedicated=2.0, egress=0.08, origin="a list")
HOUR = NodeUse(node="node-1", spot=True, since=0, until=3600)
CLOUD = Execution(worker="node-1", began=0.0)


def metered(
    ledger: Ledger,
    news: Sequence[Event | Notice | NodeUse],
    max_cost: float | None,
    *,
    plan: Plan | None = None,
    prices: Prices | None = HOURLY,
) -> CostLimitError | None:
    """Carry out three files on nodes of a price; return with what the run ended at its limit."""
    run = Run(
        plan=plan or planned(ledger, 3),
        backend="an account",
        command="",
        options=RunOptions(max_cost=max_cost),
        vm_size="Standard_D4ads_v5",
        prices=lambda: prices,
    )
    try:
        convert(run, Replay(news), OverwritePolicy(ledger), lambda _: None, Stop())
    except CostLimitError as error:
        return error
    return None


def ended(plan: Plan, state: State = State.CONVERTED, size: int = 10**9) -> list[Event]:
    result = Result(size=size, sha256="0a" * 32) if state is State.CONVERTED else None
    failure = None if result else Failure(Kind.INPUT, "damaged")
    return [
        Event(conversion=conversion, state=state, result=result, failure=failure, execution=CLOUD)
        for conversion in plan.conversions
    ]


@pytest.mark.parametrize(
    ("max_cost", "prices", "stops"),
    [
        (1.01, HOURLY, False),
        (1.0, HOURLY, True),
        (0.5, HOURLY, True),
        (None, HOURLY, False),
        (0.5, Prices(dedicated=2.0), False),  # of what is not known, nobody can say that it is more
        (0.5, None, False),
    ],
)
def test_a_run_with_files_left_ends_at_its_limit(
    max_cost: float | None, prices: Prices | None, stops: bool, ledger: Ledger
) -> None:
    error = metered(ledger, [HOUR], max_cost, prices=prices)
    assert (error is not None) is stops
    if error:
        assert str(error) == (
            f"stopped at --max-cost {max_cost:g} USD with 3 of 3 files left (1 node, 1 h 00 m of node "
            "time (Spot): 1.00 USD by a list, without storage (price unknown)); the same command with a higher limit continues it"
        )
    (record,) = ledger.runs.all()
    assert (record.vm_size, record.prices) == ("Standard_D4ads_v5", prices)
    assert ledger.runs.node_uses(record.id) == [HOUR]


def test_a_run_whose_last_file_reaches_the_limit_has_ended_well(ledger: Ledger) -> None:
    plan = planned(ledger, 3)
    assert metered(ledger, [HOUR, *ended(plan)], 1.0, plan=plan) is None


def test_what_was_seen_of_a_node_last_is_what_it_costs(ledger: Ledger) -> None:
    longer = replace(HOUR, until=2 * 3600)
    another = replace(HOUR, node="node-2", spot=False)
    assert metered(ledger, [HOUR, longer, another], 4.01) is None
    assert metered(ledger, [longer, another], 4.0)


A_CENT_A_WRITE = StoragePrices(sku="Hot LRS", gigabyte_month=0, writes=100, reads=0, others=0)


@pytest.mark.parametrize(
    ("state", "results_stay", "a_write", "amount"),
    [
        (State.CONVERTED, False, None, 1.16),
        (State.CONVERTED, True, None, 1.0),
        (State.FAILED, False, None, 1.0),
        # the plan, the worker and what else a run stores, and for each file its source, record and logs
        (State.FAILED, False, A_CENT_A_WRITE, 1.11),
    ],
)
def test_downloads_and_storage_count_towards_the_limit(
    state: State,
    results_stay: bool,
    a_write: StoragePrices | None,
    amount: float,
    ledger: Ledger,
) -> None:
    ledger.results_stay = results_stay
    plan, prices = planned(ledger, 3), replace(HOURLY, storage=a_write)
    news: list[Event | NodeUse] = [HOUR, *ended(plan, state)[:2], HOUR]
    assert metered(ledger, news, amount + 0.001, plan=plan, prices=prices) is None
    ledger.forget([plan.id])
    assert metered(ledger, news, amount - 0.001, plan=plan, prices=prices)


def test_what_earlier_commands_of_the_run_paid_counts_towards_its_limit(ledger: Ledger) -> None:
    plan = planned(ledger, 3)
    assert metered(ledger, [HOUR, *ended(plan)[:2]], 2.0, plan=plan) is None
    later = replace(HOUR, since=9000, until=9000 + 1800)
    assert metered(ledger, [later], 1.67, plan=plan) is None
    assert metered(ledger, [later], 1.66, plan=plan)
