"""No signature, key or token shows anywhere: not on the wire, nor on the screen, nor in a file."""

import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError

from runner.azure.credentials import BATCH_KEY, batch_client
from runner.azure.errors import azure_errors, redacted
from runner.azure.session import Session
from runner.errors import RunnerError, UnfitError
from tests.azure.conftest import MakeCloud, MakeEngine, drive, on_cloud, plan_of
from tests.cloud import Cloud
from tests.conftest import Run, tree
from tests.emulator import Settings
from tests.emulator.azurite import KEY
from tests.media import Media

SIGNATURE = re.compile(rb"(?i)sig=[a-z0-9%]")
TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]{20,}")


def leaks(data: bytes, cloud: Cloud) -> list[str]:
    """The kinds of secrets that are in *data*."""
    found = {
        "signature": SIGNATURE.search(data),
        "token": TOKEN.search(data),
        "storage key": KEY.encode() in data,
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
    result = run("convert", "in", "-v", "--json", AZURE_LOG_LEVEL="debug")
    assert result.exit_code == 1, result.stderr
    runs = run("logs").stdout + run("runs").stdout + run("status").stdout
    assert files_below(run.folder / "out")
    return (result.stdout + result.stderr + runs).encode() + files_below(run.folder / "out")


def test_with_an_identity_no_secret_leaves_the_runner(
    cloud: Cloud, azure_run: Run, media: Media, folder: Path
) -> None:
    said = a_run_with_trouble(cloud, azure_run, media, folder)
    assert leaks(said, cloud) == []
    for seen in cloud.azure.requests:
        if not seen.operation.startswith("side"):
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


def test_signatures_allow_no_more_than_nodes_need(
    make_cloud: MakeCloud, engine_on: MakeEngine, one: Path, destination: Path
) -> None:
    cloud = make_cloud().without_identity()
    drive(engine_on(cloud), plan_of(one, destination))
    task = cloud.tasks()[0]
    read = [file.http_url or "" for file in task.resource_files or ()]
    written = [
        file.destination.container.container_url
        for file in task.output_files or ()
        if file.destination.container
    ]
    assert all("sp=r&" in url and "skoid=" in url for url in read), "a user-delegation signature"
    assert all("sp=cw&" in url for url in written)


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
    result = signed("convert", "in", "-v")
    assert result.exit_code == 0, result.stderr
    schemes = {
        seen.headers["authorization"].split()[0]
        for seen in cloud.azure.requests
        if not seen.operation.startswith("side")
    }
    assert "SharedKey" in schemes
    assert leaks((result.stdout + result.stderr).encode(), cloud) == []
    assert leaks(files_below(azure_run.folder / "out"), cloud) == []


def test_a_batch_key_for_an_account_that_takes_none_is_an_error(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BATCH_KEY, "c2VjcmV0")
    with pytest.raises(UnfitError, match="takes no key: unset it") as caught:
        batch_client(cloud.deployment, cloud.azure.credential)
    assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize("key", ["c2VjcmV", "secret key!", "c2Vjc=mV0", "schlüssel", "===="])
def test_a_batch_key_that_is_none_is_named_and_not_shown(
    cloud: Cloud, azure_run: Run, one: Path, key: str
) -> None:
    deployment = replace(cloud.deployment, pool_allocation_mode="BatchService")
    keyed = on_cloud(azure_run, replace(cloud, deployment=deployment))
    wrong = replace(keyed, environment={**keyed.environment, BATCH_KEY: key})
    result = wrong("convert", "in", "-v")
    assert result.exit_code == 4
    assert result.error == f"{BATCH_KEY} is no key of a Batch account: was it cut short in copying?"
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
    with pytest.raises(UnfitError) as caught:
        session.jobs.pool()
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
