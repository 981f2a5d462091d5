"""A run: skip what is done, convert the rest, and record every result."""

import time
from array import array
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import chain

from runner.conversions import Conversions
from runner.cost_meter import CostMeter
from runner.engine import Engine, Stop
from runner.errors import ExitCode, RunCancelledError, RunnerError
from runner.followup import FollowUp
from runner.models import Conversion, Event, Kind, NodeUse, Notice, Plan, State, TargetState
from runner.moved_results import unrecorded_results
from runner.options import RunOptions
from runner.overwrite import Action, Decision, OverwritePolicy
from runner.prices import Prices
from runner.scratch import SCRATCH
from runner.source_choice import SourceChoice
from runner.sources.policy import SourcePolicy
from runner.stop_policy import StopPolicy
from runner.totals import Report, Totals


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
    """What they cost, as far as is known so far."""


def convert(
    run: Run,
    engine: Engine,
    policy: OverwritePolicy,
    on_event: Callable[[Event | Notice], None],
    stop: Stop,
) -> Report:
    """Do *run* on *engine*, and call *on_event* with every event.

    Raises:
        RunnerError: The whole run failed, or was stopped; what was done is in the ledger.
    """
    ledger, destination = policy.ledger, run.plan.destination
    recorder = _RunRecorder(run, policy, on_event, stop)
    exit_code = ExitCode.BUG
    given_up = False
    with ledger.lock.held_for(run.plan.id):
        ledger.begin(run.plan, run.backend, run.command, run.options, policy.made_with)
        for earlier, moved in unrecorded_results(destination, destination / SCRATCH):
            ledger.record(earlier, moved)
        try:
            recorder.begin()
            with (
                recorder.policy.with_reason(),
                closing(_events(run.plan, engine, policy, stop)) as events,
            ):
                for event in events:
                    recorder.take(event)
            report = recorder.report()
            exit_code = exit_code_of(report)
        except RunnerError as error:
            exit_code = error.exit_code
            given_up = isinstance(error, RunCancelledError)
            raise
        finally:
            recorder.end(exit_code, given_up=given_up)
    return report


class _RunRecorder:
    """Takes in what happens in a run: for the ledger, the totals, the limits, the sources, and for people."""

    def __init__(
        self,
        run: Run,
        policy: OverwritePolicy,
        on_event: Callable[[Event | Notice], None],
        stop: Stop,
    ) -> None:
        self.policy = StopPolicy(run.plan, run.options.fail_fast, stop)
        self._run = run
        self._ledger = policy.ledger
        self._on_event = on_event
        self._started = time.monotonic()
        self._totals = Totals()
        self._to_try_again = 0
        self._uncollected = False
        self._sources = _source_policy(run, policy, stop)
        self._meter = CostMeter(run.plan, run, run.options, policy.ledger, stop)

    def begin(self) -> None:
        """Put right what an earlier run left undone about its sources."""
        for notice in self._sources.begin():
            self._on_event(notice)

    def take(self, event: Event | Notice | NodeUse) -> None:
        """Record *event*, then act on it and show it: showing it may fail."""
        match event:
            case NodeUse():
                self._meter.observe(event)
            case Notice():
                self._uncollected |= event.uncollected > 0
                self._on_event(event)
            case Event():
                self._record(event)
                self.policy.observe(event)
                self._meter.note(event)
                self._on_event(event)
                for notice in self._sources.after(event):
                    self._on_event(notice)

    def _record(self, event: Event) -> None:
        is_news = event.state is not State.UP_TO_DATE or event.result is not None
        if is_news and (event.state.is_final or event.state is State.RETRYING):
            self._ledger.record(self._run.plan.id, event)
        if event.state.is_final:
            self._totals.add(event)
            self._to_try_again += not _is_final(event)

    def report(self) -> Report:
        """Return what the run came to.

        Raises:
            RunnerError: It was stopped.
        """
        left = self._run.plan.files - self._totals.counts.total()
        self._meter.raise_if_at_limit(left)
        self.policy.raise_if_stopped(left=left)
        seconds = time.monotonic() - self._started
        return self._totals.report(self._run.plan, seconds, self._sources.counts)

    def end(self, exit_code: ExitCode, *, given_up: bool) -> None:
        """Write down how it ended, and whether something is left to do."""
        self._meter.close()
        counts = self._totals.counts
        left = self._uncollected or self._run.plan.files > counts.total() - self._to_try_again
        unfinished = left and not given_up
        self._ledger.end(self._run.plan.id, exit_code, counts, unfinished=unfinished)


