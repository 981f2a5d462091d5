"""Whatever a plan, a record or a ledger is like: no error but the declared ones, nothing outside."""

import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pytest

from runner.azure.manifest import manifest_of, read_manifest
from runner.errors import ExitCode, SetupError
from runner.ledger import Ledger
from runner.media.failures import ConversionError
from runner.media.record import Record
from runner.media.strict import UnreadableError
from runner.media.target import writable_target
from runner.models import Conversion, Event, Failure, Kind, Plan, Result, Source, State
from runner.options import RunOptions
from runner.overwrite import OverwritePolicy
from runner.presets import BUILT_IN
from runner.progress import failure_line
from runner.report import event_as_json
from runner.tally import Tally
from tests.conftest import Run
from tests.fuzz import cases, mutated_bytes, mutated_json, mutated_plan, text_of, told
from tests.media import Media

RUN = "20261122-1412-mossy-otter"
MP3 = BUILT_IN["mp3"].recipe()
CONVERSIONS = tuple(
    Conversion(Source(f"/in/{name}", 5, 7), f"{name}.mp3", MP3) for name in ("a", "b/c", "ü\udcff")
)
RECORD = asdict(Record(size=5, sha256="0" * 64, media_seconds=1.5, log="words", notices=("one",)))


@pytest.fixture
def quiet() -> Iterator[None]:
    """Let nobody be warned of thousands of ledgers."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def shown(plan: Plan, event: Event) -> str:
    """All that is said of *event* somewhere."""
    lines = failure_line(event, Tally(plan)) if event.failure else ""
    return lines + json.dumps(event_as_json(event))


def test_any_plan_is_read_or_refused(tmp_path: Path, quiet: None) -> None:
    destination = tmp_path / "out"
    with manifest_of(Plan(RUN, Path(), CONVERSIONS), RunOptions()) as file:
        whole = file.read()
    read = 0
    with Ledger.open(destination) as ledger:
        existing = OverwritePolicy(ledger, "ffmpeg")
        for name, chance in cases("plan"):
            data = mutated_plan(whole, chance)
            with told(name), suppress(SetupError):
                plan = read_manifest(data, RUN, destination).plan
                use(plan, existing)
                read += 1
    assert read, "some are harmless"
    left = {path.name for path in tmp_path.rglob("*")} - {"out", ".runner"}
    assert left <= {"ledger.sqlite", "lock"}, "nothing outside, and nothing inside either"


def use(plan: Plan, existing: OverwritePolicy) -> None:
    """Do with *plan* what a run does, without converting anything."""
    assert plan.id == RUN
    root = os.path.realpath(plan.destination)
    for conversion in plan.conversions:
        assert len(conversion.id) == 24
        with suppress(ConversionError):
            path = Path(os.path.realpath(writable_target(plan.destination, conversion.target)))
            assert path.is_relative_to(root)
            assert path.relative_to(root).parts[0] != ".runner"
        existing.decide(plan, conversion)
        failure = Failure(Kind.INPUT, "no reason")
        event = Event(conversion=conversion, state=State.FAILED, failure=failure)
        existing.ledger.record(RUN, event)
        assert shown(plan, event)


def test_any_record_is_read_or_refused(tmp_path: Path) -> None:
    plan = Plan(RUN, tmp_path, CONVERSIONS)
    read = 0
    for name, chance in cases("record"):
        text = text_of(mutated_json(RECORD, chance), chance)
        data = text.encode("utf-8", "surrogatepass")
        if chance.random() < 0.2:
            data = mutated_bytes(data, chance)
        with told(name), suppress(UnreadableError):
            assert shown(plan, end_of(Record.from_json(data)))
            read += 1
    assert read, "some are harmless"


def end_of(record: Record) -> Event:
    """The event that a *record* comes to, which must make sense."""
    assert record.failure or (record.size > 0 and len(record.sha256) == 64)
    assert 0 <= record.media_seconds <= 1e9
    return Event(
        conversion=CONVERSIONS[0],
        state=State.FAILED if record.failure else State.CONVERTED,
        failure=record.failure,
        result=None if record.failure else Result(size=record.size, sha256=record.sha256),
        media_done=record.media_seconds,
        log=record.log,
        notices=record.notices,
    )


def ledger_in(destination: Path) -> bytes:
    """A ledger with something of everything in it."""
    with Ledger.open(destination) as ledger:
        for number in range(5):
            run = f"2026112{number}-1412-mossy-otter"
            ledger.begin(
                Plan(run, destination, CONVERSIONS), "local", "runner convert", RunOptions()
            )
            for conversion in CONVERSIONS:
                failure = Failure(Kind.TRANSIENT, "no reason given")
                ledger.record(
                    run,
                    Event(
                        conversion=conversion,
                        state=State.FAILED,
                        failure=failure,
                        log="words " * 500 + str(number),
                    ),
                )
            result = Result(size=3, sha256="0" * 64)
            done = Event(conversion=CONVERSIONS[0], state=State.CONVERTED, result=result)
            ledger.record(run, done)
            ledger.end(run, ExitCode.SOME_FAILED, {State.FAILED: 2})
    return (destination / ".runner" / "ledger.sqlite").read_bytes()


def use_ledger(ledger: Ledger, *, writes: bool) -> None:
    """Do all that commands do with a ledger."""
    for run in ledger.runs.all():
        ledger.attempts.newest(run.id)
        ledger.attempts.failed(run.id)
        ledger.attempts.to_tell(run.id)
    ledger.attempts.at("a.mp3")
    ledger.find("a.mp3")
    ledger.runs.resumable("local")
    if not writes:
        return
    ledger.forget(["20261121-1412-mossy-otter"])
    ledger.begin(Plan(RUN, ledger.destination, CONVERSIONS), "local", "x", RunOptions())
    ledger.record(RUN, Event(conversion=CONVERSIONS[1], state=State.CONVERTED))
    ledger.end(RUN, ExitCode.OK, {State.CONVERTED: 1})


def test_any_ledger_is_read_or_set_aside(tmp_path: Path, quiet: None) -> None:
    whole = ledger_in(tmp_path / "whole")
    destination = tmp_path / "out"
    for name, chance in cases("ledger"):
        damaged = mutated_bytes(whole, chance)
        file = destination / ".runner" / "ledger.sqlite"
        file.parent.mkdir(parents=True)
        file.write_bytes(damaged)
        with told(name):
            if look_into(destination):
                assert [path.name for path in file.parent.iterdir()] == [file.name]
                assert file.read_bytes() == damaged
                with Ledger.read(destination) as ledger:
                    use_ledger(ledger, writes=True)
                    assert (ledger.runs.find(RUN).converted, ledger.runs.find(RUN).files) == (1, 3)
        shutil.rmtree(destination)


def look_into(destination: Path) -> bool:
    """Look into a ledger without writing; false where it is said to be a newer runner's."""
    try:
        with Ledger.peek(destination) as ledger:
            use_ledger(ledger, writes=False)
    except SetupError as error:
        if "was written by a newer runner" not in str(error):
            raise
        return False
    return True


@pytest.mark.parametrize("number", range(3))
def test_the_real_commands_meet_damaged_ledgers(
    run: Run, media: Media, tmp_path: Path, destination: Path, number: int
) -> None:
    media.put("clip.mp3", tmp_path / "in" / "a.mp3")
    whole = ledger_in(destination)
    name, chance = [*cases("command")][number]
    (destination / ".runner" / "ledger.sqlite").write_bytes(mutated_bytes(whole, chance))
    for command in ("status", "logs", "runs", "convert in", "runs"):
        result = run(*command.split())
        assert result.exit_code in (0, 1, 2, 4), (name, command, result.stderr)
        assert "Traceback" not in result.stderr, (name, command)
