"""A result that a node stores in a container: whole and under its final name, or not at all."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from azure.storage.blob import BlobClient, BlobServiceClient

from runner.media.blob_requests import BlobRequests, Identity, SignInError
from runner.media.blob_target import BlobTarget, TargetBlobClient, store_result
from runner.media.failures import ConversionError, Kind
from runner.media.made_from import MadeFrom
from runner.media.work import ConversionResult
from tests.azure.conftest import MakeCloud
from tests.cloud import IDENTITY, POOL, Cloud
from tests.emulator.front import REFUSALS, Proxy, Refusal, refusal

CONTENT = bytes(range(256)) * 40
SOURCE = "/in/ünï 漢字 🎧 'q' \"d\" \n%41/" + "x" * 3000
MADE_FROM = MadeFrom(
    conversion="c0ffee",
    run="20261122-1412-mossy-otter",
    source="/in/a.wav",
    source_size=12,
    source_mtime_ns=34,
    recipe="abc",
    version="1.2",
)
BUSY = Refusal(status=503, code="ServerBusy", message="The server is busy.")


class Trouble(Proxy):
    """Storage whose answers may be refusals, or be lost after what was asked has been done."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud.storage)
        self.refuse: dict[str, list[Refusal]] = {}
        """By the method with `comp`: "PUT", "PUT blocklist", "HEAD" …"""
        self.lose: list[str] = []

    async def _pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        what = f"{request.method} {request.query.get('comp', '')}".strip()
        if refusals := self.refuse.get(what):
            return refusal(refusals.pop(0), {})
        answer = await super()._pass_on(request)
        if what in self.lose:
            self.lose.remove(what)
            return refusal(BUSY, {})
        return answer


