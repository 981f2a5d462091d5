"""A ledger that is damaged, at any place and at any moment, heals; what else is wrong is said."""

import os
import random
import shutil
import sqlite3
import struct
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from runner.errors import ExitCode, SetupError
from runner.ledger import Ledger
from runner.models import (
    Conversion,
    Event,
    Execution,
    Failure,
    Kind,
    NodeUse,
    Plan,
    Result,
    Source,
    State,
    Step,
)
from runner.options import RunOptions
from runner.prices import Prices
from runner.schema import STEPS, add_functions
from tests.conftest import Run, tree
from tests.media import Media
from tests.runner.old_ledgers import write_as_of
from tests.runner.programs import recipe

RUN = "20261122-1412-mossy-otter"
LATE = 1_790_000_000_123_456_789
CONVERSIONS = tuple(
    Conversion(Source(f"/in/{number}.wav", 5, 7), f"{number}.mp3", recipe()) for number in range(40)
)
DONE = Event(
    conversion=CONVERSIONS[0], state=State.CONVERTED, result=Result(size=3, sha256="0" * 64)
)


def failed(conversion: Conversion) -> Event:
    failure = Failure(Kind.TRANSIENT, "no reason given")
    words = "".join(random.Random(1).choices("abcdefgh \n", k=3000))
    return Event(conversion=conversion, state=State.FAILED, failure=failure, log=words)


def begin(ledger: Ledger, destination: Path) -> None:
    ledger.begin(Plan(RUN, destination, CONVERSIONS), "local", "runner convert in", RunOptions())


@pytest.fixture
def file(destination: Path) -> Path:
    """A ledger with a run of forty files in it."""
    with Ledger.open(destination) as ledger:
        begin(ledger, destination)
        ledger.record(RUN, DONE)
        for conversion in CONVERSIONS[1:]:
            ledger.record(RUN, failed(conversion))
        ledger.end(RUN, ExitCode.SOME_FAILED, {})
    return destination / ".runner" / "ledger.sqlite"


def altered(statement: str, *, reaches_schema: bool = False) -> Callable[[Path], None]:
    """Alter a ledger by a *statement*."""

    def alter(path: Path) -> None:
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(f"PRAGMA writable_schema = {int(reaches_schema)}")
            db.execute(statement)

    return alter


