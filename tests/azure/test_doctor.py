"""`runner doctor` on an environment in which something is wrong."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runner.azure.doctor import image_finding
from runner.azure.worker_package import pack_worker
from runner.media.order import ORDER, Order
from runner.media.record import RECORD, Record
from tests.azure.conftest import MP3, MakeCloud, on_cloud
from tests.cloud import IDENTITY, POOL, Cloud, fixed
from tests.conftest import Run, until

FAILS = {
    "startTask": {
        "commandLine": "/bin/sh -c 'echo one >&2; echo no mirror answers >&2; exit 3'",
        "waitForSuccess": True,
    }
}


@pytest.fixture
def failed(make_cloud: MakeCloud) -> Cloud:
    """A cloud whose one node could not be made ready."""
    cloud = make_cloud(**FAILS)
    until(lambda: [n["state"] for n in cloud.azure.nodes(POOL)] == ["starttaskfailed"])
    return cloud


def nodes_line(told: str) -> str:
    (line,) = [each for each in told.splitlines() if each[5:].startswith("nodes: ")]
    return line


def test_the_end_of_a_failed_start_tasks_log_is_shown(failed: Cloud, run: Run) -> None:
    result = on_cloud(run, failed)("doctor")
    assert result.exit_code == 4
    node = failed.azure.nodes(POOL)[0]["id"]
    assert nodes_line(result.stdout).startswith(
        f"FAIL nodes: node {node}: the start task failed (exit code 3); "
    )
    assert "      | one\n      | no mirror answers\n" in result.stdout
    assert "; all of its log: `az batch node file download " in nodes_line(result.stdout)
    assert "`runner doctor`" not in nodes_line(result.stdout), "that is what just ran"


@pytest.mark.parametrize(("code", "status"), [("PermissionDenied", 403), ("NodeNotReady", 409)])
def test_where_the_node_does_not_give_its_files_they_come_from_storage(
    failed: Cloud, run: Run, code: str, status: int
) -> None:
    failed.fault("status", "download_node_file", status=status, code=code, times=None)
    on_it = on_cloud(run, failed)
    assert "      | " not in on_it("doctor").stdout, (
        "there is none, and that is no error of its own"
    )
    node = failed.azure.nodes(POOL)[0]["id"]
    stored = failed.blobs.get_blob_client(
        failed.container("output"), f".start-task/{node}/stderr.txt"
    )
    many = "\n".join(f"line {number}" for number in range(20))
    stored.upload_blob(f"{many}\nat https://x/y?sig=abc \x1b[31mred\n")
    told = on_it("doctor").stdout
    assert "      | line 13\n" in told
    assert "line 12" not in told, "the last lines"
    assert "sig=abc" not in told
    assert "\x1b" not in told


def test_a_pool_of_another_size_than_the_stacks_is_told(cloud: Cloud, run: Run) -> None:
    told = on_cloud(run, cloud.with_pool(vm_size="Standard_F2s_v2"))("doctor").stdout
    assert f"FAIL pool: {POOL} has VM size standard_d2ads_v5, the stack Standard_F2s_v2" in told


def test_what_the_stack_is_made_of_is_told(cloud: Cloud, run: Run) -> None:
    assert (
        "ok   environment: Batch account emulated and storage account "
        f"{cloud.storage.name} in resource group rg, westeurope, "
        "subscription 00000000-0000-0000-0000-000000000000\n"
    ) in on_cloud(run, cloud)("doctor").stdout


def test_a_pool_that_is_not_as_the_stack_says_is_told(cloud: Cloud, run: Run) -> None:
    on_it = on_cloud(run, cloud)
    good = on_it("doctor")
    assert (good.exit_code, "FAIL" in good.stdout) == (0, False), good.stdout
    cloud.azure.put_pool(POOL, taskSlotsPerNode=2, scaleSettings=fixed(1))
    without = on_it("doctor").stdout
    assert f"FAIL pool: {POOL} does not have the identity that the stack declares" in without
    cloud.azure.put_pool(POOL, identity=[IDENTITY], taskSlotsPerNode=4, scaleSettings=fixed(1))
    slots = on_it("doctor").stdout
    assert f"FAIL pool: {POOL} has 4 task slots, the stack 2" in slots
    cloud.azure.delete_pool(POOL)
    until(lambda: not list(cloud.batch.list_pools()))
    gone = on_it("doctor")
    assert gone.exit_code == 4
    assert f"FAIL pool: there is no pool {POOL}: run `pulumi up`" in gone.stdout


NOW = datetime(2026, 11, 22, tzinfo=UTC)
END = datetime(2027, 3, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ends", "now", "good", "said"),
    [
        ([None, None], NOW, True, "x is supported"),
        ([END], NOW - timedelta(days=60), True, "x is supported"),
        ([END, None], NOW, True, "x is supported until 2027-03-31 only: `pulumi config set image"),
        ([END], END + timedelta(days=1), False, "Batch no longer supports any image for x"),
        ([], NOW, False, "Batch no longer supports any image for x"),
    ],
)
def test_the_end_of_an_image_is_told_before_it_comes(
    ends: list[datetime | None], now: datetime, good: bool, said: str
) -> None:
    found = image_finding("x", ends, now, "`pulumi config set image noble`")
    assert found.good is good
    assert found.detail.startswith(said)
    assert found.good or "noble" in found.remedy


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (False, "the node has no ffmpeg; `runner doctor` shows why its start task did not put it"),
        (True, "on the node: cannot start ffmpeg: "),
    ],
)
def test_what_a_node_lacks_is_told_as_the_nodes(
    one: Path, tmp_path: Path, there: bool, said: str
) -> None:
    path = tmp_path / "path"
    path.mkdir()
    if there:  # for another machine
        (path / "ffmpeg").write_bytes(b"\x7fELF")
        (path / "ffmpeg").chmod(0o755)
    name, worker = pack_worker()
    (one / name).write_bytes(worker)
    order = Order(source="a.wav", recipe=MP3, size=(one / "a.wav").stat().st_size)
    ended = subprocess.run(
        [sys.executable, name],
        cwd=one,
        env={"PATH": str(path), ORDER: order.as_json()},
        capture_output=True,
        check=False,
    )
    record = Record.from_json((one / RECORD).read_bytes())
    assert (ended.returncode, record.kind) == (1, "environment"), ended.stderr
    assert record.message.startswith(said)


def test_which_ffmpeg_the_nodes_have_is_told(cloud: Cloud, run: Run) -> None:
    assert "ok   nodes' ffmpeg: from their image or the" in on_cloud(run, cloud)("doctor").stdout
    name, package = "ffmpeg-abc.xz", "imageio-ffmpeg==0.8.1 manylinux_2_28_x86_64"
    theirs = cloud.with_pool(node_ffmpeg=name, node_ffmpeg_package=package)
    before = on_cloud(run, theirs)("doctor")
    assert f"ok   nodes' ffmpeg: from {package}, once a `runner convert` has" in before.stdout
    cloud.blobs.get_blob_client(cloud.container("tools"), name).upload_blob(b"x")
    assert f"from {package}, in storage" in on_cloud(run, theirs)("doctor").stdout
