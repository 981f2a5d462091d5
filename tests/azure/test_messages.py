"""The small decisions of the Azure engine: what ends mean, descriptions of tasks, names, errors, the manifest."""

import gzip
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from azure.batch.models import BatchNode, BatchPool, BatchTask, BatchTaskCreateOptions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)

from runner.azure import task_spec
from runner.azure.deployment import Deployment
from runner.azure.diagnosis import alarms
from runner.azure.errors import is_transient, translated
from runner.azure.manifest import Manifest, manifest_of, read_manifest
from runner.azure.names import BlobNames, NodeUrl, TaskName, safe_suffix
from runner.azure.node_health import PoolSnapshot
from runner.azure.outcome import failure_of
from runner.azure.session import Session, _is_before
from runner.azure.tasks import FinishedTask
from runner.azure.worker_package import pack_worker
from runner.errors import ExitCode, SetupError
from runner.media.order import ORDER, Order
from runner.media.record import Record
from runner.models import Conversion, Failure, Kind, Plan, Source
from runner.options import RunOptions
from tests.azure.conftest import MP3
from tests.azure.test_stack import OUTPUTS

WHEN = datetime(2026, 11, 22, tzinfo=UTC)
DONE = FinishedTask("t", WHEN, 0, succeeded=True, code="", message="", started=WHEN, ended=WHEN)
GOOD = Record(size=1, sha256="x", media_seconds=1.0)
BAD = Record(kind="input", message="damaged", log="words")


def ended(code: str, message: str = "words", exit_code: int | None = None) -> FinishedTask:
    return replace(DONE, succeeded=False, code=code, message=message, exit_code=exit_code)


# --- how a task ended ----------------------------------------------------------------------------


def test_a_good_record_of_a_task_that_succeeded_is_no_failure() -> None:
    assert failure_of(DONE, GOOD, signed=False) is None


def test_the_workers_own_word_comes_first() -> None:
    end = ended("FailureExitCode", exit_code=1)
    assert failure_of(end, BAD, signed=False) == Failure(Kind.INPUT, "damaged", "words")


def test_a_failure_in_the_record_is_believed_of_a_task_that_succeeded_too() -> None:
    assert failure_of(DONE, BAD, signed=False) == Failure(Kind.INPUT, "damaged", "words")


def test_a_record_that_cannot_be_read_counts_only_where_the_task_succeeded() -> None:
    unreadable = "it is cut off"
    failure = failure_of(DONE, None, signed=False, unreadable=unreadable)
    assert failure == Failure(
        Kind.TRANSIENT, "the record of the task cannot be read: it is cut off"
    )
    failed = failure_of(
        ended("FailureExitCode", exit_code=3), None, signed=False, unreadable=unreadable
    )
    assert failed == Failure(Kind.INTERNAL, "the worker exited with code 3 and left no record")


def test_the_log_in_a_record_goes_with_the_failure_that_batch_reports() -> None:
    failure = failure_of(ended("TaskEnded", "by hand"), replace(GOOD, log="words"), signed=False)
    assert failure == Failure(Kind.TRANSIENT, "terminated from outside: by hand", "words")


def test_only_the_first_line_of_a_reason_from_outside_is_shown() -> None:
    failure = failure_of(ended("TaskEnded", "by hand\nRequestId: 1"), None, signed=False)
    assert failure == Failure(Kind.TRANSIENT, "terminated from outside: by hand")


def test_exit_code_0_does_not_count_where_the_upload_failed() -> None:
    failure = failure_of(ended("FileUploadMiscError", exit_code=0), GOOD, signed=False)
    assert failure is not None
    assert (failure.kind, failure.message) == (Kind.TRANSIENT, "FileUploadMiscError: words")