def written(place: int, data: bytes) -> Callable[[Path], None]:
    """Write *data* into a ledger's file at a *place*."""

    def write(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(place)
            file.write(data)

    return write


def shapeless(column: str, table: str = "runs") -> Callable[[Path], None]:
    """Let a *column* hold anything, and put in what it should not."""

    def alter(path: Path) -> None:
        altered("UPDATE sqlite_master SET sql = replace(sql, 'STRICT', '')", reaches_schema=True)(
            path
        )
        # where no rowid is, none is said to be missing
        altered(f"UPDATE {table} SET {column}")(path)

    return alter


DAMAGE: dict[str, Callable[[Path], None]] = {
    "no database": written(0, b"not a database" * 2000),
    "its head": written(0, b"\0" * 40),
    "a version of nobody's": written(60, struct.pack(">i", -7)),
    "a version of the far future": written(60, b"0000"),
    "a format of the future": written(18, b"\x07\x07"),
    "cut short": lambda path: os.truncate(path, 5000),
    "all but the head": lambda path: written(4096, b"\xa5" * (path.stat().st_size - 4096))(path),
    "its schema": written(100, b"\xa5" * 3996),
    "no tables": altered("DELETE FROM sqlite_master", reaches_schema=True),
    "a table less": altered("DROP TABLE results"),
    "a column less": altered("ALTER TABLE runs DROP COLUMN failed"),
    "a view less": altered("DROP VIEW history"),
    "a log that is none": altered("UPDATE attempts SET log = x'0102'"),
    "a log without an end": altered("UPDATE attempts SET log = substr(log, 1, 20)"),
    "a recipe that is none": altered("UPDATE recipes SET recipe = '[]'"),
    "a recipe nested deeply": altered("UPDATE recipes SET recipe = printf('%.*c', 99999, '[')"),
    "options that are none": altered("UPDATE runs SET options = '{'"),
    "a state of nobody's": altered("UPDATE attempts SET state = 'sleeping'"),
    "an exit code of nobody's": altered("UPDATE runs SET exit_code = 77"),
    "a time past all calendars": altered("UPDATE runs SET started = 1e300"),
    "an endless time": altered("UPDATE attempts SET seconds = 9e999"),
    "a number for a text": shapeless("id = x'05'"),
    "bytes for a number": shapeless("files = x'00'"),
}
READ: dict[str, Callable[[Ledger], object]] = {
    "runs": lambda ledger: ledger.runs.all(),
    "run": lambda ledger: [run.id for run in ledger.runs.all()],
    "find": lambda ledger: ledger.find("0.mp3"),
    "attempts": lambda ledger: ledger.attempts.newest(RUN),
    "attempts_at": lambda ledger: ledger.attempts.at("1.mp3"),
    "resumable": lambda ledger: ledger.runs.resumable("local"),
}


@pytest.fixture(params=DAMAGE)
def damaged(request: pytest.FixtureRequest, file: Path) -> Path:
    DAMAGE[request.param](file)
    return file


def set_aside(file: Path) -> list[bytes]:
    """What lies beside a ledger of earlier ones."""
    return [path.read_bytes() for path in file.parent.glob("ledger.damaged-*.sqlite")]


def test_a_damaged_ledger_is_set_aside_by_whoever_reads_it(
    damaged: Path, destination: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = damaged.read_bytes()
    with Ledger.read(destination) as ledger:
        for read in READ.values():
            read(ledger)
        kept = set_aside(damaged)
        assert len(kept) == 1
        # sqlite itself may have taken note that it opened the file
        assert len(kept[0]) == len(before)
        assert f"it was kept as {destination / '.runner' / 'ledger.damaged-'}" in caplog.text
        assert ledger.runs.all() == []
        begin(ledger, destination)
        ledger.record(RUN, DONE)
    with Ledger.read(destination) as ledger:
        assert ledger.runs.find(None).files == 40
        assert ledger.find("0.mp3")


def test_after_damage_in_the_middle_of_a_run_the_ledger_records_the_rest(
    destination: Path, file: Path
) -> None:
    with Ledger.open(destination) as ledger:
        begin(ledger, destination)
        size = file.stat().st_size
        written(4096, b"\xa5" * (size - 4096))(file)
        ledger.record(RUN, DONE)
        ledger.record(RUN, failed(CONVERSIONS[1]))
        ledger.end(RUN, ExitCode.SOME_FAILED, {State.FAILED: 1})
    assert len(set_aside(file)) == 1
    with Ledger.read(destination) as ledger:
        run = ledger.runs.find(None)
        assert (run.id, run.files, run.failed, run.exit_code) == (RUN, 40, 1, 1)
        assert ledger.find("0.mp3")
        assert [attempt.target for attempt in ledger.attempts.newest(RUN)] == ["0.mp3", "1.mp3"]


def test_looking_only_writes_nothing_whatever_the_ledger_is_like(
    damaged: Path, destination: Path
) -> None:
    before = everything(destination)
    with Ledger.peek(destination) as ledger:
        for read in READ.values():
            read(ledger)
        assert ledger.damage
    assert everything(destination) == before


def everything(folder: Path) -> dict[str, bytes]:
    """All that is in *folder*."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def cut_off(file: Path) -> Path:
    """A ledger with a transaction that was cut off: its pages are in the file, to be taken back."""
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA cache_spill = 1")
        db.execute("PRAGMA cache_size = 1")
        db.execute("BEGIN")
        db.execute("UPDATE results SET sha256 = 'of a transaction that never ended'")
        db.execute("UPDATE attempts SET message = printf('%.*c', 3000, 'x')")
        copy = file.with_name("copy")
        shutil.copy(file, copy)
        shutil.copy(f"{file}-journal", f"{copy}-journal")
        db.rollback()
    copy.replace(file)
    Path(f"{copy}-journal").replace(f"{file}-journal")
    return file


@pytest.mark.parametrize("opening", [Ledger.read, Ledger.peek])
def test_a_transaction_that_was_cut_off_is_taken_back(
    cut_off: Path, destination: Path, opening: Callable[[Path], Ledger]
) -> None:
    before = everything(destination)
    with opening(destination) as ledger:
        assert not ledger.damage
        record = ledger.find("0.mp3")
        assert record
        assert record.result.sha256 == "0" * 64
        assert len(ledger.attempts.newest(RUN)) == 40
    assert (everything(destination) == before) is (opening == Ledger.peek)


MANY = [
    (Conversion(Source("/in/a.mp4", 5, 7), "a.mp3", recipe()), State.CONVERTED, ""),
    (Conversion(Source("/in/a.mp4", 5, 7), "a.opus", recipe("opus")), State.CONVERTED, ""),
    (Conversion(Source("/in/a.mov", 5, 7), "a.mp3", recipe()), State.FAILED, "its log"),
    (
        Conversion(Source("/in/ü\udcff/\udcfe'\n.mp4", 5, 7), "ü/\udcff.mp3", recipe()),
        State.FAILED,
        "x",
    ),
    (Conversion(Source("C:\\in\\b.mp4", 5, 7), "b.mp3", recipe()), State.CONVERTED, ""),
    (Conversion(Source("az://c/d e.mp4", 5, 7, "0x8D"), "d e.mp3", recipe()), State.CONVERTED, ""),
    (Conversion(Source("no folder.mp4", -1, 0), "no folder.mp3", recipe()), State.FAILED, ""),
]


def known(ledger: Ledger) -> list[object]:
    """All that a ledger tells of `MANY`."""
    targets = [conversion.target for conversion, _, _ in MANY]
    return [
        ledger.runs.all(),
        [ledger.find(target) for target in targets],
        [ledger.attempts.at(target) for target in targets],
        [ledger.attempts.at(conversion.source.path) for conversion, _, _ in MANY[2:3]],
        *(
            read(RUN)
            for read in (ledger.attempts.newest, ledger.attempts.failed, ledger.attempts.to_tell)
        ),
        ledger.attempts.all(RUN),
        ledger.attempts.earlier(recipe()),
        ledger.known_failures("ffmpeg 9"),
    ]


def test_all_of_a_ledger_of_the_version_before_is_taken_over(destination: Path) -> None:
    with Ledger.open(destination) as ledger:
        plan = Plan(RUN, destination, tuple(conversion for conversion, _, _ in MANY))
        ledger.begin(plan, "local", "runner convert in", RunOptions(), "ffmpeg 9")
        for conversion, state, log in MANY:
            good = state is State.CONVERTED
            event = Event(
                conversion=conversion,
                state=state,
                result=Result(size=3, sha256="0a" * 32, mtime_ns=5) if good else None,
                failure=None if good else Failure(Kind.INPUT, "ends early \udcff", log),
                log=log,
                notices=("one",) if conversion.recipe != recipe() else (),
                execution=Execution(worker="worker 1", began=5.0, sent=7, ffmpeg="ffmpeg"),
            )
            ledger.record(RUN, event)
        before = known(ledger)
    assert before[1]
    assert len(ledger_rows(before[-1])) == 2
    write_as_of(len(STEPS) - 1, destination / ".runner" / "ledger.sqlite")
    with Ledger.peek(destination) as ledger:
        assert known(ledger) == before
    with Ledger.open(destination) as ledger:
        assert known(ledger) == before


def test_prices_stay_where_none_are_known_when_the_run_goes_on(destination: Path) -> None:
    prices = Prices(spot=0.036, origin="a list")
    with Ledger.open(destination) as ledger:
        begin(ledger, destination)
        assert ledger.runs.find(RUN).prices is None
        ledger.runs.record_prices(RUN, "standard_d4ads_v5", None)
        assert ledger.runs.find(RUN).prices is None
        ledger.runs.record_prices(RUN, "standard_d4ads_v5", prices)
        ledger.runs.record_prices(RUN, "standard_d8ads_v5", None)
        run = ledger.runs.find(RUN)
    assert (run.prices, run.vm_size) == (prices, "standard_d8ads_v5")


@pytest.mark.parametrize("at_a_time", [1, 3, 2000])
def test_each_attempt_is_told_once_however_many_are_read_at_a_time(
    destination: Path, at_a_time: int
) -> None:
    with Ledger.open(destination) as ledger:
        ledger.begin(Plan(RUN, destination, CONVERSIONS), "local", "", RunOptions())
        for number in range(1, 8):
            for conversion in CONVERSIONS[: 1 + number % 2]:
                failure = Failure(Kind.TRANSIENT, "lost", "its log")
                event = Event(conversion=conversion, state=State.FAILED, failure=failure)
                ledger.record(RUN, replace(event, attempt=number))
        each = list(ledger.attempts.each(RUN, at_a_time))
        every = [replace(attempt, log="") for attempt in ledger.attempts.all(RUN)]
    assert len(each) == len(every) > 7
    assert sorted(each, key=repr) == sorted(every, key=repr)


@pytest.mark.parametrize("size", [5, 0, -1])
def test_all_that_is_known_of_an_attempt_comes_back(size: int, destination: Path) -> None:
    began = time.time() - 100
    steps = (Step("download", began, began + 1.5), Step("convert", began + 1.5, began + 61.25))
    conversion = replace(CONVERSIONS[0], source=Source("/in/0.wav", size, 7))
    with Ledger.open(destination) as ledger:
        begin(ledger, destination)
        ledger.record(
            RUN,
            Event(
                conversion=conversion,
                state=State.CONVERTED,
                attempt=2,
                seconds=61.25,
                result=Result(size=3, sha256="0f" * 32),
                notices=("one thing", "another"),
                media_total=90.5,
                versions="ffmpeg 9",
                log="what it said",
                execution=Execution(
                    worker="node-1", queued=began - 5, began=began, sent=17, steps=steps
                ),
            ),
        )
        (known,) = ledger.attempts.newest(RUN)
        assert ledger.attempts.to_tell(RUN) == [known]
    assert (known.number, known.state, known.seconds) == (2, State.CONVERTED, 61.25)
    assert known.notices == ("one thing", "another")
    assert (known.source_size, known.size, known.sent) == (None if size < 0 else size, 3, 17)
    assert (known.media_seconds, known.worker, known.versions) == (90.5, "node-1", "ffmpeg 9")
    assert known.log == "on a node with ffmpeg 9\nwhat it said"
    assert known.queued is not None
    assert known.began is not None
    assert (known.queued.timestamp(), known.began.timestamp()) == pytest.approx((began - 5, began))
    assert [step.name for step in known.steps] == ["download", "convert"]
    for step, known_step in zip(steps, known.steps, strict=True):
        assert known_step.began == pytest.approx(step.began, abs=0.002)
        assert known_step.ended == pytest.approx(step.ended, abs=0.002)


def test_of_a_very_long_log_the_ledger_has_the_head_and_the_tail(destination: Path) -> None:
    log = "first line\n" + "x" * 40_000 + "\nlast line"
    with Ledger.open(destination) as ledger:
        begin(ledger, destination)
        ledger.record(RUN, replace(failed(CONVERSIONS[0]), log=log))
        (known,) = ledger.attempts.newest(RUN)
    assert known.log.startswith("first line\nxxx")
    assert known.log.endswith("xxx\nlast line")
    assert "x\n[...]\nx" in known.log
    assert 16_384 <= len(known.log) < 16_400


@pytest.mark.parametrize("spot", [True, False, None])
def test_all_that_was_seen_of_a_node_comes_back(spot: bool | None, destination: Path) -> None:
    early = NodeUse(node="node-1", spot=spot, since=5.5, until=7.5)
    late = replace(early, until=9.0, allocated=4.0, ready=6.0)
    with Ledger.open(destination) as ledger:
        begin(ledger, destination)
        ledger.runs.record_node(RUN, early)
        ledger.runs.record_node(RUN, late)
        assert ledger.runs.node_uses(RUN) == [late]
        assert ledger.runs.node_uses("another") == []


def ledger_rows(found: object) -> list[object]:
    assert isinstance(found, dict)
    return list(found)


def test_results_that_are_looked_up_at_once_are_what_each_is(destination: Path) -> None:
    names = [f"a/{number}.mp3" for number in range(5)] + ["ü\udcff\n.mp3", "a b/'\".mp3"]
    with Ledger.open(destination) as ledger:
        ledger.begin(Plan(RUN, destination, CONVERSIONS), "local", "", RunOptions())
        for source in ("/in/one", "/in/another"):  # of the same target
            for size, name in enumerate(names):
                conversion = Conversion(Source(source + name, size, LATE), name, recipe())
                result = Result(size=size, sha256="0f" * 32, mtime_ns=LATE)
                ledger.record(
                    RUN, Event(conversion=conversion, state=State.CONVERTED, result=result)
                )
        found = ledger.find_all([*names, "elsewhere.mp3"])
        assert found == {name: ledger.find(name) for name in names}
        assert {name: record.result.size for name, record in found.items()} == {
            name: size for size, name in enumerate(names)
        }
        assert ledger.find_all(["elsewhere.mp3"]) == {}


def test_a_file_takes_less_than_400_bytes(destination: Path) -> None:
    count = 2000
    with Ledger.open(destination) as ledger:
        ledger.begin(Plan(RUN, destination, CONVERSIONS), "local", "", RunOptions())
        for number in range(count):
            name = f"a folder/a clip with a name of usual length {number:06}"
            conversion = Conversion(
                Source(f"/home/me/{name}.mp4", 10**8, LATE), f"{name}.mp3", recipe()
            )
            now = time.time()
            steps = (Step("convert", now - 2, now - 1), Step("verify", now - 1, now))
            event = Event(
                conversion=conversion,
                state=State.CONVERTED,
                seconds=2.0123,
                media_done=10.02,
                media_total=10.02,
                result=Result(size=10**6, sha256=f"{number:064x}", mtime_ns=LATE),
                execution=Execution(
                    worker="worker 2", began=now - 2, ffmpeg="ffmpeg 9", steps=steps
                ),
            )
            ledger.record(RUN, event)
        (attempt,) = ledger.attempts.at(f"{name}.mp3")
    assert [step.name for step in attempt.steps] == ["convert", "verify"]
    assert attempt.steps[1].ended == pytest.approx(now, abs=0.1)
    assert (destination / ".runner" / "ledger.sqlite").stat().st_size / count < 400


@pytest.mark.parametrize("version", range(1, len(STEPS)))
def test_a_ledger_of_an_older_version_can_be_looked_into(destination: Path, version: int) -> None:
    backend = "place" if version < 8 else "backend"  # the column was renamed
    (destination / ".runner").mkdir(parents=True)
    with closing(sqlite3.connect(destination / ".runner" / "ledger.sqlite")) as db, db:
        add_functions(db)
        for step in STEPS[:version]:
            db.executescript(step)
        db.execute(
            f"INSERT INTO runs (id, {backend}, command, started, files) VALUES (?, 'local', '', 0.0, 1)",
            (RUN,),
        )
        db.execute(f"PRAGMA user_version = {version}")
    before = everything(destination)
    with Ledger.peek(destination) as ledger:
        assert [run.id for run in ledger.runs.all()] == [RUN]
        assert not ledger.damage
    assert everything(destination) == before
    with Ledger.read(destination) as ledger:
        assert [run.id for run in ledger.runs.all()] == [RUN]


def test_a_damaged_ledger_that_another_runner_works_with_stays(
    destination: Path, file: Path
) -> None:
    written(4096, b"\xa5" * (file.stat().st_size - 4096))(file)
    with Ledger.peek(destination) as other, other.lock.held_for(RUN):  # noqa: SIM117 - one after another
        with pytest.raises(SetupError) as caught, Ledger.read(destination) as ledger:
            ledger.runs.all()
    assert "another runner is using it: wait until that has finished" in str(caught.value)
    assert not set_aside(file)
    with Ledger.read(destination) as ledger:
        assert ledger.runs.all() == []
    assert len(set_aside(file)) == 1


def test_a_locked_ledger_does_not_count_as_damaged(
    destination: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.database.LOCK_PATIENCE", 0.1)
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SetupError, match=r"cannot use the ledger .*: database is locked"):
            Ledger.read(destination)
    assert not set_aside(file)


@pytest.mark.parametrize(
    "facts", [b"", b"{", b"[]", b'{"run": 1}', b"[" * 9999, b"\xff", b"x" * 99999]
)
def test_whoever_holds_a_destination_need_not_be_readable(
    facts: bytes, destination: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.destination_lock.MOMENT", 0.05)
    with Ledger.read(destination) as one, Ledger.read(destination) as two, one.lock.held_for(RUN):
        file.with_name("holder.json").write_bytes(facts)
        with (
            pytest.raises(Exception, match="is in use by another runner"),
            two.lock.held_for("other"),
        ):
            raise AssertionError


# --- the real commands ---------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["its schema", "an exit code of nobody's"])
@pytest.mark.parametrize("command", ["runs", "status", "logs", "retry", "clean --where local"])
def test_no_command_trips_over_a_damaged_ledger(
    run: Run, file: Path, damage: str, command: str
) -> None:
    DAMAGE[damage](file)
    result = run(*command.split())
    assert result.exit_code in (ExitCode.OK, ExitCode.USAGE), "no runs yet"
    assert "Warning: the ledger out/.runner/ledger.sqlite was damaged" in result.stderr
    assert "Traceback" not in result.stderr
    assert len(set_aside(file)) == 1
    assert "Warning" not in run(*command.split()).stderr


@pytest.mark.parametrize("where", ["auto", "local"])
def test_arguments_from_a_run_on_azure_are_not_used_here(
    run: Run, destination: Path, where: str
) -> None:
    with Ledger.open(destination) as ledger:
        plan = Plan(RUN, destination, CONVERSIONS)
        ledger.begin(plan, "account", "runner convert in", RunOptions())
        ledger.record(RUN, failed(CONVERSIONS[1]))
        ledger.end(RUN, ExitCode.SOME_FAILED, {})
    result = run("retry", "--where", where)
    assert result.exit_code == 4
    assert f"run {RUN} was done on account: choose its environment with --stack" in result.error


def test_a_run_that_finds_its_ledger_damaged_checks_what_is_there(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("clip.mp3", tmp_path / "in" / "a.mp3")
    run("convert", "in", "--to", "wav")
    DAMAGE["its schema"](destination / ".runner" / "ledger.sqlite")
    result = run("convert", "in", "--to", "wav", "--json")
    assert result.exit_code == 0
    assert '"state": "up-to-date"' in result.stdout
    assert "1 up to date" in run("runs").stdout


def test_a_dry_run_writes_nothing_and_names_the_damage(
    run: Run, media: Media, tmp_path: Path, destination: Path, file: Path
) -> None:
    media.put("clip.mp3", tmp_path / "in" / "a.mp3")
    before = everything(destination)
    assert run("convert", "in", "-n").exit_code == 0
    assert everything(destination) == before
    DAMAGE["its schema"](file)
    before = everything(destination)
    result = run("convert", "in", "-n")
    assert result.exit_code == 0
    assert "Warning: out/.runner/ledger.sqlite is damaged" in result.stderr
    assert everything(destination) == before
    assert tree(destination) == {}
