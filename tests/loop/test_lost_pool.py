"""A pool whose nodes never become ready: the run says so, ends, and the pool goes to zero."""

from pathlib import Path

import pytest

from tests.conftest import until
from tests.emulator import Emulator, Fault, VirtualTasks
from tests.emulator.azurite import Azurite
from tests.infra.mocked import deploy
from tests.loop.composition import put_in_place
from tests.loop.estate import CONTAINERS, delete_containers, owner_of, run_warm, without_home
from tests.media import Media

FOR_EVER = VirtualTasks(seconds=1e9)
"""A mirror that takes a connection and says nothing, in a start task without an end of its own."""


@pytest.mark.parametrize(
    ("work", "fails", "said"),
    [
        (FOR_EVER, False, "its start task has not ended after"),
        (VirtualTasks(seconds=900), True, "the start task failed (exit code 1"),
    ],
)
def test_a_pool_whose_mirror_hangs_ends_the_run_and_goes_to_zero(
    storage: Azurite, media: Media, tmp_path: Path, work: VirtualTasks, said: str, *, fails: bool
) -> None:
    media.put("8-bit.wav", tmp_path / "in" / "a.wav")
    declared = deploy(nodeFfmpeg="apt")
    pool = declared.outputs["pools"][0]["id"]
    with Emulator(
        storage=storage.account,
        certificates=storage.certificates,
        virtual_tasks=work,
        speed=1200,  # 45 minutes are 2.25 s
    ) as azure:
        outputs = put_in_place(declared, azure, storage, tmp_path)
        if fails:
            azure.faults.add(Fault("start_task", pool, exit_code=1, times=None))
        environment = {**without_home(tmp_path / "home"), **azure.environment}
        ended = run_warm(
            ["convert", "in", "--outputs", str(outputs)], tmp_path, environment, check=4
        )
        (error,) = [line for line in ended.stderr.splitlines() if line.startswith("Error: ")]
        assert f"the only node of pool {pool} cannot work: {said}" in error
        assert "the pool scales to zero within minutes" in error
        until(lambda: not azure.nodes(pool))
    with owner_of(storage) as owner:
        kept = {
            each.rpartition("/")[2]
            for each in owner.get_container_client("input").list_blob_names()
        }
    delete_containers(storage, *CONTAINERS)
    assert any(name.endswith(".wav") for name in kept), "the same command uploads nothing again"