@pytest.mark.parametrize(
    ("end", "kind", "said"),
    [
        (DONE, Kind.TRANSIENT, "the task left no record of its result"),
        (ended("BlobNotFound"), Kind.TRANSIENT, "a blob that it needs is no longer in storage"),
        (ended("diskfull"), Kind.TRANSIENT, "diskfull: words"),
        (ended("SomethingNew"), Kind.TRANSIENT, "SomethingNew: words"),
        (
            ended("ResourceContainerNotFound"),
            Kind.ENVIRONMENT,
            "a container does not exist: run `pulumi",
        ),
        (ended("CommandProgramNotFound"), Kind.ENVIRONMENT, "the node has no /bin/bash"),
        (ended("FailureExitCode", exit_code=127), Kind.ENVIRONMENT, "the node has no python3"),
        (ended("FailureExitCode", exit_code=137), Kind.TRANSIENT, "the worker was killed on the"),
        (ended("FailureExitCode", exit_code=-9), Kind.TRANSIENT, "the worker was killed on the"),
        (ended("FailureExitCode", exit_code=129), Kind.TRANSIENT, "the worker was killed on the"),
        (ended("FailureExitCode", exit_code=128), Kind.INTERNAL, "the worker exited with code 128"),
        (ended("FailureExitCode", exit_code=3), Kind.INTERNAL, "the worker exited with code 3"),
        (ended("TaskEnded", "the wall clock"), Kind.TIMEOUT, "took longer than its time limit"),
        (ended("TaskEnded", "out of time"), Kind.TIMEOUT, "took longer than its time limit"),
        (
            ended("TaskEnded", "Task was ended by user"),
            Kind.TRANSIENT,
            "terminated from outside: Task",
        ),
        (ended("TaskEnded", ""), Kind.TRANSIENT, "terminated from outside: no reason"),
        (
            ended("TaskEnded", "exceeded its maximum wall clock time", exit_code=137),
            Kind.TIMEOUT,
            "took longer than its time limit",
        ),
    ],
)
def test_the_end_of_a_task_without_a_record_has_a_kind(
    end: FinishedTask, kind: Kind, said: str
) -> None:
    failure = failure_of(end, None, signed=False)
    assert failure is not None
    assert failure.kind is kind
    assert failure.message.startswith(said)


@pytest.mark.parametrize(
    "code", ["BlobAccessDenied", "ResourceContainerAccessDenied", "FileUploadAccessDenied"]
)
def test_a_refusal_is_the_rights_or_an_expired_signature(code: str) -> None:
    by_identity = failure_of(ended(code), None, signed=False)
    by_signature = failure_of(ended(code), None, signed=True)
    assert by_identity is not None
    assert by_signature is not None
    assert (by_identity.kind, by_signature.kind) == (Kind.ENVIRONMENT, Kind.TRANSIENT)
    wanted = "Contributor on the output" if code.startswith("FileUpload") else "Reader on the input"
    assert wanted in by_identity.message
    assert "expired" in by_signature.message


# --- tasks ---------------------------------------------------------------------------------------

CONVERSION = Conversion(Source("/in/a `b` $(c) 'd'.MP4", 10, 3), "a.mp3", MP3)


def deployment(**changes: object) -> Deployment:
    return Deployment.from_outputs({**OUTPUTS, **changes}, "a test")


def blob_names(**changes: object) -> BlobNames:
    return BlobNames(
        "run",
        deployment(**changes),
        lambda container, blob: f"https://store/{container}/{blob}?sp=r&sig=x",
        lambda container: f"https://store/{container}?sp=w&sig=x",
        lambda source: NodeUrl(f"https://store/{source.path}", by_identity=True),
    )


def test_the_name_of_a_task_says_which_attempt_it_is() -> None:
    name = TaskName(CONVERSION.id, 12)
    assert TaskName.parse(str(name)) == name
    assert len(str(TaskName(CONVERSION.id, 9999))) <= 64
    for other in ("t", f"{CONVERSION.id}-a", f"{CONVERSION.id[1:]}-a1", f"{CONVERSION.id}-a1x"):
        assert TaskName.parse(other) is None


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        (".MP4", ".mp4"),
        (".m4a", ".m4a"),
        (".a b", ""),
        (".$(x)", ""),
        (".ünï", ""),
        ("", ""),
        (".", ""),
    ],
)
def test_a_suffix_goes_along_only_if_it_is_harmless(given: str, safe: str) -> None:
    assert safe_suffix(given) == safe