@pytest.fixture
def cloud(make_cloud: MakeCloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    cloud = make_cloud()
    metadata = f"{cloud.azure.endpoint}/_emulator/pools/{POOL}"
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", metadata)
    return cloud


@pytest.fixture
def trouble(cloud: Cloud) -> Iterator[Trouble]:
    with Trouble(cloud) as trouble:
        yield trouble


@pytest.fixture
def result(tmp_path: Path) -> Path:
    path = tmp_path / "result.mp3"
    path.write_bytes(CONTENT)
    return path


def result_of(path: Path) -> ConversionResult:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return ConversionResult(
        size=path.stat().st_size,
        sha256=digest,
        mtime_ns=1,
        media_seconds=2.5,
        log="",
        notices=("cover lost", "täg lost"),
    )


def target_at(endpoint: str, cloud: Cloud, **facts: object) -> TargetBlobClient:
    """The blob of a result there, in blocks of 4 kB, written without any wait between tries."""
    container = cloud.container("output")
    target = BlobTarget(
        address=f"{endpoint}/{container}/deep/%C3%BC%20a.mp3",
        shown=f"az://{container}",
        content_type="audio/mpeg",
        made_from=MADE_FROM,
    )
    requests = BlobRequests(Identity(IDENTITY, wait=_at_once), wait=_at_once)
    return TargetBlobClient(replace(target, **facts), requests, block_size=4096)  # type: ignore[arg-type] # names of fields


def _at_once(_: float) -> None:
    """Do not wait."""


def blob_in(cloud: Cloud) -> BlobClient:
    return cloud.blobs.get_blob_client(cloud.container("output"), "deep/ü a.mp3")


@pytest.mark.parametrize("size", [1, 4096, 4097, len(CONTENT)])
def test_what_is_stored_is_whole_and_says_what_it_was_made_from(
    cloud: Cloud, result: Path, size: int
) -> None:
    result.write_bytes(CONTENT[:size])
    made_from = replace(MADE_FROM, source=SOURCE, source_etag='"0x8D"')
    blob = target_at(cloud.storage.blob_endpoint, cloud, made_from=made_from)
    assert blob.made() is None
    made = store_result(blob, str(result), result_of(result))
    facts = blob_in(cloud).get_blob_properties()
    assert blob_in(cloud).download_blob().readall() == CONTENT[:size]
    assert facts.content_settings.content_type == "audio/mpeg"
    assert facts.content_settings.content_md5 == bytearray(hashlib.md5(CONTENT[:size]).digest())
    said = MadeFrom.from_metadata(facts.metadata)
    assert said is not None
    assert SOURCE.startswith(said.source)
    assert len(said.source) > 1500
    assert replace(said, source=SOURCE) == made
    assert (said.size, said.notices) == (size, "cover lost\ntäg lost")


@pytest.mark.parametrize(
    ("there", "replaces", "anything", "message"),
    [
        ("foreign", "", False, "not replaced: another program created the result during the run"),
        ("foreign", "its own", False, ""),
        ("foreign", '"0x1"', False, "not replaced: another program changed the result during"),
        ("foreign", "", True, ""),
        ("leased", "its own", False, "not replaced: another program holds a lease on the result"),
        ("gone", '"0x1"', False, ""),
    ],
)
def test_only_what_may_be_replaced_is_replaced(
    cloud: Cloud, result: Path, there: str, replaces: str, anything: bool, message: str
) -> None:
    blob = blob_in(cloud)
    if there != "gone":
        blob.upload_blob(b"foreign")
    if there == "leased":
        blob.acquire_lease()
    etag = str(blob.get_blob_properties().etag) if replaces == "its own" else replaces
    target = target_at(cloud.storage.blob_endpoint, cloud, replaces=etag, anything=anything)
    if message:
        for act in (target.made, lambda: store_result(target, str(result), result_of(result))):
            if there == "leased" and act == target.made:
                continue  # leases are asked for by who writes
            with pytest.raises(ConversionError, match=message) as caught:
                act()
            assert caught.value.failure.kind is Kind.INPUT
        assert blob.download_blob().readall() == b"foreign"
    else:
        assert target.made() is None
        store_result(target, str(result), result_of(result))
        assert blob.download_blob().readall() == CONTENT


def test_what_the_same_conversion_has_made_before_is_not_made_again(
    cloud: Cloud, result: Path
) -> None:
    endpoint = cloud.storage.blob_endpoint
    blob = target_at(endpoint, cloud)
    made = store_result(blob, str(result), result_of(result))
    assert blob.made() == made
    in_another_run = replace(MADE_FROM, run="another")
    assert target_at(endpoint, cloud, made_from=in_another_run).made() == made
    assert target_at(endpoint, cloud, made_from=in_another_run, anything=True).made() is None
    other = target_at(endpoint, cloud, made_from=replace(MADE_FROM, conversion="beef"))
    with pytest.raises(ConversionError, match="another program created the result"):
        other.made()
    facts = blob_in(cloud).get_blob_properties()
    blob_in(cloud).upload_blob(b"tagged", overwrite=True, metadata=facts.metadata)
    with pytest.raises(ConversionError, match="another program created the result"):
        blob.made()


@pytest.mark.parametrize("size", [100, len(CONTENT)])
def test_lost_answers_and_a_busy_service_cost_nothing_but_time(
    cloud: Cloud, trouble: Trouble, result: Path, size: int
) -> None:
    result.write_bytes(CONTENT[:size])
    trouble.lose = ["PUT", "PUT block", "PUT blocklist"]
    trouble.refuse = {what: [BUSY] * 3 for what in ("HEAD", "PUT", "PUT block", "PUT blocklist")}
    blob = target_at(trouble.blob_endpoint, cloud)
    assert blob.made() is None
    made = store_result(blob, str(result), result_of(result))
    assert made.sha256 == hashlib.sha256(CONTENT[:size]).hexdigest()
    assert blob_in(cloud).download_blob().readall() == CONTENT[:size]


NO_CONTAINER = Refusal(status=404, code="ContainerNotFound", message="")


@pytest.mark.parametrize(
    ("refused", "kind", "words"),
    [
        (REFUSALS["AuthorizationPermissionMismatch"], Kind.ENVIRONMENT, "Blob Data Contributor"),
        (NO_CONTAINER, Kind.ENVIRONMENT, "the container of the results is gone"),
        (BUSY, Kind.TRANSIENT, "storage did not take the result: 503 ServerBusy"),
        (REFUSALS["PublicAccessNotPermitted"], Kind.INPUT, "409 PublicAccessNotPermitted"),
    ],
)
@pytest.mark.parametrize("what", ["PUT block", "PUT blocklist"])
def test_what_goes_wrong_in_the_middle_leaves_nothing_under_the_name(
    cloud: Cloud,
    trouble: Trouble,
    result: Path,
    refused: Refusal,
    kind: Kind,
    words: str,
    what: str,
) -> None:
    trouble.refuse = {what: [refused] * 99}
    blob = target_at(trouble.blob_endpoint, cloud)
    with pytest.raises(ConversionError, match=words) as caught:
        store_result(blob, str(result), result_of(result))
    assert caught.value.failure.kind is kind
    assert not blob_in(cloud).exists()


def test_somebody_who_comes_between_the_blocks_is_not_written_over(
    cloud: Cloud, trouble: Trouble, result: Path
) -> None:
    blob = target_at(trouble.blob_endpoint, cloud)
    with pytest.raises(ConversionError, match="another program created the result"):
        store_result(
            blob, str(result), result_of(result), lambda: _put(blob_in(cloud), b"somebody's")
        )
    assert blob_in(cloud).download_blob().readall() == b"somebody's"


def _put(blob: BlobClient, data: bytes) -> None:
    blob.upload_blob(data, overwrite=True)  # for Azurite, what is not listed yet is there


def test_a_source_that_changed_is_noticed_before_the_result_gets_its_name(
    cloud: Cloud, result: Path
) -> None:
    def changed() -> None:
        raise ConversionError(Kind.INPUT, "the source changed")

    blob = target_at(cloud.storage.blob_endpoint, cloud)
    with pytest.raises(ConversionError, match="the source changed"):
        store_result(blob, str(result), result_of(result), changed)
    assert not blob_in(cloud).exists()


@pytest.mark.parametrize(
    ("identity", "faults", "is_given"),
    [(IDENTITY.upper(), 3, True), (IDENTITY, 99, False), (IDENTITY + "2", 0, False)],
    ids=["after a while", "never", "not on the pool"],
)
def test_a_node_without_a_token_is_an_environment_that_is_to_be_mended(
    cloud: Cloud, identity: str, faults: int, is_given: bool
) -> None:
    if faults:
        cloud.fault("status", "control_metadata", status=503, times=faults)
    sign_in = Identity(identity, wait=_at_once)
    if is_given:
        assert sign_in() == sign_in()
        assert cloud.calls("control_metadata") == faults + 1, (
            "a token is used as long as it is good"
        )
        return
    with pytest.raises(SignInError, match="no firewall on the node blocks that address") as caught:
        sign_in()
    assert caught.value.failure.kind is Kind.ENVIRONMENT


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"runner_run": "r"},
        {"runner_size": "x", "runner_sha256": "0"},
        {"Runner_Conversion": "c", "runner_sha256": "0", "runner_size": "1e9"},
    ],
)
def test_metadata_that_say_nothing_of_the_kind_are_somebody_elses(
    metadata: dict[str, str],
) -> None:
    assert MadeFrom.from_metadata(metadata) is None


def test_a_token_is_sent_over_https_alone(cloud: Cloud, blobs_over_http: str) -> None:
    blob = target_at(blobs_over_http, cloud)
    with pytest.raises(ConversionError, match="none of https"):
        blob.made()


@pytest.fixture
def blobs_over_http(cloud: Cloud) -> str:
    client: BlobServiceClient = cloud.blobs
    return str(client.url).replace("https://", "http://").split("?")[0].rstrip("/")
