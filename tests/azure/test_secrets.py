"""No signature, key or token shows anywhere: not on the wire, nor on the screen, nor in a file."""

import re
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from azure.batch.models import BatchTask
from azure.core.exceptions import HttpResponseError, ServiceRequestError

from runner.azure.clients import BATCH_KEY, batch_client
from runner.azure.errors import azure_errors, redacted
from runner.azure.session import Session
from runner.azure.signing import Lifetimes, lifetimes
from runner.errors import RunnerError, SetupError
from runner.media.environment import without_secrets
from runner.models import Conversion, Plan, Source
from tests.azure.conftest import MP3, MakeCloud, MakeEngine, drive, on_cloud, plan_of
from tests.cloud import Cloud
from tests.conftest import Run, tree
from tests.emulator import Settings
from tests.emulator.azurite import KEY, OTHER_KEY
from tests.media import Media
from tests.stand_in import MakeStandIn, python_program

SIGNATURE = re.compile(rb"(?i)sig=[a-z0-9%]")
TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]{20,}")


def leaks(data: bytes, cloud: Cloud) -> list[str]:
    """The kinds of secrets that are in *data*."""
    found = {
        "signature": SIGNATURE.search(data),
        "token": TOKEN.search(data),
        "storage key": any(key.encode() in data for key in (KEY, OTHER_KEY)),
        "Batch key": cloud.azure.key.encode() in data,
    }
    return [kind for kind, there in found.items() if there]


def files_below(folder: Path) -> bytes:
    """All that is written below *folder*, ledger included."""
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def a_run_with_trouble(cloud: Cloud, run: Run, media: Media, folder: Path) -> bytes:
    """All that a run with failures of many kinds says and writes down."""
    media.put("truncated.mp4", folder / "bad.mp4")
    media.put("clip.mp4", folder / "film.mp4")
    cloud.fault("upload", code="FileUploadMiscError")
    cloud.fault("download", code="BlobDownloadMiscError")
    cloud.fault("status", "create_task_collection", status=503)
    cloud.fault("status", "list_tasks", status=500)
    result = run("convert", "in", "-vv", "--json", AZURE_LOG_LEVEL="debug")
    assert result.exit_code == 1, result.stderr
    request = r"^POST https://\S+/jobs/\S+/addtaskcollection\?api-version=\S+ 503, \d+ ms, request id \S+$"
    assert re.search(request, result.stderr, re.MULTILINE), result.stderr
    assert re.search(r"^PUT https://\S+ 201, \d+ ms, request id \S+$", result.stderr, re.MULTILINE)
    runs = run("logs").stdout + run("runs").stdout + run("status").stdout
    assert files_below(run.folder / "out")
    return (result.stdout + result.stderr + runs).encode() + files_below(run.folder / "out")


def test_with_an_identity_no_secret_leaves_the_runner(
    cloud: Cloud, azure_run: Run, media: Media, folder: Path
) -> None:
    said = a_run_with_trouble(cloud, azure_run, media, folder)
    assert leaks(said, cloud) == []
    for seen in cloud.azure.requests:
        if not seen.operation.startswith("control_"):
            assert leaks(seen.content + seen.target.encode(), cloud) == []
    everything = b"".join(
        data for place in ("input", "output", "tools") for data in cloud.stored(place).values()
    )
    assert leaks(everything, cloud) == []


def test_without_an_identity_signatures_are_in_the_tasks_alone(
    make_cloud: MakeCloud, run: Run, media: Media, folder: Path
) -> None:
    cloud = make_cloud().without_identity()
    said = a_run_with_trouble(cloud, on_cloud(run, cloud), media, folder)
    assert leaks(said, cloud) == []
    signed = {s.operation for s in cloud.azure.requests if leaks(s.content, cloud)}
    assert signed == {"create_task_collection"}
    assert not any(leaks(seen.target.encode(), cloud) for seen in cloud.azure.requests)


def addresses_of(task: BatchTask) -> dict[str, str]:
    """The addresses that a task may use, by the kind of what it does there."""
    read = [file.http_url or "" for file in task.resource_files or ()]
    written = {
        file.destination.container.container_url
        for file in task.output_files or ()
        if file.destination.container
    }
    worker, source = sorted(read, key=lambda url: "/tools-" not in url)
    return {"worker": worker, "source": source, "output": written.pop()}


