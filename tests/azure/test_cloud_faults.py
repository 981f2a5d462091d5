"""Faults of storage where sources and results are in it: refused, throttled, leased, archived, or in use."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.storage.blob import BlobLeaseClient, generate_container_sas

from runner.azure.results import CloudResults
from runner.azure.session import Session
from runner.azure.shared_ledger import SharedLedger
from runner.azure.shared_lock import SharedLock
from runner.blob_selection import ARCHIVED, REHYDRATING
from runner.destination_lock import Holder
from runner.errors import TransientError
from tests.azure.conftest import Gate, MakeCloud, on_cloud
from tests.azure.media_store import media_store
from tests.azure.test_cloud_results import Laptops, kept_in, result_at, results_in
from tests.azure.test_cloud_to_cloud import Clouds
from tests.azure.test_secrets import files_below, leaks
from tests.cloud import IDENTITY, POOL
from tests.conftest import Run, names, until
from tests.emulator.auth import PRINCIPAL
from tests.emulator.azurite import Azurite
from tests.emulator.front import StorageFault, StorageFront
from tests.emulator.ids import made_up_id
from tests.emulator.rights import Rights
from tests.media import Media

STORE = "/store"
_CONTRIBUTOR, _READER = "Storage Blob Data Contributor", "Storage Blob Data Reader"
SOON = {"Retry-After": "1"}


@dataclass(frozen=True)
class Place(Clouds):
    """Clouds whose storage can refuse."""

    front: StorageFront

    def lock_out(self) -> None:
        """Leave the operator no right but on the runner's own containers."""
        self.front.rights.revoke(PRINCIPAL)
        for purpose in ("input", "output", "tools"):
            scope = f"{STORE}/blobServices/default/containers/{self.cloud.container(purpose)}"
            self.front.rights.assign(PRINCIPAL, _CONTRIBUTOR, scope)

    def let_nodes_in(self) -> None:
        """Give the nodes the rights that the stack gives them."""
        nodes = made_up_id(IDENTITY, "principal")
        for name, role in (
            (self.store.name, _READER),
            (self.cloud.container("output"), _CONTRIBUTOR),
        ):
            self.front.rights.assign(nodes, role, f"{STORE}/blobServices/default/containers/{name}")

    def let_in(self) -> None:
        """Give the operator the right to read the sources."""
        scope = f"{STORE}/blobServices/default/containers/{self.store.name}"
        self.front.rights.assign(PRINCIPAL, _READER, scope)


@pytest.fixture
def front(storage: Azurite) -> Iterator[StorageFront]:
    with StorageFront(storage, Rights(), STORE) as front:
        yield front


