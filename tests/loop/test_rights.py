"""Every command as the operator whom the program makes, with exactly the roles that it is given."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from runner.azure.pace import PACE, Pace
from runner.cli import cli
from runner.errors import RunnerError
from tests.emulator import Emulator, Settings
from tests.emulator.azurite import Azurite
from tests.emulator.front import StorageFront
from tests.emulator.process import Start
from tests.emulator.rights import Rights
from tests.in_process import EMULATED_PACE
from tests.infra.mocked import OPERATOR, Deployed, deploy
from tests.infra.provider.names import leaf
from tests.loop.composition import put_in_place
from tests.loop.estate import CONTAINERS, delete_containers, node_programs
from tests.media import Media
from tests.warm_python import WarmPython

ONE_NODE = {
    "scale": "fixed",
    "fixedDedicatedNodes": "1",
    "nodeFfmpeg": "apt",
    "image": "noble",  # whose end is not known yet
}


@dataclass(frozen=True)
class Operator:
    """Somebody at a machine that knows the stack's outputs, signed in."""

    azure: Emulator
    front: StorageFront

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """Run a command, in this process as there are many: its exit code, and all that it says."""
        done = CliRunner().invoke(cli, arguments, standalone_mode=False)
        if isinstance(done.exception, RunnerError):
            return int(done.exception.exit_code), f"{done.output}Error: {done.exception}"
        if done.exception is not None:
            raise done.exception
        return int(done.return_value or 0), done.output


MakeOperator = Callable[..., Operator]


@contextmanager
def signed_in(
    declared: Deployed,
    storage: Azurite,
    start: Start,
    folder: Path,
    environment: Callable[[str, str], None],
) -> Iterator[Operator]:
    """The operator of what *declared* declares, with its roles in both emulators and none besides."""
    rights = Rights()
    account = declared.one("batch:BatchAccount")
    settings = Settings(
        name=leaf(account.id),
        resource_id=account.id,
        shared_key="SharedKey" in account.inputs["allowedAuthenticationModes"],
    )
    stored = declared.one("storage:StorageAccount").id
    with (
        StorageFront(storage, rights, stored) as front,
        Emulator(
            settings=settings,
            storage=front.account,
            certificates=front.certificates,
            node_path=[node_programs(folder)],
            speed=60,
            start=start,
            rights=rights,
        ) as azure,
    ):
        outputs = put_in_place(declared, azure, front, folder)
        for name, value in azure.environment_of(OPERATOR).items():
            environment(name, value)
        environment("RUNNER_OUTPUTS", str(outputs))
        try:
            yield Operator(azure, front)
        finally:
            delete_containers(storage, *CONTAINERS)


