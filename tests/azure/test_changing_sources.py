"""A source that is written to while it travels is that file's failure, and leaves no mixture behind."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from runner.azure.blobs import Blobs
from runner.azure.engine import AzureEngine
from runner.azure.upload import upload_source
from runner.azure.work_items import WorkItem
from runner.conversions import Conversions
from runner.errors import RunnerError
from runner.media.failures import ConversionError
from tests.azure.conftest import MakeEngine, drive, plan_of
from tests.cloud import Cloud
from tests.conftest import names
from tests.media import Media
from tests.stand_in import MakeStandIn

ONE_REQUEST, MANY_REQUESTS = 1 << 20, 20 << 20


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def shrink(path: Path) -> None:
    os.truncate(path, 1000)


def rewrite(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


@pytest.fixture
def engine(cloud: Cloud, engine_on: MakeEngine) -> AzureEngine:
    return engine_on(cloud, retries=0)


@pytest.mark.parametrize("change", [grow, shrink, rewrite])
@pytest.mark.parametrize(
    ("size", "reads"),
    [(ONE_REQUEST, 1), (MANY_REQUESTS, 3)],
    ids=["before its only request", "between its requests"],
)
def test_no_mixture_of_old_and_new_stays_in_storage(
    size: int,
    reads: int,
    change: Callable[[Path], None],
    engine: AzureEngine,
    cloud: Cloud,
    tmp_path: Path,
    destination: Path,
) -> None:
    source = tmp_path / "in" / "recording.wav"
    source.parent.mkdir()
    source.write_bytes(os.urandom(size))
    plan = plan_of(source.parent, destination)
    context = engine.context_of(plan, tmp_path, lambda _: None)
    so_far = 0

    def change_now() -> bool:
        nonlocal so_far
        so_far += 1
        if so_far == reads:
            change(source)
        return False

    context = replace(context, blobs=Blobs(engine.storage, change_now))
    with pytest.raises(ConversionError, match="the file changed while it was read"):
        upload_source(context, WorkItem(Conversions.of(plan.conversions), 0))
    assert not cloud.stored("input")


def test_what_storage_refuses_for_another_reason_is_said_as_it_is(
    engine: AzureEngine, cloud: Cloud, one: Path, tmp_path: Path, destination: Path
) -> None:
    plan = plan_of(one, destination)
    context = engine.context_of(plan, tmp_path, lambda _: None)
    gone = replace(context.deployment, input_container="gone")
    with pytest.raises(RunnerError, match="the container does not exist"):
        upload_source(
            replace(context, deployment=gone), WorkItem(Conversions.of(plan.conversions), 0)
        )


def test_a_source_that_changes_while_its_audio_is_copied_out_stops_no_other(
    cloud: Cloud,
    engine_on: MakeEngine,
    media: Media,
    tmp_path: Path,
    destination: Path,
    stand_in: MakeStandIn,
) -> None:
    folder = tmp_path / "in"
    media.put("clip.mov", folder / "a.mov", folder / "changing.mov", folder / "z.mov")
    program = stand_in(f"if 'changing' in WORDS: append({str(folder / 'changing.mov')!r}, 'more')")
    engine = replace(engine_on(cloud), ffmpeg=str(program.path))
    told = drive(engine, plan_of(folder, destination))
    assert names(destination) == {"a.mp3", "z.mp3"}
    (failure,) = told.failures.values()
    assert failure.message == "the file changed while it was read; is it still being recorded?"
    assert not cloud.stored("input")
