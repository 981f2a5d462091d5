"""`kill -9` of the runner at any moment, then the same command: nothing twice, nothing lost."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import pytest

from runner.ledger import Ledger
from tests.azure.conftest import Gate, MakeCloud, on_cloud
from tests.cloud import Cloud
from tests.conftest import Run, names, until
from tests.media import Media
from tests.stand_in import MakeStandIn

FILES = 6
COMMAND = ("convert", "in", "--keep", "--transfers", "1")


@pytest.fixture
def many(media: Media, tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    media.put("8-bit.wav", *(folder / f"{number}.wav" for number in range(FILES)))
    return folder


@pytest.fixture
def many_larger(media: Media, tmp_path: Path) -> Path:
    """As many that ffmpeg looks at before they are sent, as it does not at those of a few kB."""
    folder = tmp_path / "in"
    media.put("clip.wav", *(folder / f"{number}.wav" for number in range(FILES)))
    return folder


@dataclass(frozen=True)
class FirstAlone:
    """A cloud whose nodes convert one file, and the others only when they are let."""

    cloud: Cloud
    run: Run
    program: Path

    def let_the_others(self) -> None:
        (self.program.parent / "go").touch()


@pytest.fixture
def first_alone(run: Run, make_cloud: MakeCloud, stand_in: MakeStandIn) -> Iterator[FirstAlone]:
    program = stand_in("if '-progress' in ARGUMENTS and not is_first('alone'): wait_for('go')").path
    cloud = make_cloud(ffmpeg=program)
    made = FirstAlone(cloud, on_cloud(run, cloud), program)
    yield made
    made.let_the_others()


def sources(cloud: Cloud) -> dict[str, str]:
    """The ETags of the uploaded sources: they change when one is written again."""
    container = cloud.blobs.get_container_client(cloud.container("input"))
    return {b.name: str(b.etag) for b in container.list_blobs() if "plan" not in b.name}


def all_is_done_once(cloud: Cloud, destination: Path) -> None:
    assert names(destination) == {f"{number}.mp3" for number in range(FILES)}
    assert len(cloud.attempts()) == FILES
    assert set(cloud.attempts().values()) == {1}, "something was submitted twice"
    assert len(sources(cloud)) == FILES


def go_on(azure_run: Run, cloud: Cloud, destination: Path) -> None:
    """Give the same command again, with what was uploaded before in mind."""
    before = sources(cloud)
    result = azure_run(*COMMAND)
    assert result.exit_code == 0, result.stderr
    assert before.items() <= sources(cloud).items(), "something was uploaded twice"
    all_is_done_once(cloud, destination)
    again = azure_run(*COMMAND)
    assert (again.exit_code, again.stdout) == (0, "")
    assert f"{FILES} up to date" in again.stderr


def kill(process: Popen[str]) -> None:
    assert process.poll() is None, process.communicate()
    process.kill()
    process.communicate()


def test_killed_before_the_job_is_there(
    cloud: Cloud, azure_run: Run, many: Path, destination: Path
) -> None:
    cloud.fault("slow", "create_job", seconds=1.0)
    process = azure_run.start(*COMMAND)
    until(lambda: not cloud.azure.faults.pending)
    kill(process)
    go_on(azure_run, cloud, destination)
    assert len(cloud.jobs()) == 1


def test_killed_while_uploading(
    cloud: Cloud, azure_run: Run, many_larger: Path, destination: Path, stuck: Path
) -> None:
    process = azure_run.start(*COMMAND, "--ffmpeg", stuck)
    until(lambda: len(sources(cloud)) >= 2)
    kill(process)
    assert len(sources(cloud)) < FILES
    go_on(azure_run, cloud, destination)


def test_the_job_of_a_killed_run_ends_though_no_command_has_its_files_any_more(
    cloud: Cloud, azure_run: Run, many_larger: Path, stuck: Path
) -> None:
    process = azure_run.start(*COMMAND, "--ffmpeg", stuck)
    until(lambda: cloud.jobs() and len(sources(cloud)) >= 2)
    kill(process)
    for source in many_larger.iterdir():
        os.utime(source, (1, 1))
    assert azure_run(*COMMAND).exit_code == 0
    assert len(cloud.jobs()) == 2
    until(lambda: set(cloud.jobs().values()) == {"completed"})


def test_killed_while_submitting(
    cloud: Cloud, azure_run: Run, many: Path, destination: Path
) -> None:
    cloud.fault("slow", "create_task_collection", seconds=1.5)
    process = azure_run.start(*COMMAND)
    # the service has the request, and adds the tasks for somebody who is no more
    until(lambda: not cloud.azure.faults.pending)
    kill(process)
    until(cloud.tasks)
    go_on(azure_run, cloud, destination)


def test_killed_while_following(
    run: Run, make_cloud: MakeCloud, gate: Gate, many: Path, destination: Path
) -> None:
    cloud = make_cloud(ffmpeg=gate.program)
    azure_run = on_cloud(run, cloud)
    process = azure_run.start(*COMMAND)
    until(lambda: gate.waiting and len(cloud.tasks()) == FILES)
    kill(process)
    gate.open()
    go_on(azure_run, cloud, destination)
    assert gate.waiting == FILES, "something was converted twice"


def test_killed_while_collecting(first_alone: FirstAlone, many: Path, destination: Path) -> None:
    process = first_alone.run.start(*COMMAND)
    until(lambda: names(destination))
    kill(process)
    assert len(names(destination)) == 1
    first_alone.let_the_others()
    go_on(first_alone.run, first_alone.cloud, destination)


def test_killed_when_results_have_their_names_and_the_ledger_has_not_heard_of_them(
    run: Run, make_cloud: MakeCloud, gate: Gate, many: Path, destination: Path
) -> None:
    azure_run = on_cloud(run, make_cloud(ffmpeg=gate.program))
    process = azure_run.start(*COMMAND)
    until(lambda: gate.waiting)
    with closing(sqlite3.connect(destination / ".runner" / "ledger.sqlite")) as ledger:
        ledger.execute("BEGIN EXCLUSIVE")
        gate.open()
        until(lambda: names(destination))
        kill(process)
    assert azure_run(*COMMAND).exit_code == 0
    with Ledger.read(destination) as written:
        records = [written.find(name) for name in names(destination)]
    assert [record and record.is_ours for record in records] == [True] * FILES


def test_nothing_of_a_killed_run_is_left_in_storage(
    first_alone: FirstAlone, many: Path, destination: Path
) -> None:
    command = ("convert", "in", "--transfers", "1")
    process = first_alone.run.start(*command)
    until(lambda: names(destination))
    kill(process)
    assert sources(first_alone.cloud)
    first_alone.let_the_others()
    assert first_alone.run(*command).exit_code == 0
    assert len(names(destination)) == FILES
    assert first_alone.cloud.stored("input") == {}


def test_killed_again_and_again(
    cloud: Cloud, azure_run: Run, many: Path, destination: Path
) -> None:
    for seconds in (0.2, 0.4, 0.7, 1.0, 1.4):
        process = azure_run.start(*COMMAND)
        time.sleep(seconds)
        process.kill()
        process.communicate()
    assert azure_run(*COMMAND).exit_code == 0
    all_is_done_once(cloud, destination)


def test_what_was_not_finished_is_swept_away(
    first_alone: FirstAlone, many: Path, destination: Path
) -> None:
    process = first_alone.run.start(*COMMAND)
    until(lambda: names(destination))
    kill(process)
    first_alone.let_the_others()
    left = destination / ".runner" / "tmp" / "left.part"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.touch()
    first_alone.run(*COMMAND)
    assert not left.exists()