@pytest.fixture
def place(
    front: StorageFront,
    make_cloud: MakeCloud,
    gate: Gate,
    run: Run,
    media: Media,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    wav = media.put("8-bit.wav", tmp_path / "8-bit.wav")
    cloud = make_cloud(storage=front, ffmpeg=gate.program)
    with media_store(cloud) as store:
        for name in ("a.wav", "sub/b.wav"):
            store.put(name, wav)
        homes = tmp_path_factory.mktemp("homes")
        place = Place(store, Laptops(store.cloud, on_cloud(run, store.cloud), homes), front)
        place.let_nodes_in()
        yield place


@pytest.mark.parametrize(
    ("where", "fault"),
    [
        ("local", StorageFault(code="ServerBusy", method="GET", holds="comp=list", headers=SOON)),
        ("local", StorageFault(code="TooManyRequests", method="GET", holds="a.wav", headers=SOON)),
        ("local", StorageFault(code="ServerBusy", method="PUT", holds="a.mp3", headers=SOON)),
        ("azure", StorageFault(code="ServerBusy", method="PUT", holds="a.mp3", times=2)),
        ("azure", StorageFault(code="ServerBusy", method="HEAD", holds="a.wav", times=2)),
    ],
    ids=["listing", "reading", "writing", "a node writing", "looking at a source"],
)
def test_a_storage_that_is_busy_is_asked_again(
    place: Place, gate: Gate, where: str, fault: StorageFault
) -> None:
    gate.open()
    fault = StorageFault(**vars(fault))  # counted down in each test anew
    place.front.faults.append(fault)
    done = place.laptops("convert", place.source, "--where", where)
    assert done.exit_code == 0, done.stderr
    assert fault.times == 0, "nobody met it"
    assert set(results_in(place.cloud)) == {"a.mp3", "sub/b.mp3"}
    assert set(place.cloud.attempts().values()) <= {1}


@pytest.mark.parametrize(
    ("code", "message"),
    [("BlobArchived", ARCHIVED.message), ("BlobBeingRehydrated", REHYDRATING.message)],
)
def test_a_blob_that_went_into_the_archive_since_it_was_planned_fails_alone(
    place: Place, destination: Path, code: str, message: str
) -> None:
    place.front.faults.append(StorageFault(code=code, method="GET", holds="/a.wav", times=9))
    done = place.laptops.run("convert", place.source, "--where", "local")
    assert done.exit_code == 1, done.stderr
    (failed,) = done.failures
    assert failed.endswith(f"/a.wav  input: {message}")
    assert names(destination) == {"sub/b.mp3"}


@pytest.mark.parametrize("where", ["azure", "local"])
def test_leases_of_others_stop_nobody_from_reading_and_keep_what_they_hold(
    place: Place, gate: Gate, media: Media, where: str
) -> None:
    gate.open()
    words = ("convert", place.source, "--where", where)
    result_at(place.cloud, "a.mp3").upload_blob(b"foreign")
    leases = [
        BlobLeaseClient(blob)
        for blob in (
            result_at(place.cloud, "a.mp3"),
            place.store.container.get_blob_client("sub/b.wav"),
        )
    ]
    for lease in leases:
        lease.acquire()
    done = place.laptops(*words, "--overwrite", "always")
    for lease in leases:
        lease.release()
    assert done.exit_code == 1, done.stderr
    (failed,) = done.failures
    why = "not replaced: another program holds a lease on the result"
    assert failed.endswith(f"/a.wav  input: {why}"), failed
    assert results_in(place.cloud)["a.mp3"] == b"foreign"
    assert set(results_in(place.cloud)) == {"a.mp3", "sub/b.mp3"}


def test_an_operator_whose_right_is_taken_away_learns_which_and_goes_on_with_it(
    place: Place, gate: Gate, destination: Path
) -> None:
    process = place.laptops.on("first").start("convert", place.source)
    until(lambda: gate.waiting)
    place.lock_out()
    gate.open()
    _, said = process.communicate(timeout=100)
    assert process.returncode == 4, said
    assert f"may not read the container {place.store.name} of " in said
    assert said.count("Error: ") == 1
    place.let_in()
    again = place.laptops.on("first")("convert", place.source)
    assert again.exit_code == 0, again.stderr
    assert names(destination) == {"a.mp3", "sub/b.mp3"}
    assert set(place.cloud.attempts().values()) == {1}, "what was paid for is taken"


def test_where_results_stay_nodes_need_no_right_of_the_operator_to_end(
    place: Place, gate: Gate
) -> None:
    process = place.laptops.on("first").start("convert", place.source, "-o", place.laptops.place)
    until(lambda: gate.waiting)
    place.lock_out()
    gate.open()
    _, said = process.communicate(timeout=100)
    assert process.returncode == 0, said
    assert set(results_in(place.cloud)) == {"a.mp3", "sub/b.mp3"}


def test_a_signature_that_is_kept_nowhere_is_asked_for_with_the_command_that_goes_on(
    place: Place, gate: Gate, tmp_path: Path, destination: Path
) -> None:
    (tmp_path / "bad").write_text("no sound")
    place.store.put("bad.wav", tmp_path / "bad")
    sas = generate_container_sas(
        *(place.cloud.storage.name, place.store.name, place.cloud.storage.key),
        permission="rl",
        expiry="2099-01-01",
    )
    place.lock_out()
    here, address = place.laptops.run, f"{place.store.url}/"
    began = here("convert", f"{address}?{sas}", "--detach")
    assert began.exit_code == 0, began.stderr
    gate.open()
    command = f"`runner convert '{address}?SIGNATURE' --detach`"
    for _ in range(2):
        attached = here("attach")
        assert attached.exit_code == 4, attached.stderr
        assert attached.error.endswith(
            f"to continue, run this command again, with the signature: {command}"
        )
    done = here("convert", f"{address}?{sas}")
    assert done.exit_code == 1, done.stderr
    assert names(destination) == {"a.mp3", "sub/b.mp3"}
    retried = here("retry")
    assert (retried.exit_code, "'?SIGNATURE" in retried.error) == (4, False), retried.stderr
    assert retried.error.endswith(f"with the signature: `runner convert '{address}?SIGNATURE'`")
    assert leaks(files_below(destination) + retried.stderr.encode(), place.cloud) == []


def test_a_second_runner_at_one_destination_waits_for_the_first(place: Place, gate: Gate) -> None:
    local = ("--where", "local", "--ffmpeg", str(gate.program), "-o", place.laptops.place)
    words = ("convert", place.source, *local)
    first = place.laptops.on("first").start(*words)
    until(lambda: gate.waiting)
    second = place.laptops.on("second").start(*words)
    assert second.stderr is not None
    line = second.stderr.readline()
    assert " is in use by " in line, line
    assert "waiting for a minute" in line
    assert str(first.pid) in line or os.uname().nodename in line
    gate.open()
    for process, what in ((first, "2 converted"), (second, "2 up to date")):
        _, said = process.communicate(timeout=100)
        assert (process.returncode, what in said) == (0, True), said


def test_a_destination_that_stays_in_use_is_given_up_with_who_works_there_and_what_to_do(
    place: Place, tmp_path: Path
) -> None:
    address = kept_in(place.cloud)
    results = CloudResults(address, Session(place.cloud.deployment).accounts)
    lock = result_at(place.cloud, ".runner/lock")
    lock.upload_blob(Holder("20261126-0900-mossy-otter", 7, "studio", 0.0, "its own").as_json())
    lease = BlobLeaseClient(lock)
    lease.acquire(60)
    free = SharedLock(SharedLedger(results, tmp_path / "state"), patience=0)
    with pytest.raises(TransientError) as given_up:
        free.wait_until_free()
    lease.release()
    said = str(given_up.value)
    assert said.startswith(
        f"{address} is in use by run 20261126-0900-mossy-otter (process 7 on studio"
    )
    assert said.endswith("wait for it or end it there, and run the same command again")
    free.wait_until_free()


def test_a_right_of_the_nodes_that_is_taken_away_while_they_work_is_named_and_given_back(
    place: Place, gate: Gate
) -> None:
    process = place.laptops.on("first").start("convert", place.source, "-o", place.laptops.place)
    until(lambda: gate.waiting == 2)
    place.front.rights.revoke(made_up_id(IDENTITY, "principal"))
    gate.open()
    _, said = process.communicate(timeout=100)
    assert process.returncode == 4, said
    assert said.count("Error: ") == 1, said
    assert "name its container in `readContainers` and run `pulumi up`" in said
    assert results_in(place.cloud) == {}
    place.let_nodes_in()
    again = place.laptops("convert", place.source)
    assert again.exit_code == 0, again.stderr
    assert set(results_in(place.cloud)) == {"a.mp3", "sub/b.mp3"}


def test_a_node_that_is_lost_while_it_converts_a_blob_costs_nothing_but_time(
    place: Place, gate: Gate
) -> None:
    process = place.laptops.on("first").start("convert", place.source, "-o", place.laptops.place)
    until(lambda: gate.waiting == 2)
    (node,) = place.cloud.azure.nodes(POOL)
    place.cloud.azure.lose(POOL, node["id"])
    gate.open()
    place.cloud.resize(2)
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    assert "2 converted" in said
    assert set(results_in(place.cloud)) == {"a.mp3", "sub/b.mp3"}


@pytest.mark.parametrize("kept", [True, False], ids=["kept there", "downloaded"])
def test_a_laptop_that_is_killed_while_it_collects_finds_what_is_paid_for(
    place: Place, gate: Gate, destination: Path, kept: bool
) -> None:
    gate.open()
    what = "/record.json" if kept else "/result."
    fault = StorageFault(code="ServerBusy", method="GET", holds=what, times=1000)
    place.front.faults.append(fault)
    words = ("convert", place.source, "-o", place.laptops.place if kept else str(destination))
    process = place.laptops.on("first").start(*words)
    until(lambda: fault.times < 1000)
    process.kill()
    process.communicate()
    place.front.faults.clear()
    again = place.laptops.on("first")(*words)
    assert again.exit_code == 0, again.stderr
    made = set(results_in(place.cloud)) if kept else names(destination)
    assert made == {"a.mp3", "sub/b.mp3"}
    assert set(place.cloud.attempts().values()) == {1}
    assert gate.waiting == 2, "something was converted twice"


@pytest.mark.parametrize("moment", ["before the job", "submitting", "converting"])
def test_a_laptop_that_is_killed_goes_on_and_nothing_is_done_twice(
    place: Place, gate: Gate, moment: str
) -> None:
    operation = {"before the job": "create_job", "submitting": "create_task_collection"}.get(moment)
    if operation:
        gate.open()
        place.cloud.fault("slow", operation, seconds=1.5)
    words = ("convert", place.source, "-o", place.laptops.place)
    process = place.laptops.on("first").start(*words)
    until(lambda: not place.cloud.azure.faults.pending if operation else gate.waiting == 2)
    process.kill()
    process.communicate()
    gate.open()
    again = place.laptops("convert", place.source)
    assert again.exit_code == 0, again.stderr
    assert set(results_in(place.cloud)) == {"a.mp3", "sub/b.mp3"}
    assert set(place.cloud.attempts().values()) == {1}
    assert gate.waiting == 2, "something was converted twice"