def parts_of(url: str) -> dict[str, str]:
    """What a signature says."""
    return {name: value[0] for name, value in parse_qs(urlsplit(url).query).items()}


@pytest.mark.parametrize(
    ("timeout", "hours"),
    [(None, {"read": 24, "write": 72}), (600.0, {"read": 24, "write": 25 + 1 / 6})],
)
def test_signatures_allow_no_more_than_their_task_needs(
    make_cloud: MakeCloud,
    engine_on: MakeEngine,
    folder: Path,
    destination: Path,
    timeout: float | None,
    hours: dict[str, float],
) -> None:
    cloud = make_cloud().without_identity()
    began = datetime.now(UTC)
    drive(engine_on(cloud, timeout=timeout), plan_of(folder, destination))
    for task in cloud.tasks():
        found = addresses_of(task)
        signed = {kind: parts_of(url) for kind, url in found.items()}
        for kind, parts in signed.items():
            print(f"{task.id} {kind}: {parts}")  # noqa: T201 - to be looked at with -s
        # of one blob, or of the container, which is the narrowest that Batch takes for output
        assert {k: (s["sr"], s["sp"]) for k, s in signed.items()} == {
            "worker": ("b", "r"),
            "source": ("b", "r"),
            "output": ("c", "w"),
        }
        assert {s["spr"] for s in signed.values()} == {"https"}
        assert all("skoid" in s for s in signed.values()), "by a user-delegation key"
        assert str(task.id).partition("-a")[0] in urlsplit(found["source"]).path
        for kind, parts in signed.items():
            life = datetime.fromisoformat(parts["se"]) - began
            expected = hours["write" if kind == "output" else "read"]
            assert expected - 0.01 < life / timedelta(hours=1) < expected + 0.2
            assert began - datetime.fromisoformat(parts["st"]) < timedelta(minutes=16)


def test_a_signature_is_good_for_nothing_else(
    make_cloud: MakeCloud, engine_on: MakeEngine, folder: Path, destination: Path
) -> None:
    cloud = make_cloud().without_identity()
    drive(engine_on(cloud, keep=True), plan_of(folder, destination))
    found = addresses_of(cloud.tasks()[0])
    (mine,) = {found["source"]}
    other = next(url for task in cloud.tasks() if (url := addresses_of(task)["source"]) != mine)
    base, _, signature = found["output"].partition("?")
    record = next(name for name in cloud.stored("output") if name.endswith("record.json"))
    stolen = f"{urlsplit(other)._replace(query='').geturl()}?{urlsplit(mine).query}"
    plan = f"{next(iter(cloud.jobs()))}/plan.jsonl.gz"
    cloud.blobs.get_blob_client(cloud.container("input"), plan).upload_blob(b"", overwrite=True)
    plain, _, own = mine.partition("?")

    def status(method: str, url: str) -> int:
        headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-08-06"}
        trusted = cloud.storage.ca_file
        return requests.request(
            method, url, headers=headers, verify=trusted, timeout=30
        ).status_code

    assert status("GET", mine) == 200
    refused = {
        "another's source": status("GET", stolen),
        "the plan": status("GET", f"{plain.rpartition('/')[0]}/{plan.partition('/')[2]}?{own}"),
        "writing to it": status("PUT", mine),
        "listing the results": status("GET", f"{found['output']}&restype=container&comp=list"),
        "reading one": status("GET", f"{base}/{record}?{signature}"),
        "deleting one": status("DELETE", f"{base}/{record}?{signature}"),
    }
    assert set(refused.values()) == {403}, refused