@pytest.fixture
def operator(
    storage: Azurite, warm_python: WarmPython, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeOperator]:
    """Make the operator of a configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    pace = PACE.set(replace(EMULATED_PACE, submit_delay=Pace.submit_delay))
    opened = []

    def make(**configuration: str) -> Operator:
        declared = deploy(**{**ONE_NODE, **configuration})
        start, folder = warm_python.start, tmp_path / "azure"
        opened.append(signed_in(declared, storage, start, folder, monkeypatch.setenv))
        return opened[-1].__enter__()

    yield make
    for each in opened:
        each.__exit__(None, None, None)
    PACE.reset(pace)


@pytest.fixture
def files(media: Media, tmp_path: Path) -> Path:
    """Two good files in folders of their own, and one that is none."""
    media.put("8-bit.wav", tmp_path / "in" / "a.wav", tmp_path / "later" / "b.wav")
    media.put("empty.mp4", tmp_path / "in" / "bad.mp4")
    return tmp_path


@pytest.mark.parametrize(
    ("role", "mode", "identity", "pools"),
    [  # each pair of two of them
        ("jobSubmitter", "UserSubscription", "true", "[]"),
        ("jobSubmitter", "BatchService", "false", '[{"name": "a"}, {"name": "b"}]'),
        ("dataContributor", "UserSubscription", "false", '[{"name": "a"}, {"name": "b"}]'),
        ("dataContributor", "BatchService", "true", "[]"),
    ],
)
def test_the_operator_may_do_what_every_command_does(
    operator: MakeOperator, files: Path, role: str, mode: str, identity: str, pools: str
) -> None:
    runner = operator(
        operatorBatchRole=role, poolAllocationMode=mode, poolIdentity=identity, pools=pools
    )
    said = {}
    for command, expected in (
        ("doctor", 0),
        ("convert in", 1),  # one of its files is none
        ("status", 0),
        ("retry", 1),
        ("convert later --detach", 0),
        ("status", 0),
        ("attach", 0),
        ("convert in later -o elsewhere --detach", 1),
        ("cancel -o elsewhere", 0),
        ("logs in/bad.mp4", 0),
        ("runs", 0),
        ("clean --older-than 0d", 0),
        ("clean -o elsewhere --older-than 0d", 0),
    ):
        code, said[command] = runner(*command.split())
        assert code == expected, f"{command}: {said[command]}"
    assert "FAIL" not in said["doctor"]
    assert "is supported" in said["doctor"], "the image was looked at"
    assert (files / "out" / "a.mp3").exists()
    assert (files / "out" / "b.mp3").exists()


@pytest.mark.parametrize(
    ("role", "container", "check", "said"),
    [
        ("Azure Batch Job Submitter", "", "jobs", 'needs the role "Azure Batch Job Submitter"'),
        ("Storage Blob Delegator", "", "storage", 'needs the role "Storage Blob Delegator"'),
        *(
            ("Storage Blob Data Contributor", each, "storage", '"Storage Blob Data Contributor"')
            for each in ("input", "output", "tools")
        ),
    ],
)
def test_no_role_of_the_operator_is_without_a_use(
    operator: MakeOperator, role: str, container: str, check: str, said: str
) -> None:
    runner = operator(poolIdentity="false")
    scope = f"{runner.front.resource_id}/blobServices/default/containers/{container}"
    runner.azure.rights.revoke(OPERATOR, role, scope if container else "")
    code, told = runner("doctor")
    bad = [line for line in told.splitlines() if line.startswith("FAIL")]
    assert (code, len(bad)) == (4, 1)
    assert bad[0].startswith(f"FAIL {check}: ")
    assert said in bad[0]
    assert "Owner is not enough" in bad[0]


def test_an_operator_who_may_not_look_at_the_images_is_told_that_this_is_fine(
    operator: MakeOperator,
) -> None:
    runner = operator()
    runner.azure.rights.revoke(OPERATOR, "Azure Batch Account Reader")
    code, told = runner("doctor")
    assert code == 0, told
    assert "ok   image: batch.node.ubuntu 24.04; only an Azure Batch Account Reader can see" in told


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        (
            {"fixedSpotNodes": "10", "fixedDedicatedNodes": "5"},
            "40 of lowPriorityCores (Spot), 20 of standardDADSv5Family; compare with `az vm list-",
        ),
        (
            {"poolAllocationMode": "BatchService"},
            "4 of standardDADSv5Family; compare with `az batch account show -g rg-ffmpeg-dev",
        ),
    ],
)
def test_doctor_says_what_to_compare_with_the_quota(
    operator: MakeOperator, configuration: dict[str, str], said: str
) -> None:
    told = operator(**configuration)("doctor")[1]
    assert f"ok   quota: at full size the pool needs these vCPUs: {said}" in told


def test_whoever_has_no_role_is_told_by_every_command_which_one_to_ask_for(
    operator: MakeOperator, files: Path
) -> None:
    runner = operator()
    runner.azure.rights.revoke(OPERATOR)
    # the owner of the account has all but the data
    runner.azure.rights.assign(OPERATOR, "Owner", runner.azure.settings.resource_id)
    name = "20261122-1412-mossy-otter"
    for command in ("doctor", "convert later", "attach", f"cancel {name}", "clean"):
        code, told = runner(*command.split())
        assert code == 4, command
        assert "needs the role" in told, command
        assert "Owner is not enough" in told, command


def test_a_key_may_do_everything_where_the_account_takes_one(
    operator: MakeOperator, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = operator(poolAllocationMode="BatchService", allowSharedKey="true")
    runner.azure.rights.revoke(OPERATOR, "Azure Batch Job Submitter")
    assert runner("doctor")[0] == 4
    monkeypatch.setenv("RUNNER_BATCH_KEY", runner.azure.key)
    for command in ("doctor", "convert later"):
        code, told = runner(*command.split())
        assert code == 0, told