def build_task(*facts: Any) -> BatchTaskCreateOptions:
    """The task as Microsoft's client reads it."""
    return BatchTaskCreateOptions(task_spec.build_task(*facts))


def test_no_name_of_the_users_is_in_a_task() -> None:
    blob = blob_names().source(CONVERSION, ".MP4")
    task = json.dumps(task_spec.build_task(CONVERSION, 1, blob, blob_names(), None))
    assert blob == f"run/{CONVERSION.id}.mp4"
    assert "`b`" not in task
    assert "/in/" not in task


def test_a_task_is_tried_once_and_ends_by_itself() -> None:
    for seconds, most in ((None, timedelta(days=2)), (60.0, timedelta(hours=1, seconds=60))):
        task = build_task(CONVERSION, 1, "run/x.mp4", blob_names(), seconds)
        assert task.constraints is not None
        assert task.constraints.max_task_retry_count == 0
        assert task.constraints.max_wall_clock_time == most
        assert task.required_slots == 1


def test_the_order_arrives_as_it_was_given() -> None:
    task = build_task(CONVERSION, 1, "run/x.mp4", blob_names(), 5.0)
    setting = (task.environment_settings or [])[0]
    assert setting.name == ORDER
    order = Order.from_json(setting.value or "")
    size = CONVERSION.source.size
    assert order == Order(source="source.mp4", recipe=MP3, seconds=5.0, size=size)


def test_logs_and_record_are_kept_of_success_and_failure_and_the_result_of_success() -> None:
    task = build_task(CONVERSION, 3, "run/x.mp4", blob_names(), None)
    kept = {f.file_pattern: f.upload_options.upload_condition for f in task.output_files or ()}
    assert kept == {
        "result.mp3": "tasksuccess",
        "record.json": "taskcompletion",
        "../std*.txt": "taskcompletion",
    }
    folders = {
        (f.destination.container.path or "").split("/")[1]
        for f in task.output_files or ()
        if f.destination.container
    }
    assert folders == {f"{CONVERSION.id}-a3"}, "each attempt keeps its own"


@pytest.mark.parametrize("identity", ["/subscriptions/x", ""])
def test_the_identity_is_named_wherever_storage_is(identity: str) -> None:
    task = build_task(CONVERSION, 1, "run/x.mp4", blob_names(pool_identity_id=identity), None)
    references = [
        *(file.identity_reference for file in task.resource_files or ()),
        *(
            f.destination.container and f.destination.container.identity_reference
            for f in task.output_files or ()
        ),
    ]
    assert [r.resource_id if r else "" for r in references] == [identity] * 5


def test_the_signature_stays_behind_the_name_of_the_blob() -> None:
    task = build_task(CONVERSION, 1, "run/x.mp4", blob_names(), None)
    urls = [file.http_url for file in task.resource_files or ()]
    assert urls[1] == "https://store/input/run/x.mp4?sp=r&sig=x"


def test_the_tool_is_the_same_as_long_as_its_code_is() -> None:
    name, data = pack_worker()
    assert pack_worker.__wrapped__() == (name, data)
    with zipfile.ZipFile(BytesIO(data)) as archive:
        files = archive.namelist()
    assert "__main__.py" in files
    assert "runner/media/node.py" in files
    assert not any("azure" in file or "cli" in file for file in files)


# --- errors --------------------------------------------------------------------------------------