@pytest.mark.parametrize(
    ("seconds", "slots", "longest", "read", "write"),
    [
        (0, 4, timedelta(hours=1), timedelta(days=1), timedelta(days=1, hours=1)),
        (4 * 86400, 4, timedelta(hours=1), timedelta(days=2), timedelta(days=2, hours=1)),
        (4 * 86400, 4, timedelta(days=2), timedelta(days=2), timedelta(days=4)),
        (10**13, 4, timedelta(days=2), timedelta(days=6, hours=6), timedelta(days=6, hours=6)),
        (
            2**63 // 500_000,
            0,
            timedelta(days=2),
            timedelta(days=6, hours=6),
            timedelta(days=6, hours=6),
        ),
        (0, 0, timedelta(days=99), timedelta(days=1), timedelta(days=6, hours=6)),
    ],
)
def test_signatures_hold_as_long_as_the_run_needs_and_never_past_their_key(
    tmp_path: Path, seconds: int, slots: int, longest: timedelta, read: timedelta, write: timedelta
) -> None:
    source = Source("/in/a.mp4", seconds * 500_000, 1)
    plan = Plan("run", tmp_path, (Conversion(source, "a.mp3", MP3),))
    assert lifetimes(plan, slots, longest) == Lifetimes(read, write)
    assert write * 1.1 + timedelta(minutes=15) < timedelta(days=7)


def test_programs_are_told_no_secret(
    cloud: Cloud, azure_run: Run, stand_in: MakeStandIn, media: Media, tmp_path: Path
) -> None:
    media.put("clip.mov", tmp_path / "in" / "film.mov")
    program = stand_in("append('told', '\\n'.join(map('='.join, os.environ.items())))")
    harmless = {"AZURE_REGION": "westeurope", "HTTPS_PROXY": "", "KEYBOARD": "de", "MONKEYS": "2"}
    told = {**SECRETS, **harmless}
    for where in ("local", "azure"):
        result = azure_run.process(
            *("convert", "in", "-o", where, "--where", where, "--ffmpeg", str(program.path)),
            prefix=("env", *(f"{name}={value}" for name, value in told.items())),
        )
        assert result.exit_code == 0, result.stderr
    environment = (program.path.parent / "told").read_text()
    assert len(program.starts) > 2
    assert "hush" not in environment
    for name, value in harmless.items():
        assert f"{name}={value}\n" in environment


