"""A run: skip what is done, convert the rest, and record every result."""

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from runner.costs import Cost, cost_of
from runner.engine import Engine, Stop
from runner.errors import (
    CostLimitError,
    ExitCode,
    InterruptedRunError,
    RunCancelledError,
    RunnerError,
    SetupError,
    UsageError,
)
from runner.existing import Action, Decision, Existing
from runner.followup import FollowUp
from runner.ledger import Ledger
from runner.models import (
    Conversion,
    Event,
    Kind,
    NodeUse,
    Notice,
    Plan,
    Report,
    State,
    TargetState,
)
from runner.options import RunOptions
from runner.prices import Prices
from runner.source_choice import SourceChoice
from runner.sources.policy import Sources

if TYPE_CHECKING:
    from runner.records import AttemptRecord

_ALIKE = 3


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a plan, and its settings."""

    plan: Plan
    backend: str
    """Where the work is done: "local", or the Batch account."""
    where: str = ""
    """The same for people, with the reason."""
    command: str
    """The command as the user typed it."""
    options: RunOptions = field(default_factory=RunOptions)
    follow_up: FollowUp = field(default_factory=FollowUp)
    """Makes its follow-up commands."""
    vm_size: str = ""
    """Of the nodes; empty for this machine."""
    prices: Callable[[], Prices | None] = lambda: None
    """What they cost, as far as it is known by now."""


def convert(
    run: Run,
    engine: Engine,
    existing: Existing,
    on_event: Callable[[Event | Notice], None],
    stop: Stop,
) -> Report:
    """Do *run* on *engine*, and call *on_event* with every event.

    Raises:
        RunnerError: The whole run failed, or was stopped; what was done is in the ledger.
    """
    ledger = existing.ledger
    started = time.monotonic()
    results: list[Event] = []
    policy = _StopPolicy(run, stop)
    sources = _sources_of(run, existing, stop)
    meter = _CostMeter(run, ledger, stop)
    exit_code = ExitCode.BUG
    uncollected = given_up = False
    with ledger.lock.held_for(run.plan.id):
        ledger.begin(run.plan, run.backend, run.command, run.options, existing.made_with)
        try:
            for notice in sources.begin():
                on_event(notice)
            with (
                policy.with_reason(),
                closing(_events(run.plan, engine, existing, stop)) as events,
            ):
                for event in events:
                    if isinstance(event, NodeUse):
                        meter.observe(event)
                        continue
                    if isinstance(event, Event):
                        # before it is shown, because showing it may fail
                        if event.state.is_final or event.state is State.RETRYING:
                            _record(ledger, run.plan.id, event)
                        if event.state.is_final:
                            results.append(_without_log(event))
                        policy.observe(event)
                        meter.note(event)
                    else:
                        uncollected |= event.uncollected > 0
                    on_event(event)
                    if isinstance(event, Event):
                        for notice in sources.after(event):
                            on_event(notice)
            left_over = run.plan.files - len(results)
            meter.raise_if_at_limit(left_over)
            policy.raise_if_stopped(left=left_over)
            seconds = time.monotonic() - started
            report = Report(run.plan, tuple(results), seconds, sources.counts)
            exit_code = exit_code_of(report)
        except RunnerError as error:
            exit_code = error.exit_code
            given_up = isinstance(error, RunCancelledError)
            raise
        finally:
            meter.close()
            counts = Counter(event.state for event in results)
            left = uncollected or run.plan.files > sum(map(_is_settled, results))
            ledger.end(run.plan.id, exit_code, counts, unfinished=left and not given_up)
    return report


def _sources_of(run: Run, existing: Existing, stop: Stop) -> Sources:
    return Sources(
        run.plan,
        existing.ledger,
        SourceChoice.parse(run.options.source),
        lambda: stop.gently,
        planned_now=existing.planned_now,
    )


def exit_code_of(report: Report) -> ExitCode:
    """Return the exit code of a run that finished."""
    return ExitCode.SOME_FAILED if report.count(State.FAILED) else ExitCode.OK


def _without_log(event: Event) -> Event:
    """Return *event* without its log: the logs of 100,000 files are in the ledger, and too much for memory."""
    failure = event.failure and replace(event.failure, log="")
    return replace(event, log="", failure=failure)


def _is_settled(result: Event) -> bool:
    """Return whether the same command would not try it again; it would, if the environment was the problem."""
    return result.failure is None or result.failure.kind is not Kind.ENVIRONMENT


def _record(ledger: Ledger, run: str, event: Event) -> None:
    if event.state is not State.UP_TO_DATE or event.result is not None:
        ledger.record(run, event)


def _events(
    plan: Plan, engine: Engine, existing: Existing, stop: Stop
) -> Generator[Event | Notice | NodeUse, None, None]:
    for one in plan.left_out:
        yield Event(conversion=one.conversion, state=State.FAILED, failure=one.failure)
    decided = _Decided()
    for conversion, decision in existing.decisions(plan):
        decided.note(conversion, decision)
        if decision.action is Action.UP_TO_DATE:
            yield Event(conversion=conversion, state=State.UP_TO_DATE)
        elif decision.action not in _TO_DO:
            yield existing.failed(conversion, decision)
    for event in _until(stop, existing.check(plan, decided.to_check)):
        if event.state is State.UP_TO_DATE:
            decided.done.append(event.conversion)
        yield event
    if not stop.gently:
        # even with nothing to do: this removes what a killed run left behind
        yield from engine.run(decided.left_of(plan), stop)


_TO_DO = (Action.CONVERT, Action.REPLACE, Action.CHECK)


@dataclass(frozen=True)
class _Decided:
    """The decisions about the conversions of a run."""

    to_convert: list[Conversion] = field(default_factory=list)
    to_check: list[Conversion] = field(default_factory=list)
    done: list[Conversion] = field(default_factory=list)
    replaces: dict[str, TargetState] = field(default_factory=dict)

    def note(self, conversion: Conversion, decision: Decision) -> None:
        match decision.action:
            case Action.CONVERT | Action.REPLACE:
                self.to_convert.append(conversion)
                if decision.replaces:
                    self.replaces[conversion.target] = decision.replaces
            case Action.CHECK:
                self.to_check.append(conversion)
            case Action.UP_TO_DATE | Action.FAILED_BEFORE | Action.REFUSED:
                self.done.append(conversion)

    def left_of(self, plan: Plan) -> Plan:
        """Return the part of *plan* that is left for an engine."""
        return replace(
            plan,
            conversions=tuple(self.to_convert),
            done=(*plan.done, *self.done),
            replaces=self.replaces,
        )


def _until(stop: Stop, events: Iterator[Event]) -> Iterator[Event]:
    for event in events:
        yield event
        if stop.gently:
            return


class _StopPolicy:
    """Stops the run when continuing makes no sense, and says why."""

    def __init__(self, run: Run, stop: Stop) -> None:
        self._run = run
        self._stop = stop
        self._reason: RunnerError | None = None
        self._failed = 0
        self._settled = 0
        self._alike = 0

    def observe(self, event: Event) -> None:
        if not event.state.is_final or event.state is State.UP_TO_DATE:
            return
        failure = event.failure
        if failure is not None and (event.is_known or failure.kind is Kind.NAME):
            return  # known before the run, so it says nothing about the other files
        self._settled += 1
        if failure is None:
            return
        self._failed += 1
        self._alike += failure.kind is Kind.SETTINGS
        few = min(_ALIKE, len(self._run.plan.conversions))
        if failure.kind is Kind.ENVIRONMENT:
            self._give_up(
                SetupError(f"{failure.message}: fix that, then run the same command again")
            )
        elif self._alike == self._settled == few:
            self._give_up(UsageError(f"every file failed with the same error: {failure.message}"))
        elif self._failed == self._run.options.fail_fast:
            message = f"stopped after {self._failed} failed files (--fail-fast)"
            self._give_up(_StoppedEarlyError(message))

    @contextmanager
    def with_reason(self) -> Iterator[None]:
        """If the run was stopped early, raise the reason, together with the engine's own error."""
        try:
            yield
        except InterruptedRunError as error:
            if self._reason is None:
                raise
            raise type(self._reason)(f"{self._reason}; {error}") from None

    def raise_if_stopped(self, left: int) -> None:
        """If the run ended early, raise the reason."""
        if self._reason is not None:
            raise self._reason
        if self._stop.gently and left:
            total = self._run.plan.files
            message = (
                f"stopped with {left} of {total} files left; run the same command again to continue"
            )
            raise InterruptedRunError(message)

    def _give_up(self, reason: RunnerError) -> None:
        if self._reason is None:
            self._reason = reason
            self._stop.request()