def answered(status: int | None, code: str = "", message: str = "words") -> HttpResponseError:
    error = HttpResponseError(message)
    error.status_code = status
    error.error = SimpleNamespace(code=code, message=message)  # type: ignore[assignment] # as Batch's
    return error


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        *((answered(status), True) for status in (408, 429, 500, 502, 503, 504, None)),
        *((answered(status), False) for status in (400, 401, 403, 404, 409, 412, 413)),
        (ServiceRequestError("no route"), True),
        (ServiceResponseError("reset"), True),
        (IncompleteReadError("half an answer"), True),
        (AzureError("what?"), False),
    ],
)
def test_what_may_pass_is_told_from_what_will_not(error: AzureError, passing: bool) -> None:
    assert is_transient(error) is passing
    code = ExitCode.TRY_AGAIN if passing else ExitCode.ENVIRONMENT
    assert translated(error, "doing", "storage").exit_code is code


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            answered(403, "AuthorizationPermissionMismatch"),
            'needs the role "Storage Blob Data Contrib',
        ),
        (answered(401), "not signed in; run `az login`"),
        (ClientAuthenticationError("tried all"), "not signed in; run `az login`"),
        (answered(404, "ContainerNotFound"), "the container does not exist: run `pulumi up`"),
        (answered(500, "X", "one.\\nRequestId:2"), "doing: X: one.\\nRequestId:2; run the same"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(error: AzureError, said: str) -> None:
    text = str(translated(error, "doing", "storage"))
    assert said in text
    assert "\n" not in text


# --- the manifest --------------------------------------------------------------------------------


DEFAULTS = RunOptions()


def stored(plan: Plan, options: RunOptions = DEFAULTS) -> bytes:
    with manifest_of(plan, options) as file:
        return file.read()


def test_the_plan_comes_back_as_it_was_also_with_the_oddest_names(tmp_path: Path) -> None:
    names = ("a\nb.mp4", "ünï\udcff.mp4", "'\"$.mp4", "漢字.mp4")
    conversions = tuple(Conversion(Source(f"/in/{n}", 5, 7), f"{n}.mp3", MP3) for n in names)
    plan = Plan("20261122-1412-mossy-otter", tmp_path, conversions)
    options = RunOptions(overwrite="always", timeout=7.5, keep=True)
    assert read_manifest(stored(plan, options), plan.id, tmp_path) == Manifest(plan, options)
    elsewhere = read_manifest(stored(plan), plan.id, Path("elsewhere")).plan
    assert [c.id for c in elsewhere.conversions] == [c.id for c in conversions]


RUN = "20261122-1412-mossy-otter"
PRINT = MP3.fingerprint


def packed(*lines: object, **head: object) -> bytes:
    """A plan with this *head* and these *lines*, which are text or become JSON."""
    first = {"v": 2, "run": RUN, "recipes": {PRINT: MP3.as_json()}, **head}
    texts = [line if isinstance(line, str) else json.dumps(line) for line in (first, *lines)]
    return gzip.compress("\n".join(texts).encode(), mtime=0)


def row(target: str = "a.mp3", **other: object) -> list[object]:
    """A file of a plan, with something *other* in it."""
    facts = {"path": "/in/a", "size": 1, "mtime": 1, "target": target, "recipe": PRINT, **other}
    return list(facts.values())


def recipe(**other: object) -> dict[str, str]:
    """The recipes of a plan, with something *other* in theirs."""
    return {PRINT: json.dumps({**json.loads(MP3.as_json()), **other})}


DAMAGED = {
    "nothing": b"",
    "no gzip": b"no gzip",
    "empty": gzip.compress(b"", mtime=0),
    "a list": gzip.compress(b"[]", mtime=0),
    "cut short": packed(row())[:-9],
    "its middle": packed(row())[:20] + b"?" * 9 + packed(row())[29:],
    "nested deeply": packed("[" * 100_000),
    "of another run": packed(row(), run="20261122-1412-mossy-mole"),
    "of a run that is elsewhere": packed(row(), run="../../x"),
    "recipes a list": packed(row(), recipes=[]),
    "a recipe an object": packed(row(), recipes={PRINT: {}}),
    "a recipe no JSON": packed(row(), recipes={PRINT: "{"}),
    "a recipe without arguments": packed(row(), recipes={PRINT: '{"suffix": ".mp3"}'}),
    "an argument a number": packed(row(), recipes=recipe(arguments=[1])),
    "an endless loudness": packed(row(), recipes=recipe(loudness=float("inf"))),
    "a loudness past all floats": packed(
        row(), recipes={PRINT: recipe()[PRINT].replace('"loudness": null', '"loudness": 1e999')}
    ),
    "an input that writes": packed(
        row(), recipes=recipe(input_arguments=["-y", "-f", "null", "/tmp/x"])
    ),
    "an input that is a file": packed(row(), recipes=recipe(input_arguments=["/tmp/x"])),
    "a suffix that leads out": packed(row(), recipes=recipe(suffix="./../x")),
    "an unknown medium": packed(row(), recipes=recipe(media="smell")),
    "options no text": packed(row(), options={}),
    "options a list": packed(row(), options="[]"),
    "an unknown option of a choice": packed(row(), options='{"overwrite": "twice"}'),
    "retries without an end": packed(row(), options='{"retries": 1000000000}'),
    "a time without an end": packed(row(), options='{"timeout": 1e300}'),
    "an option of another type": packed(row(), options='{"keep": 1}'),
    "a row too short": packed(row()[:4]),
    "a row too long": packed([*row(), 1]),
    "a row an object": packed({}),
    "an unknown recipe": packed(row(recipe="other")),
    "a source without a name": packed(row(path="")),
    "a source with a NUL": packed(row(path="/in/\0")),
    "a source a number": packed(row(path=5)),
    "half a character": packed(row(path="/in/\ud800")),
    "a size as text": packed(row(size="1")),
    "a size as truth": packed(row(size=True)),
    "a negative size": packed(row(size=-2)),
    "a size past 64 bits": packed(row(size=2**63)),
    "a time as fraction": packed(row(mtime=1.5)),
    "a time of 5,000 digits": packed(json.dumps(row()).replace("1, 1", f"1, {'9' * 5000}")),
    "a target a list": packed(row(target=["a"])),  # type: ignore[arg-type] # that is the point
    "one target twice": packed(row(), row(path="/in/b")),
    "one target in capitals": packed(row(), row("A.MP3", path="/in/b")),
    "a line without an end": packed("x" * (1 << 21)),
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_plan_is_one_line_that_names_the_remedy(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(SetupError) as caught:
        read_manifest(data, RUN, tmp_path)
    text = str(caught.value)
    assert text.startswith(f"the plan of run {RUN} in storage is damaged (")
    assert f"`runner cancel {RUN}` discards it" in text
    assert "\n" not in text


def test_the_plan_that_is_damaged_in_so_many_ways_is_read_as_it_is(tmp_path: Path) -> None:
    conversion = Conversion(Source("/in/a", 1, 1), "a.mp3", MP3)
    # the second is a plan from before there were options
    for data in (packed(row(), options="{}"), packed(row(), v=1)):
        plan = Plan(RUN, tmp_path, (conversion,))
        assert read_manifest(data, RUN, tmp_path) == Manifest(plan, RunOptions())


@pytest.mark.parametrize(
    "target",
    ["../x", "../../x", "sub/../../x", "sub/..", "/x", "//x", "", ".", "a//b", "a/", "a\0"],
)
def test_a_plan_with_a_target_outside_is_refused(target: str, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="its result would be outside the destination"):
        read_manifest(packed(row(target)), RUN, tmp_path)


@pytest.mark.parametrize("target", [".runner/ledger.sqlite", ".RUNNER/x", ".runner ./tmp/x"])
def test_a_plan_with_a_target_among_what_is_ours_is_refused(target: str, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"its result would be in the folder \.runner"):
        read_manifest(packed(row(target)), RUN, tmp_path)


def test_what_unpacks_to_more_than_a_plan_can_hold_is_not_unpacked(tmp_path: Path) -> None:
    line = gzip.compress(f"\n{json.dumps(row()):1000000}".encode(), 1, mtime=0)
    with pytest.raises(SetupError, match="it unpacks to more than 536870912 bytes"):
        read_manifest(packed() + line * 600, RUN, tmp_path)


@pytest.mark.parametrize(
    "data",
    [packed(row(), v=4), packed(row(), v=None), packed(row(), recipes=recipe(audio_stream=7))],
)
def test_the_plan_of_another_version_is_named(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="another version of runner"):
        read_manifest(data, RUN, tmp_path)


# --- what the service says, and when what it keeps is old -----------------------------------------

ADDRESS = "cannot fetch https://store/tools/x?sp=r&sig=hush%3D 403"
FAILED_NODE = {"id": "node", "state": "starttaskfailed"}


@pytest.mark.parametrize(
    "node",
    [
        {
            **FAILED_NODE,
            "startTaskInfo": {"exitCode": 1, "failureInfo": {"code": "x", "message": ADDRESS}},
        },
        {"id": "node", "state": "unusable", "errors": [{"code": "x", "message": ADDRESS}]},
    ],
    ids=["start task", "node"],
)
def test_why_a_node_failed_is_told_without_signatures(node: dict[str, object]) -> None:
    look = PoolSnapshot(BatchPool({"id": "pool", "state": "active"}), [BatchNode(node)], WHEN)
    alarm = next(alarms(look, deployment())).text
    assert "cannot fetch https://store/tools/x?sp=r&sig=… 403" in alarm
    assert "hush" not in alarm


@pytest.mark.parametrize("place", ["resizeErrors", "autoScaleRun"])
def test_why_a_pool_cannot_grow_is_told_without_signatures(place: str) -> None:
    error = {"code": "Odd", "message": ADDRESS}
    when = "2026-11-22T00:00:00Z"
    value = [error] if place == "resizeErrors" else {"timestamp": when, "error": error}
    look = PoolSnapshot(BatchPool({"id": "pool", "state": "active", place: value}), [], WHEN)
    alarm = next(alarms(look, deployment())).text
    assert "sig=… 403" in alarm
    assert "hush" not in alarm


def test_why_a_task_failed_is_told_without_signatures() -> None:
    info = {
        "exitCode": None,
        "result": "failure",
        "failureInfo": {
            "category": "usererror",
            "code": "BlobDownloadMiscError",
            "message": ADDRESS,
        },
    }
    end = FinishedTask.of(BatchTask({"id": "t", "executionInfo": info}))
    assert end.message == "cannot fetch https://store/tools/x?sp=r&sig=… 403"
    failure = failure_of(end, None, signed=True)
    assert failure
    assert "hush" not in failure.message


@pytest.mark.parametrize(
    ("run", "moment", "is_old"),
    [
        ("20261122-0000-mossy-otter", datetime(2026, 11, 22, 12, tzinfo=UTC), True),
        ("20261122-2359-mossy-otter", datetime(2026, 11, 22, 12, tzinfo=UTC), True),
        ("20261122-0000-mossy-otter", datetime(2026, 11, 22, 11, 59, 59, tzinfo=UTC), False),
        ("20261123-0000-mossy-otter", datetime(2026, 11, 22, 23, tzinfo=UTC), False),
        (
            "20261122-0000-mossy-otter",
            datetime(2026, 11, 22, 13, tzinfo=timezone(timedelta(hours=2))),
            False,
        ),
        ("20269999-0000-mossy-otter", datetime(2030, 1, 1, tzinfo=UTC), False),
        ("00000000-0000-mossy-otter", datetime(2030, 1, 1, tzinfo=UTC), False),
        ("somebody's", datetime(2030, 1, 1, tzinfo=UTC), False),
        ("20261122-0000-mossy-otter-s", datetime(2030, 1, 1, tzinfo=UTC), False),
    ],
)
def test_a_run_is_old_from_the_noon_of_its_day(run: str, moment: datetime, is_old: bool) -> None:
    assert _is_before(run, moment) is is_old


def test_a_session_signs_in_only_when_it_is_used() -> None:
    session = Session(deployment())
    assert "_credential" not in vars(session)
