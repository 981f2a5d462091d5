"""What storage says is believed only as far as it makes sense, and never harms more than its file."""

import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContentSettings

from runner.azure.blobs import Blobs
from runner.media.record import LONGEST_RECORD, Record
from runner.media.strict import UnreadableError
from runner.models import Kind, State
from tests.azure.conftest import MakeEngine, drive, plan_of
from tests.azure.test_faults import overwrite, submitted
from tests.cloud import Cloud
from tests.conftest import Run, names
from tests.fuzz import cases, mutated_plan

GOOD: dict[str, Any] = {"size": 1, "sha256": "0" * 64, "media_seconds": 1.5, "log": "words"}


def record(**other: object) -> bytes:
    """A record with something *other* in it."""
    return json.dumps({**GOOD, **other}).encode()


@pytest.mark.parametrize(
    "other",
    [{}, {"from": "the future"}, {"media_seconds": 2}, {"kind": "input", "size": 0, "sha256": ""}],
)
def test_a_record_that_makes_sense_is_read(other: dict[str, object]) -> None:
    read = Record.from_json(record(**other))
    assert read.log == "words"
    assert bool(read.failure) is ("kind" in other)


def repr_of(value: object) -> str:
    """A short name for a case, however long it is."""
    return repr(value)[-60:]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (record().decode().encode("utf-16-le"), "not JSON"),
        (b"[]", "not an object"),
        (b"{}", "neither a result nor a failure"),
        (record(sha256="0" * 63), "neither a result nor a failure"),
        (record(size=0), "neither a result nor a failure"),
        (record(size=-1), "neither a result nor a failure"),
        (record(size=2**63), "size: out of range"),
        (record(size=1.0), "size: not a whole number"),
        (record(size=True), "size: not a whole number"),
        (record(kind="bogus"), "kind: there is no such kind"),
        (record(kind=["input"]), "kind: not a text"),
        (record(media_seconds=-7), "media_seconds: out of range"),
        (record(media_seconds=1e300), "media_seconds: out of range"),
        (record(media_seconds=10**400), "media_seconds: out of range"),
        (record(media_seconds="5"), "media_seconds: not a number"),
        (record(media_seconds=None), "media_seconds: not a number"),
        (record(media_seconds=float("nan")), "NaN is not a number"),
        (record(media_seconds=float("-inf")), "-Infinity is not a number"),
        (record().replace(b"1.5", b"1e999"), "media_seconds: not a finite number"),
        (record(log=None), "log: not a text"),
        (record(log="\ud800"), "log: not a text: half a surrogate pair"),
        (record(message=["a"]), "message: not a text"),
        (record(message="a" * 2001), "too many words"),
        (record(log="a" * 40_000), "too many words"),
        (record(notices="abc"), "notices: not a list"),
        (record(notices=[1]), "notices: not a text"),
        (record(notices=["a"] * 101), "too many words"),
        (record(started="now"), "started: not a number"),
        (b"[" * 100_000, "nested too deeply|not JSON"),
        (record(log=["["]).replace(b'["["]', b"[" * 100_000), "nested too deeply|not JSON"),
        (b" " * (LONGEST_RECORD + 1), "longer than 2097152 bytes"),
    ],
    ids=repr_of,
)
def test_a_record_that_makes_no_sense_is_none(data: bytes, why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        Record.from_json(data)


def spoil_records(cloud: Cloud, conversion: str, change: str) -> None:
    """Have the nodes' Python make the *change* to what each task of *conversion* has recorded."""
    python = getattr(sys, "_base_executable", sys.executable)
    program = Path(cloud.azure._node_path[0], "python3")
    program.write_text(
        f"#!{python} -IS\n"
        "import os, sys\n"
        f"command = [{python!r}, '-IS', *sys.argv[1:]]\n"
        f"if {conversion!r} not in os.environ['AZ_BATCH_TASK_ID']:\n"
        "    os.execv(command[0], command)\n"
        "import json\n"
        "code = os.spawnv(os.P_WAIT, command[0], command)\n"
        "facts = json.load(open('record.json'))\n"
        f"{change}\n"
        "json.dump(facts, open('record.json', 'w'))\n"
        "sys.exit(code)\n"
    )
    program.chmod(0o755)


@pytest.mark.parametrize(
    "change",
    [
        "facts['kind'] = 'bogus'",
        "facts['media_seconds'] = -7",
        "facts['log'] = None",
        "facts['size'] -= 1",
        "facts['padding'] = 'x' * 3_000_000",
    ],
)
def test_a_file_whose_record_is_always_bad_fails_in_the_end_and_alone(
    cloud: Cloud, engine_on: MakeEngine, folder: Path, destination: Path, change: str
) -> None:
    plan = plan_of(folder, destination)
    spoil_records(cloud, plan.conversions[1].id, change)
    told = drive(engine_on(cloud, retries=1), plan)
    assert told.failures["b.mp3"].kind is Kind.TRANSIENT
    assert told.states.count(State.RETRYING) == 1
    assert names(destination) == {"a.mp3", "c.mp3"}


def test_of_a_long_log_only_the_end_is_read(
    cloud: Cloud, engine_on: MakeEngine, one: Path, destination: Path
) -> None:
    submitted(cloud, engine_on, one, destination)
    overwrite(cloud, "record.json", None)
    overwrite(cloud, "stderr.txt", b"x" * 3_000_000 + b"the last words")
    plan = plan_of(one, destination)
    run = next(iter(cloud.jobs()))
    told = drive(engine_on(cloud), type(plan)(run, plan.destination, plan.conversions))
    (retrying,) = (event for event in told.events if event.state is State.RETRYING)
    assert retrying.log.endswith("the last words")
    assert len(retrying.log) == 64 * 1024


def test_a_blob_that_calls_itself_compressed_is_taken_as_it_lies_there(
    cloud: Cloud, tmp_path: Path
) -> None:
    data = gzip.compress(b"0" * 1_000_000)
    container = cloud.container("output")
    settings = ContentSettings(content_encoding="gzip")
    cloud.blobs.get_blob_client(container, "x").upload_blob(data, content_settings=settings)
    blobs = Blobs(cloud.blobs)
    assert blobs.read(container, "x", 5000) == data
    assert blobs.read_end(container, "x", 100) == data[-100:]
    assert blobs.download(container, "x", tmp_path / "x", len(data))
    assert (tmp_path / "x").read_bytes() == data


def test_what_is_too_long_or_not_of_its_size_is_left_where_it_is(
    cloud: Cloud, tmp_path: Path
) -> None:
    container = cloud.container("output")
    cloud.blobs.get_blob_client(container, "x").upload_blob(b"0123456789")
    blobs = Blobs(cloud.blobs)
    with pytest.raises(UnreadableError, match="longer than 9 bytes"):
        blobs.read(container, "x", 9)
    assert blobs.read(container, "x", 10) == b"0123456789"
    assert blobs.download(container, "x", tmp_path / "x", 9) == ""
    assert not (tmp_path / "x").exists()
    cloud.blobs.get_blob_client(container, "empty").upload_blob(b"")
    assert (blobs.read(container, "empty", 9), blobs.read_end(container, "empty", 9)) == (b"", b"")


def put_plan(cloud: Cloud, change: Callable[[list[str]], list[str]]) -> str:
    """Change the lines of the plan that lies in storage; returns the run."""
    (name,) = (name for name in cloud.stored("input") if name.endswith("plan.jsonl.gz"))
    lines = gzip.decompress(cloud.stored("input")[name]).decode().splitlines()
    changed = gzip.compress("\n".join(change(lines)).encode())
    cloud.blobs.get_blob_client(cloud.container("input"), name).upload_blob(changed, overwrite=True)
    return name.partition("/")[0]


@pytest.mark.parametrize("target", ["../escaped.mp3", "sub/../../escaped.mp3", "/tmp/escaped.mp3"])
def test_attach_writes_nothing_outside_the_destination(
    cloud: Cloud, azure_run: Run, one: Path, tmp_path: Path, target: str
) -> None:
    assert azure_run("convert", "in", "--detach").exit_code == 0
    run = put_plan(cloud, lambda lines: [line.replace("a.mp3", target) for line in lines])
    for command in (("attach", run, "-o", "elsewhere"), ("convert", "in")):
        result = azure_run(*command)
        assert result.exit_code == 4
        assert "its result would be outside the destination" in result.error
    assert not [*tmp_path.parent.rglob("escaped.mp3")]
    assert azure_run("cancel", run).exit_code == 0
    assert azure_run("convert", "in").exit_code == 0
    assert names(tmp_path / "out") == {"a.mp3"}


@pytest.mark.parametrize("number", range(2))
def test_the_real_attach_meets_plans_of_any_kind(
    cloud: Cloud, azure_run: Run, folder: Path, tmp_path: Path, number: int
) -> None:
    assert azure_run("convert", "in", "--detach").exit_code == 0
    name = next(name for name in cloud.stored("input") if name.endswith("plan.jsonl.gz"))
    whole = cloud.stored("input")[name]
    before = {path for path in tmp_path.parent.rglob("*") if tmp_path not in path.parents}
    chances = [*cases("attach")][number * 3 : number * 3 + 3]
    for case, chance in chances:
        blob = cloud.blobs.get_blob_client(cloud.container("input"), name)
        blob.upload_blob(mutated_plan(whole, chance), overwrite=True)
        result = azure_run("attach", name.partition("/")[0], "-o", "elsewhere")
        assert result.exit_code in (0, 1, 2, 4), (case, result.stderr)
        assert "Traceback" not in result.stderr, case
    after = {path for path in tmp_path.parent.rglob("*") if tmp_path not in path.parents}
    assert after == before, "nothing outside"


@pytest.mark.parametrize("name", ["../../x", "x", "20261122-1412-mossy-otter/../x"])
def test_attach_takes_no_name_that_is_none_of_a_run(azure_run: Run, name: str) -> None:
    result = azure_run("attach", name)
    assert result.exit_code == 2
    assert f"'{name}' is not the name of a run" in result.error


def test_a_source_that_changed_replaces_what_it_was_in_the_plan(
    cloud: Cloud, azure_run: Run, folder: Path, destination: Path
) -> None:
    cloud.fault("status", "create_task_collection", status=403)
    assert azure_run("convert", "in").exit_code == 4
    (folder / "a.wav").write_bytes((folder / "a.wav").read_bytes() + b"\0\0")
    cloud.fault("status", "create_task_collection", status=403)
    assert azure_run("convert", "in").exit_code == 4
    result = azure_run("convert", "in")
    assert result.exit_code == 0, result.stderr
    assert names(destination) == {"a.mp3", "b.mp3", "c.mp3"}
