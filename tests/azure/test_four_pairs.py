"""Sources here or in storage, results here or in storage: the same promises of both engines."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from runner.azure.fetch import BlobFetch
from runner.azure.listing import Listing
from runner.azure.result_store import BlobResultStore
from runner.azure.results import CloudResults
from runner.azure.session import Session
from runner.engine import Engine
from runner.local import LocalEngine
from runner.models import Kind, Plan, State
from runner.options import RunOptions
from runner.plan import make_plan
from runner.selection import Selection, find_files
from tests.azure.conftest import MP3, MakeCloud, MakeEngine, drive
from tests.azure.media_store import MediaStore, media_store
from tests.azure.test_cloud_results import kept_in, results_in
from tests.cloud import Cloud
from tests.conftest import tree
from tests.media import Media

HERE, THERE = "here", "in storage"


@dataclass(frozen=True)
class Pair:
    """Where sources are and where results go, and which engine converts."""

    cloud: Cloud
    store: MediaStore | None
    folder: Path
    destination: Path
    results_stay: bool
    engine: Engine

    def put(self, name: str, file: Path) -> None:
        """Put a source there."""
        if self.store is not None:
            self.store.put(name, file)
        else:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.read_bytes())

    def take_away(self, name: str) -> None:
        """Delete a source."""
        if self.store is not None:
            self.store.container.delete_blob(name)
        else:
            (self.folder / name).unlink()

    def plan(self) -> Plan:
        source = str(self.folder) if self.store is None else f"az://{self.store.name}"
        accounts = Session(self.cloud.deployment).accounts
        found = find_files([source], Selection(), lambda: Listing(accounts))
        plan = make_plan(found, MP3, self.destination)
        return replace(plan, address=kept_in(self.cloud)) if self.results_stay else plan

    @property
    def results(self) -> dict[str, bytes]:
        """What is at the destination."""
        if self.results_stay:
            return results_in(self.cloud)
        return tree(self.destination) if self.destination.exists() else {}


@pytest.fixture(params=["local", "azure"])
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(
    params=[(HERE, HERE), (HERE, THERE), (THERE, HERE), (THERE, THERE)], ids=" to ".join
)
def pair(
    request: pytest.FixtureRequest,
    engine_name: str,
    make_cloud: MakeCloud,
    engine_on: MakeEngine,
    tmp_path: Path,
    destination: Path,
) -> Iterator[Pair]:
    source, target = request.param
    cloud = make_cloud()
    with ExitStack() as stack:
        store = stack.enter_context(media_store(cloud)) if source == THERE else None
        cloud = store.cloud if store else cloud
        stays = target == THERE
        engine: Engine
        if engine_name == "azure":
            engine = engine_on(cloud, overwrite="auto")
        else:
            accounts, options = Session(cloud.deployment).accounts, RunOptions()
            results = (
                BlobResultStore(CloudResults(kept_in(cloud), accounts), options) if stays else None
            )
            fetch = BlobFetch(accounts)
            engine = LocalEngine(
                ffmpeg=get_ffmpeg_exe(), jobs=2, options=options, fetch=fetch, store=results
            )
        yield Pair(cloud, store, tmp_path / "in", destination, stays, engine)


def test_each_file_ends_once_with_its_verified_result_or_the_reason_why_there_is_none(
    pair: Pair, media: Media
) -> None:
    for name in ("a.wav", "sub dir/ü.wav", "gone.wav"):
        pair.put(name, media("8-bit.wav"))
    pair.put("bad.mp4", media("truncated.mp4"))
    plan = pair.plan()
    pair.take_away("gone.wav")
    told = drive(pair.engine, plan)
    finals = [event.conversion.target for event in told.events if event.state.is_final]
    assert sorted(finals) == ["a.mp3", "bad.mp3", "gone.mp3", "sub dir/ü.mp3"]
    assert {target: f.kind for target, f in told.failures.items()} == {
        "bad.mp3": Kind.INPUT,
        "gone.mp3": Kind.INPUT,
    }
    assert told.failures["bad.mp3"].message.startswith("the file ends early")
    assert told.failures["gone.mp3"].message.endswith(" is gone")
    assert set(pair.results) == {"a.mp3", "sub dir/ü.mp3"}
    for target, data in pair.results.items():
        event = told.results[target]
        assert (event.state, event.attempt) == (State.CONVERTED, 1)
        assert event.result is not None
        assert event.result.size == len(data)
        assert event.result.sha256 == hashlib.sha256(data).hexdigest()
    scratch = pair.destination / ".runner" / "tmp"
    assert not scratch.exists() or not list(scratch.iterdir())
    assert pair.results_stay is not any(pair.destination.rglob("*.mp3"))