def _source_policy(run: Run, policy: OverwritePolicy, stop: Stop) -> SourcePolicy:
    return SourcePolicy(
        run.plan,
        policy.ledger,
        SourceChoice.parse(run.options.source),
        lambda: stop.gently,
        planned_now=policy.planned_now,
    )


def exit_code_of(report: Report) -> ExitCode:
    """Return the exit code of a run that finished."""
    return ExitCode.SOME_FAILED if report.count(State.FAILED) else ExitCode.OK


def _is_final(result: Event) -> bool:
    """Return whether the same command would not try it again; it would, if the environment was the problem."""
    return result.failure is None or result.failure.kind is not Kind.ENVIRONMENT


def _events(
    plan: Plan, engine: Engine, policy: OverwritePolicy, stop: Stop
) -> Generator[Event | Notice | NodeUse, None, None]:
    for one in plan.left_out:
        yield Event(conversion=one.conversion, state=State.FAILED, failure=one.failure)
    decisions = _Decisions(Conversions.of(plan.conversions))
    for index, (conversion, decision) in enumerate(policy.decisions(plan)):
        decisions.note(index, conversion, decision)
        if decision.action is Action.UP_TO_DATE:
            yield Event(conversion=conversion, state=State.UP_TO_DATE)
        elif decision.action not in _TO_DO:
            yield policy.failed(conversion, decision)
    checked = policy.check(plan, decisions.all.only(decisions.to_check))
    for index, event in zip(decisions.to_check, _until(stop, checked), strict=False):
        if event.state is State.UP_TO_DATE:
            decisions.done.append(index)
        yield event
    if not stop.gently:
        # even with nothing to do: this removes what a killed run left behind
        yield from engine.run(decisions.left_of(plan), stop)


_TO_DO = (Action.CONVERT, Action.REPLACE, Action.CHECK)


def _indices() -> "array[int]":
    return array("I")


@dataclass(frozen=True)
class _Decisions:
    """The decisions about the conversions of a run, by their indices among all of them."""

    all: Conversions
    to_convert: "array[int]" = field(default_factory=_indices)
    to_check: "array[int]" = field(default_factory=_indices)
    done: "array[int]" = field(default_factory=_indices)
    replaces: dict[str, TargetState] = field(default_factory=dict)

    def note(self, index: int, conversion: Conversion, decision: Decision) -> None:
        match decision.action:
            case Action.CONVERT | Action.REPLACE:
                self.to_convert.append(index)
                if decision.replaces:
                    self.replaces[conversion.target] = decision.replaces
            case Action.CHECK:
                self.to_check.append(index)
            case Action.UP_TO_DATE | Action.FAILED_BEFORE | Action.REFUSED:
                self.done.append(index)

    def left_of(self, plan: Plan) -> Plan:
        """Return the part of *plan* that is left for an engine."""
        done = self.all.only(self.done)
        return replace(
            plan,
            conversions=self.all.only(self.to_convert),
            done=Conversions.of(chain(plan.done, done)) if plan.done else done,
            replaces=self.replaces,
        )


def _until(stop: Stop, events: Iterator[Event]) -> Iterator[Event]:
    for event in events:
        yield event
        if stop.gently:
            return
