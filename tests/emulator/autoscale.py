"""Evaluate an autoscale formula as the Batch service would. Pure: samples in, targets out.

    outcome = evaluate(formula, samples={"$PendingTasks": [Sample(time, 12.0)]}, now=now)
    outcome.dedicated, outcome.low_priority, outcome.deallocation, outcome.results()

The language is the documented one: user variables, the service's variables, GetSample and its
relatives, time intervals, comparison, logic, arithmetic, the ternary, and the listed functions.
Anything unknown is an AutoScaleError with the service's code, never a guess.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.emulator.formula import (
    At,
    AutoScaleError,
    Binary,
    Call,
    Choice,
    Expression,
    Member,
    Name,
    Number,
    Statement,
    Text,
    Unary,
    parse,
)
from tests.emulator.formula_functions import FUNCTIONS, Value, arithmetic, compare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["AutoScaleError", "Evaluation", "Sample", "Targets", "evaluate", "parse"]

DEDICATED = "$TargetDedicatedNodes"
LOW_PRIORITY = "$TargetLowPriorityNodes"
DEALLOCATION = "$NodeDeallocationOption"
DEALLOCATION_OPTIONS = ("requeue", "terminate", "taskcompletion", "retaineddata")

SAMPLED = frozenset(
    [
        "$CPUPercent",
        "$WallClockSeconds",
        "$MemoryBytes",
        "$DiskBytes",
        "$DiskReadBytes",
        "$DiskWriteBytes",
        "$DiskReadOps",
        "$DiskWriteOps",
        "$NetworkInBytes",
        "$NetworkOutBytes",
        "$SampleNodeCount",
        "$ActiveTasks",
        "$RunningTasks",
        "$PendingTasks",
        "$SucceededTasks",
        "$FailedTasks",
        "$CurrentDedicatedNodes",
        "$CurrentLowPriorityNodes",
        "$PreemptedNodeCount",
        "$UsableNodeCount",
    ]
)

INTERVALS = {
    "TimeInterval_Zero": timedelta(0),
    "TimeInterval_100ns": timedelta(0),  # below Python's resolution
    "TimeInterval_Microsecond": timedelta(microseconds=1),
    "TimeInterval_Millisecond": timedelta(milliseconds=1),
    "TimeInterval_Second": timedelta(seconds=1),
    "TimeInterval_Minute": timedelta(minutes=1),
    "TimeInterval_Hour": timedelta(hours=1),
    "TimeInterval_Day": timedelta(days=1),
    "TimeInterval_Week": timedelta(weeks=1),
    "TimeInterval_Year": timedelta(days=365),
}

SAMPLE_PERIOD = timedelta(seconds=30)
DEFAULT_SAMPLE_PERCENT = 10.0
"""The percentage that GetSample(interval) needs by default (seen in the service's errors)."""


@dataclass(frozen=True)
class Sample:
    """One measurement of a service variable."""

    time: datetime
    value: float


@dataclass(frozen=True)
class Targets:
    """The pool's targets before the evaluation."""

    dedicated: int = 0
    low_priority: int = 0


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a formula assigned; targets that it did not mention are the pool's own."""

    dedicated: int
    low_priority: int
    deallocation: str
    variables: Mapping[str, Value] = field(default_factory=dict)
    """The user's own variables."""

    def results(self) -> str:
        """Format the outcome like ``autoScaleRun.results``."""
        pairs = [
            f"{DEDICATED}={self.dedicated}",
            f"{LOW_PRIORITY}={self.low_priority}",
            f"{DEALLOCATION}={self.deallocation}",
        ]
        pairs += [f"{name}={show(value)}" for name, value in sorted(self.variables.items())]
        return ";".join(pairs)


def evaluate(
    formula: str,
    *,
    samples: Mapping[str, Sequence[Sample]],
    now: datetime,
    current: Targets | None = None,
    period: timedelta = SAMPLE_PERIOD,
) -> Evaluation:
    """Run *formula* over *samples* (oldest first, one every *period*) as of *now*.

    Raises:
        AutoScaleError: With the code that the service would report.
    """
    machine = Machine(samples, now, current or Targets(), period)
    for statement in parse(formula):
        machine.run(statement)
    return machine.outcome()


def show(value: Value) -> str:
    """Write a value as the service does: whole numbers without a point."""
    match value:
        case float():
            return f"{value:.15g}"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        case list():
            return ",".join(show(item) for item in value)
        case _:
            return str(value)


def evaluation_error(at: At, words: str) -> AutoScaleError:
    return AutoScaleError("AutoScalingFormulaEvaluationError", f"{at}: {words}")


class Machine:
    """The variables while a formula runs."""

    def __init__(
        self,
        samples: Mapping[str, Sequence[Sample]],
        now: datetime,
        current: Targets,
        period: timedelta,
    ) -> None:
        self.samples = samples
        self.now = now
        self.period = period
        self.user: dict[str, Value] = {}
        self.targets: dict[str, Value] = {
            DEDICATED: float(current.dedicated),
            LOW_PRIORITY: float(current.low_priority),
            DEALLOCATION: "requeue",
        }

    def run(self, statement: Statement) -> None:
        value = self.value(statement.expression)
        match statement.name:
            case None:
                return
            case str() as name if name in self.targets:
                self.targets[name] = self.checked_target(name, value, statement.at)
            case str() as name if name in SAMPLED or name in INTERVALS:
                raise evaluation_error(statement.at, f"{name} is read-only")
            case str() as name:
                self.user[name] = value

    def checked_target(self, name: str, value: Value, at: At) -> Value:
        if name == DEALLOCATION:
            if value not in DEALLOCATION_OPTIONS:
                raise evaluation_error(at, f"{name} cannot be {show(value)}")
            return value
        if not isinstance(value, float):
            raise evaluation_error(at, f"{name} must be a number")
        if not math.isfinite(value) or value < 0:
            raise evaluation_error(at, f"{name} cannot be {show(value)}")
        return float(math.floor(value))  # half a node counts as none; formulas round up themselves

    def outcome(self) -> Evaluation:
        dedicated, low = self.targets[DEDICATED], self.targets[LOW_PRIORITY]
        assert isinstance(dedicated, float)
        assert isinstance(low, float)
        return Evaluation(
            dedicated=int(dedicated),
            low_priority=int(low),
            deallocation=str(self.targets[DEALLOCATION]),
            variables=dict(self.user),
        )

    def value(self, expression: Expression) -> Value:  # noqa: PLR0911 -- one return for each kind
        match expression:
            case Number(value=number):
                return number
            case Text(value=text):
                return text
            case Name():
                return self.variable(expression)
            case Member():
                return self.member(expression)
            case Call(on=None):
                return self.function(expression)
            case Call():
                return self.method(expression)
            case Unary():
                return self.unary(expression)
            case Choice():
                side = expression.yes if self.truth(expression.condition) else expression.no
                return self.value(side)
            case Binary():
                return self.binary(expression)

    def variable(self, name: Name) -> Value:
        for known in (self.targets, self.user, INTERVALS):
            if name.name in known:
                return known[name.name]
        if name.name in DEALLOCATION_OPTIONS:
            return name.name
        if name.name in SAMPLED:
            return self.latest(name)
        raise evaluation_error(name.at, f"unknown variable {name.name}")

    def latest(self, name: Name) -> float:
        known = self.samples.get(name.name, ())
        if not known:
            raise insufficient(name.at, name.name, 100.0, 0.0)
        return known[-1].value

    def member(self, member: Member) -> Value:
        value = self.value(member.value)
        parts = ["year", "month", "day", "hour", "minute", "second"]
        if isinstance(value, datetime) and member.name in parts:
            return float(getattr(value, member.name))
        if isinstance(value, datetime) and member.name == "weekday":
            return float(value.isoweekday() % 7)  # Monday is 1, Sunday 0
        raise evaluation_error(member.at, f"unknown member {member.name}")

    def unary(self, unary: Unary) -> Value:
        value = self.value(unary.operand)
        if unary.operator == "!" and isinstance(value, float):
            return float(not value)
        if unary.operator == "-" and isinstance(value, float | timedelta):
            return -value
        if unary.operator == "-" and isinstance(value, list):
            return [-item for item in value]
        raise evaluation_error(unary.at, f"{unary.operator} cannot be applied here")

    def truth(self, expression: Expression) -> bool:
        value = self.value(expression)
        if not isinstance(value, float):
            raise evaluation_error(expression.at, "a condition must be a number")
        return value != 0

    def binary(self, binary: Binary) -> Value:
        if binary.operator == "&&":
            return float(self.truth(binary.left) and self.truth(binary.right))
        if binary.operator == "||":
            return float(self.truth(binary.left) or self.truth(binary.right))
        left, right = self.value(binary.left), self.value(binary.right)
        apply = compare if binary.operator[0] in "<>=!" else arithmetic
        try:
            return apply(binary.operator, left, right)
        except (TypeError, ValueError, ZeroDivisionError, OverflowError) as error:
            raise evaluation_error(binary.at, str(error)) from error

    def function(self, call: Call) -> Value:
        if call.name not in FUNCTIONS and call.name != "time":
            raise evaluation_error(call.at, f"unknown function {call.name}")
        arguments = [self.value(argument) for argument in call.arguments]
        try:
            if call.name == "time":
                return self.time(*arguments)
            return FUNCTIONS[call.name](*arguments)
        except (TypeError, ValueError, IndexError, OverflowError) as error:
            raise evaluation_error(call.at, f"{call.name}: {error}") from error

    def time(self, text: Value = "") -> datetime:
        """Return now, or the time that *text* says (UTC unless it has a zone)."""
        if not isinstance(text, str):
            raise TypeError("wants a string")
        said = datetime.fromisoformat(text) if text else self.now
        return said if said.tzinfo else said.replace(tzinfo=UTC)

    def method(self, call: Call) -> Value:
        if not isinstance(call.on, Name) or call.on.name not in SAMPLED:
            raise evaluation_error(call.at, f"{call.name} is only for the service's variables")
        history = History(call.on, list(self.samples.get(call.on.name, ())), self.now, self.period)
        arguments = [self.value(argument) for argument in call.arguments]
        match call.name, arguments:
            case "Count", []:
                return float(len(history.samples))
            case "GetSamplePeriod", []:
                return self.period
            case "HistoryBeginTime", []:
                return history.samples[0].time if history.samples else self.now
            case "GetSamplePercent", [datetime() | timedelta(), *_]:
                return history.percent(*history.window(arguments))
            case "GetSample", [float() as count]:
                return history.last(count)
            case "GetSample", [datetime() | timedelta(), *_]:
                return history.get(arguments)
        raise evaluation_error(call.at, f"unknown method or arguments: {call.name}")


@dataclass(frozen=True)
class History:
    """The samples of one service variable, oldest first."""

    name: Name
    samples: list[Sample]
    now: datetime
    period: timedelta

    def last(self, count: float) -> list[float]:
        """Return up to *count* of the newest samples, newest first; none is no error here."""
        newest = self.samples[::-1][: int(count)] if count >= 1 else []
        return [sample.value for sample in newest]

    def get(self, arguments: list[Value]) -> list[float]:
        wanted = DEFAULT_SAMPLE_PERCENT
        if len(arguments) > 1 and isinstance(arguments[-1], float):
            wanted = arguments[-1]
            arguments = arguments[:-1]
        start, end = self.window(arguments)
        received = self.percent(start, end)
        if received < wanted:
            raise insufficient(self.name.at, self.name.name, wanted, received)
        return [sample.value for sample in self.samples[::-1] if start < sample.time <= end]

    def window(self, arguments: list[Value]) -> tuple[datetime, datetime]:
        """Read ``(start[, end])``, each a time or an interval before now."""
        times = [self.now - a if isinstance(a, timedelta) else a for a in arguments]
        match times:
            case [datetime() as start]:
                return start, self.now
            case [datetime() as start, datetime() as end]:
                return start, end
        raise evaluation_error(self.name.at, "a window is a start and perhaps an end")

    def percent(self, start: datetime, end: datetime) -> float:
        """Return how many of the samples due between *start* and *end* exist, 0 to 100."""
        expected = max(1, int((end - start) / self.period))
        received = sum(start < sample.time <= end for sample in self.samples)
        return min(100.0, 100.0 * received / expected)


def insufficient(at: At, name: str, wanted: float, received: float) -> AutoScaleError:
    return AutoScaleError(
        "InsufficientSampleData",
        f"{at}: Insufficient data from data set: {name} "
        f"wanted {show(wanted)}%, received {received:.0f}%",
    )