class _CostMeter:
    """Counts what the nodes of a run cost while it goes on, and ends it at its limit."""

    def __init__(self, run: Run, ledger: Ledger, stop: Stop) -> None:
        self._run = run
        self._ledger = ledger
        self._stop = stop
        self._uses: dict[tuple[str, float], NodeUse] | None = None
        self._earlier: list[AttemptRecord] = []
        """What earlier commands of the same run did."""
        self._downloaded = 0
        self._cost: Cost | None = None

    def observe(self, use: NodeUse) -> None:
        """Take in a node that was seen."""
        run, ledger = self._run.plan.id, self._ledger
        if self._uses is None:
            self._uses = {(one.node, one.since): one for one in ledger.node_uses(run)}
            self._earlier = ledger.all_attempts(run)
        ledger.record_node(run, use)
        self._uses[use.node, use.since] = use
        cost = cost_of(
            self._uses.values(),
            self._earlier,
            self._run.prices(),
            results_stay=ledger.results_stay,
        )
        self._cost = replace(cost, downloaded=cost.downloaded + self._downloaded)
        amount, limit = self._cost.amount, self._run.options.max_cost
        if limit is not None and amount is not None and amount >= limit:
            self._stop.begin_nothing_more()

    def note(self, event: Event) -> None:
        """Take in the end of an attempt."""
        stays = self._ledger.results_stay
        if self._uses is not None and event.result is not None and not stays:
            self._downloaded += event.result.size

    def close(self) -> None:
        """Write down at what prices it was counted."""
        if self._run.vm_size:
            self._ledger.record_prices(self._run.plan.id, self._run.vm_size, self._run.prices())

    def raise_if_at_limit(self, left: int) -> None:
        """Raise `CostLimitError` if the run ended at its limit with files left."""
        if not self._stop.at_limit or not left or self._cost is None:
            return
        limit = f"--max-cost {self._run.options.max_cost:g} {self._run.options.currency}"
        raise CostLimitError(
            f"stopped at {limit} with {left} of {self._run.plan.files} files left"
            f" ({self._cost.text}); the same command with a higher limit goes on"
        )


class _StoppedEarlyError(RunnerError):
    exit_code = ExitCode.SOME_FAILED