SECRETS = {
    name: f"hush-{number}"
    for number, name in enumerate(
        (
            *("AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_CONNECTION_STRING"),
            *("AZURE_CLIENT_CERTIFICATE_PASSWORD", "AZURE_PASSWORD", "AZURE_ACCESS_TOKEN"),
            *("ARM_CLIENT_SECRET", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_ACCESS_TOKEN"),
            *("AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "PGPASSWORD", "MY_SAS", "IDENTITY_HEADER"),
            *("APPLICATIONINSIGHTS_CONNECTION_STRING", "GOOGLE_CREDENTIALS", "azure_api_key"),
        )
    )
} | {"ELSEWHERE": "https://store/x?sp=r&sig=hush", "OTHER": "AccountName=a;AccountKey=hush=="}


@pytest.mark.parametrize("name", [*SECRETS, BATCH_KEY, "AZURE_CLIENT_SECRET"])
def test_a_secret_is_told_by_its_name_or_by_what_is_in_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, SECRETS.get(name, "hush"))
    assert name not in without_secrets()


def test_pulumi_is_told_what_it_signs_in_with_and_not_the_batch_key(
    run: Run, tmp_path: Path, one: Path
) -> None:
    (tmp_path / "bin").mkdir()
    note = f"open({str(tmp_path / 'told')!r}, 'w').write('\\n'.join(map('='.join, os.environ.items())))"
    pulumi = python_program(tmp_path / "bin", "pulumi", f"import os\n{note}\nprint([])\n")
    (tmp_path / "Pulumi.yaml").write_text("name: x\n")
    result = run(
        *("convert", "in"),
        PATH=f"{pulumi.parent}:{run.environment['PATH']}",
        PULUMI_CONFIG_PASSPHRASE="hush",
        RUNNER_BATCH_KEY="c2VjcmV0",
    )
    assert result.exit_code == 0, result.stderr
    told = (tmp_path / "told").read_text()
    assert "PULUMI_CONFIG_PASSPHRASE=hush" in told
    assert "RUNNER_BATCH_KEY" not in told


def test_a_refusal_that_quotes_an_address_is_shown_without_its_signature(
    make_cloud: MakeCloud, engine_on: MakeEngine, one: Path, destination: Path
) -> None:
    cloud = make_cloud().without_identity()
    cloud.fault("add_task", status=400, code="InvalidPropertyValue")
    told = drive(engine_on(cloud), plan_of(one, destination))
    assert "Batch refuses the task" in told.failures["a.mp3"].message
    assert leaks(repr(told).encode(), cloud) == []


@pytest.mark.parametrize(
    "text",
    [
        "https://a.blob.core.windows.net/in/x?sp=r&sig=abc%2Bdef%3D&se=2026",
        "AccountKey=abc+def==;EndpointSuffix=core",
        "Authorization: SharedKey account:abc+def==",
        "authorization: Bearer abc+def",
        "SIG=abc",
    ],
)
def test_signatures_and_keys_are_cut_out_of_any_text(text: str) -> None:
    assert "abc" not in redacted(text)
    assert "…" in redacted(text)


def test_an_error_of_the_client_leaves_its_secrets_behind() -> None:
    for error in (
        HttpResponseError("no such blob: https://a/b?sig=secret"),
        ServiceRequestError("cannot reach https://a/b?sp=r&sig=secret&x=1"),
    ):
        with pytest.raises(RunnerError) as caught, azure_errors("looking", "storage"):
            raise error
        assert "secret" not in "".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


def test_the_batch_key_signs_in_to_an_account_that_takes_keys(
    cloud: Cloud, azure_run: Run, one: Path
) -> None:
    deployment = replace(cloud.deployment, pool_allocation_mode="BatchService")
    keyed = on_cloud(azure_run, replace(cloud, deployment=deployment))
    signed = replace(keyed, environment={**keyed.environment, BATCH_KEY: cloud.azure.key})
    result = signed("convert", "in", "-vv")
    assert result.exit_code == 0, result.stderr
    schemes = {
        seen.headers["authorization"].split()[0]
        for seen in cloud.azure.requests
        if not seen.operation.startswith("control_")
    }
    assert "SharedKey" in schemes
    assert leaks((result.stdout + result.stderr).encode(), cloud) == []
    assert leaks(files_below(azure_run.folder / "out"), cloud) == []


def test_a_batch_key_for_an_account_that_takes_none_is_an_error(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BATCH_KEY, "c2VjcmV0")
    with pytest.raises(SetupError, match="does not accept keys: unset it") as caught:
        batch_client(cloud.deployment, cloud.azure.credential)
    assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize("key", ["c2VjcmV", "secret key!", "c2Vjc=mV0", "schlüssel", "===="])
def test_a_batch_key_that_is_none_is_named_and_not_shown(
    cloud: Cloud, azure_run: Run, one: Path, key: str
) -> None:
    deployment = replace(cloud.deployment, pool_allocation_mode="BatchService")
    keyed = on_cloud(azure_run, replace(cloud, deployment=deployment))
    wrong = replace(keyed, environment={**keyed.environment, BATCH_KEY: key})
    result = wrong("convert", "in", "-vv")
    assert result.exit_code == 4
    assert result.error == f"{BATCH_KEY} is not a Batch account key: was it copied completely?"
    assert key not in result.stdout + result.stderr


def test_blanks_around_a_batch_key_do_not_count(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = replace(cloud.deployment, pool_allocation_mode="BatchService")
    monkeypatch.setenv(BATCH_KEY, f" {cloud.azure.key}\n")
    with batch_client(deployment, cloud.azure.credential) as client:
        assert [pool.id for pool in client.list_pools()] == ["ffmpeg"]


def test_the_request_id_is_kept_beside_the_message(cloud: Cloud) -> None:
    cloud.fault("status", "get_pool", status=403, times=None)
    session = Session(cloud.deployment)
    with pytest.raises(SetupError) as caught:
        session.jobs.pool.get()
    session.batch.close()
    assert re.fullmatch(r"request id [0-9a-f-]{36}", caught.value.__notes__[0])
    assert "request id" not in str(caught.value)


def test_the_outputs_hold_no_secret(cloud: Cloud) -> None:
    assert leaks(repr(asdict(cloud.deployment)).encode(), cloud) == []


def test_an_account_that_refuses_keys_is_used_by_token(
    make_cloud: MakeCloud, engine_on: MakeEngine, one: Path, destination: Path
) -> None:
    cloud = make_cloud(settings=Settings(shared_key=False))
    drive(engine_on(cloud), plan_of(one, destination))
    assert set(tree(destination)) == {"a.mp3"}
