"""Where the environment is: the stack's outputs, from a file or from Pulumi, each checked."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from runner import __version__
from runner.azure.deployment import OUTPUTS_SCHEMA, Deployment
from runner.azure.stack import choose_stack
from runner.errors import SetupError, UsageError
from tests.conftest import Run
from tests.media import Media
from tests.stand_in import python_program

POOL: dict[str, Any] = {
    "name": "",
    "id": "ffmpeg",
    "vm_size": "Standard_D2ads_v5",
    "task_slots": 2,
    "purpose": "",
    "default": True,
    "max_nodes": 4,
    "max_spot_nodes": 3,
    "max_dedicated_nodes": 1,
    "node_vcpus": 2,
    "quota_family": "standardDADSv5Family",
    "autoscale_minutes": 5,
    "node_ffmpeg": "ffmpeg-00.xz",
    "node_ffmpeg_package": "imageio-ffmpeg==1.2.3 manylinux_2_28_x86_64",
}
A: dict[str, Any] = {**POOL, "name": "a"}
OUTPUTS: dict[str, Any] = {
    "outputs_schema": OUTPUTS_SCHEMA,
    "subscription_id": "00000000-0000-0000-0000-000000000000",
    "resource_group": "rg",
    "location": "westeurope",
    "batch_account": "account",
    "batch_endpoint": "https://account.westeurope.batch.azure.com",
    "pool_allocation_mode": "BatchService",
    "pools": [POOL],
    "pool_identity_id": "/subscriptions/x",
    "storage_account": "store",
    "blob_endpoint": "https://store.blob.core.windows.net",
    "input_container": "input",
    "output_container": "output",
    "tools_container": "tools",
}
TWO: dict[str, Any] = {
    **OUTPUTS,
    "pools": [
        {**POOL, "name": "small", "id": "ffmpeg-small", "default": False, "purpose": "sound"},
        {**POOL, "name": "big", "id": "ffmpeg-big", "vm_size": "Standard_D16ads_v5"},
    ],
}
OLD: dict[str, Any] = {
    **{name: value for name, value in OUTPUTS.items() if name != "pools"},
    "outputs_schema": 1,
    "pool_id": "ffmpeg",
    "pool_vm_size": "Standard_D2ads_v5",
    "pool_task_slots": 2,
    "pool_max_nodes": 4,
    "autoscale_minutes": 5,
}
"""Version 1, which had one pool."""
OLD_LATER: dict[str, Any] = {
    "pool_max_spot_nodes": 3,
    "pool_max_dedicated_nodes": 1,
    "pool_node_vcpus": 2,
    "pool_quota_family": "standardDADSv5Family",
    "node_ffmpeg": "ffmpeg-00.xz",
    "node_ffmpeg_package": "imageio-ffmpeg==1.2.3 manylinux_2_28_x86_64",
}
"""Outputs of version 1 that a stack lacks which was last deployed by an even older program."""


# --- reading -------------------------------------------------------------------------------------


def floats(value: Any) -> Any:
    """*value* as Pulumi prints it, which has one kind of number."""
    if isinstance(value, dict):
        return {name: floats(each) for name, each in value.items()}
    if isinstance(value, list):
        return [floats(each) for each in value]
    return float(value) if type(value) is int else value


@pytest.mark.parametrize("outputs", [OUTPUTS, TWO])
def test_what_pulumi_prints_is_read(outputs: dict[str, Any]) -> None:
    deployment = Deployment.from_outputs({**floats(outputs), "more": "of others"}, "stack dev")
    # a stack from before has no containers of media, and does not say what its storage is
    newer: dict[str, Any] = {
        "read_containers": [],
        "write_containers": [],
        "storage_sku_name": "",
        "soft_delete_days": -1,
    }
    assert json.loads(json.dumps(asdict(deployment))) == {**outputs, **newer, "chosen": ""}
    assert deployment.deleted_blobs_kept is None
    of_today = {**outputs, **newer, "storage_sku_name": "Hot LRS", "soft_delete_days": 7.0}
    assert Deployment.from_outputs(of_today, "stack dev").deleted_blobs_kept == 7


@pytest.mark.parametrize("ids", ["films", [1], {"films": 1}, None])
def test_containers_of_media_are_a_list_of_ids(ids: object) -> None:
    with pytest.raises(SetupError, match="'read_containers' is not a list of ids"):
        Deployment.from_outputs({**OUTPUTS, "read_containers": ids}, "stack dev")


@pytest.mark.parametrize(
    ("account", "container", "may"),
    [
        ("media", "films", True),
        ("MEDIA", "films", True),
        ("media", "mp3", True),
        ("media", "other", False),
        ("dia", "films", False),
        ("media", "ilms", False),
    ],
)
def test_nodes_may_read_the_containers_that_the_stack_names(
    account: str, container: str, *, may: bool
) -> None:
    top = "/subscriptions/1/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/Media"
    ids = [f"{top}/blobServices/default/containers/{name}" for name in ("films", "mp3")]
    outputs = {**OUTPUTS, "read_containers": ids[:1], "write_containers": ids[1:]}
    deployment = Deployment.from_outputs(outputs, "stack dev")
    assert deployment.nodes_may_read(account, container) is may
    assert deployment.nodes_may_read(deployment.storage_account, deployment.input_container)


def test_the_pool_is_the_default_one_until_another_is_asked_for() -> None:
    deployment = Deployment.from_outputs(TWO, "stack dev")
    assert deployment.description == "pool ffmpeg-big of account (westeurope)"
    assert deployment.on("small").pool.id == "ffmpeg-small"
    assert deployment.on("small").on("").pool.id == "ffmpeg-big"


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        (TWO, "--pool sma: there is no such pool; there are small (sound), big"),
        (OUTPUTS, "--pool sma: this stack has one pool, without a name; leave --pool out"),
    ],
)
def test_a_pool_that_is_not_there_is_one_line_with_those_that_are(
    outputs: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        Deployment.from_outputs(outputs, "stack dev").on("sma")
    assert str(caught.value) == said


def test_what_sets_something_for_a_pool_names_its_place_in_the_list() -> None:
    two, one = (Deployment.from_outputs(each, "stack dev") for each in (TWO, OUTPUTS))
    assert one.set_for_pool("image", "noble") == "pulumi config set image noble"
    assert two.on("small").set_for_pool("vmSize", "…") == (
        "pulumi config set --path 'pools[0].vmSize' …"
    )
    assert "pools[1]" in two.set_for_pool("vmSize", "…")


def test_a_run_whose_pool_is_gone_goes_on_with_the_default_one() -> None:
    deployment = Deployment.from_outputs(TWO, "stack dev")
    assert deployment.on_that_of_a_run("small").pool.name == "small"
    assert deployment.on_that_of_a_run("former").pool.name == "big"
    assert Deployment.from_outputs(OLD, "stack dev").on_that_of_a_run("small").pool.name == ""


def test_outputs_of_the_version_before_are_read_as_one_pool_without_a_name() -> None:
    deployment = Deployment.from_outputs(floats({**OLD, **OLD_LATER}), "stack dev")
    expected = Deployment.from_outputs(OUTPUTS, "stack dev")
    assert replace(deployment, outputs_schema=OUTPUTS_SCHEMA) == expected


@pytest.mark.parametrize("name", OLD_LATER)
def test_an_output_that_came_later_may_be_missing(name: str) -> None:
    field = name if name.startswith("node_ffmpeg") else name.removeprefix("pool_")
    rest = {k: v for k, v in {**OLD, **OLD_LATER}.items() if k != name}
    assert not getattr(Deployment.from_outputs(rest, "stack dev").pool, field)
    with pytest.raises(SetupError, match=f"'{name}'"):
        Deployment.from_outputs({**rest, name: None}, "stack dev")


@pytest.mark.parametrize(
    ("outputs", "name"),
    [*((OUTPUTS, name) for name in OUTPUTS if name != "pools"), *((OLD, name) for name in OLD)],
)
def test_a_missing_output_is_named_with_the_fix(outputs: dict[str, Any], name: str) -> None:
    rest = {k: v for k, v in outputs.items() if k != name}
    with pytest.raises(SetupError) as caught:
        Deployment.from_outputs(rest, "stack dev")
    assert str(caught.value) == (f"output '{name}' is missing: run `pulumi up` again (stack dev)")


def test_a_pool_that_lacks_something_says_which_and_what() -> None:
    without = {name: value for name, value in POOL.items() if name != "task_slots"}
    with pytest.raises(SetupError, match=r"output 'pools\[1\]\.task_slots' is missing: run `pul"):
        Deployment.from_outputs({**TWO, "pools": [*TWO["pools"], without][1:]}, "stack dev")


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("batch_account", 3, "3, not str"),
        ("batch_account", None, "None, not str"),
        ("pools", [{**POOL, "task_slots": "2"}], "'2', not int"),
        ("pools", [{**POOL, "task_slots": 2.5}], "2.5, not int"),
        ("pools", [{**POOL, "task_slots": True}], "True, not int"),
        ("pools", [{**POOL, "default": 1}], "1, not bool"),
        ("pools", [{**POOL, "name": "a\x1b[31m"}], "'a\\x1b[31m', which is not a name"),
        ("pools", [{**POOL, "name": "a"}, {**POOL, "default": False}], "'', which is not a name"),
        ("pools", "ffmpeg", "not a list of pools"),
        ("pools", ["ffmpeg"], "not a list of pools"),
        ("batch_endpoint", "account.batch.azure.com", "not an https address"),
        ("blob_endpoint", "http://store", "not an https address"),
    ],
)
def test_a_wrong_output_names_itself_and_its_value(name: str, value: object, what: str) -> None:
    with pytest.raises(SetupError, match="run `pulumi up` again") as caught:
        Deployment.from_outputs({**OUTPUTS, name: value}, "stack dev")
    assert str(caught.value).startswith(f"output '{name}")
    assert what in str(caught.value)


@pytest.mark.parametrize(
    ("pools", "what"),
    [
        ([], "does not say which pool is the default"),
        ([A, {**POOL, "name": "b"}], "does not say which pool is the default"),
        ([{**A, "default": False}], "does not say which pool is the default"),
        ([A, {**A, "default": False}], "has two pools with the same name"),
    ],
)
def test_pools_that_cannot_be_told_apart_are_refused(pools: list[Any], what: str) -> None:
    with pytest.raises(SetupError, match=f"output 'pools' {what}: run `pulumi up` again"):
        Deployment.from_outputs({**OUTPUTS, "pools": pools}, "stack dev")


@pytest.mark.parametrize(
    ("version", "others", "remedy"),
    [
        (3, {"needs_runner": "0.9.1"}, f"update runner to 0.9.1 or newer (this is {__version__})"),
        (3, {}, f"update runner (this is {__version__})"),
        (3, {"needs_runner": "\x1b[31m"}, f"update runner (this is {__version__})"),
        (0, {}, "run `pulumi up` again (stack dev)"),
        ("old", {}, "run `pulumi up` again (stack dev)"),
        (["2"], {}, "run `pulumi up` again (stack dev)"),
    ],
)
def test_outputs_of_another_version_say_which_side_is_behind(
    version: object, others: dict[str, str], remedy: str
) -> None:
    with pytest.raises(SetupError) as caught:
        Deployment.from_outputs({**OUTPUTS, **others, "outputs_schema": version}, "stack dev")
    assert str(caught.value) == (
        f"the outputs have version {version}, not {OUTPUTS_SCHEMA}: {remedy}"
    )


# --- finding -------------------------------------------------------------------------------------

Pulumi = Callable[..., Path]

PULUMI = """
import os, sys
os.chdir(said["folder"])
with open("asked", "a") as asked:
    print(*sys.argv[1:], file=asked)
if sys.argv[1] == "version":
    sys.exit(print(said["version"]))
if said["error"]:
    print(said["error"], file=sys.stderr)
    sys.exit(255)
if said["garbage"]:
    sys.exit(print(said["garbage"]))
answer = "ls" if sys.argv[2] == "ls" else f"outputs-{sys.argv[5]}"
if not os.path.exists(answer):
    sys.exit(f"error: no stack named '{sys.argv[5]}' found")
print(open(answer).read())
"""


@pytest.fixture
def pulumi(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Pulumi:
    """Put a Pulumi on PATH that knows these stacks, and write down what it is asked."""
    folder = tmp_path_factory.mktemp("pulumi")

    def make(
        stacks: dict[str, Any],
        selected: str = "",
        error: str = "",
        garbage: str = "",
        version: str = "v3.253.0",
    ) -> Path:
        listed = [{"name": name, "current": name == selected} for name in stacks]
        (folder / "ls").write_text(json.dumps(listed))
        for name, outputs in stacks.items():
            (folder / f"outputs-{name}").write_text(json.dumps(outputs))
        said = {"folder": str(folder), "version": version, "error": error, "garbage": garbage}
        python_program(folder, "pulumi", f"said = {said!r}\n{PULUMI}")
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return folder / "asked"

    return make


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be somewhere below a Pulumi project."""
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    return tmp_path


@pytest.fixture
def outputs_file(tmp_path: Path) -> Path:
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps(OUTPUTS))
    return path


def test_a_file_of_outputs_comes_first(outputs_file: Path, project: Path, pulumi: Pulumi) -> None:
    asked = pulumi({"dev": {**OUTPUTS, "batch_account": "other"}}, selected="dev")
    choice = choose_stack("dev", str(outputs_file))
    assert choice.deployment is not None
    assert choice.deployment.batch_account == "account"
    assert choice.why == f"outputs in {outputs_file}"
    assert not asked.exists()


def test_the_named_stack_comes_before_the_selected_one(project: Path, pulumi: Pulumi) -> None:
    asked = pulumi({"dev": OUTPUTS, "prod": {**OUTPUTS, "batch_account": "big"}}, selected="dev")
    choice = choose_stack("prod", None)
    assert choice.deployment is not None
    assert (choice.deployment.batch_account, choice.why) == ("big", "stack prod")
    assert asked.read_text() == "stack output --json --stack prod --non-interactive\n"


def test_the_selected_stack_is_found_from_below_the_project(project: Path, pulumi: Pulumi) -> None:
    pulumi({"dev": OUTPUTS}, selected="dev")
    choice = choose_stack(None, None)
    assert choice.deployment is not None
    assert choice.why == "stack dev"


def test_without_a_project_pulumi_is_not_asked(
    tmp_path: Path, pulumi: Pulumi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = pulumi({"dev": OUTPUTS}, selected="dev")
    assert choose_stack(None, None).why == "no stack here"
    assert not asked.exists()


@pytest.mark.parametrize(
    ("stacks", "selected", "why"),
    [
        ({"dev": OUTPUTS}, "", "no stack is selected"),
        ({}, "", "no stack is selected"),
        ({"dev": {}}, "dev", "stack dev is not deployed"),
    ],
)
def test_without_a_deployed_stack_there_is_no_deployment(
    project: Path, pulumi: Pulumi, stacks: dict[str, Any], selected: str, why: str
) -> None:
    pulumi(stacks, selected=selected)
    choice = choose_stack(None, None)
    assert (choice.deployment, choice.why) == (None, why)


def test_without_the_cli_there_is_no_deployment_unless_a_stack_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert choose_stack(None, None).why == "no Pulumi CLI"
    with pytest.raises(SetupError, match="--stack needs the Pulumi CLI on PATH; use --outputs"):
        choose_stack("dev", None)


@pytest.mark.parametrize(
    "name", ["dev&calc", "%PATH%", 'a"b', "a b", "a/b/c/d", "é", "dev\n", "^", "$(x)", "/dev"]
)
def test_a_name_that_no_stack_can_have_is_not_passed_on(
    name: str, project: Path, pulumi: Pulumi
) -> None:
    asked = pulumi({"dev": OUTPUTS}, selected="dev")
    with pytest.raises(SetupError, match="this is not a valid name for a stack"):
        choose_stack(name, None)
    assert not asked.exists()


@pytest.mark.parametrize("name", ["dev", "acme/media/dev", "a.b-c_1"])
def test_every_name_that_a_stack_can_have_is(name: str, project: Path, pulumi: Pulumi) -> None:
    asked = pulumi({"dev": OUTPUTS})
    with pytest.raises(SetupError, match=r"no stack named '.*' found|has no outputs"):
        choose_stack(f"{name}-not", None)
    assert f"--stack {name}-not " in asked.read_text()


def test_a_pulumi_that_does_not_start_is_reported(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "pulumi"
    program.write_bytes(b"\0\1\2\3")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match=r"`pulumi stack ls --json.*` does not start"):
        choose_stack(None, None)


def test_a_named_stack_that_is_not_there_is_an_error(project: Path, pulumi: Pulumi) -> None:
    pulumi({"dev": OUTPUTS, "empty": {}}, selected="dev")
    with pytest.raises(SetupError, match="no stack named 'gone' found"):
        choose_stack("gone", None)
    with pytest.raises(SetupError, match="stack empty has no outputs yet: run `pulumi up`"):
        choose_stack("empty", None)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"error": "error: not logged in"}, "`pulumi stack ls` failed: error: not logged in"),
        ({"garbage": "Updating..."}, "`pulumi stack ls` printed unexpected JSON"),
        ({"garbage": '"a string"'}, "`pulumi stack ls` printed unexpected JSON"),
    ],
)
def test_a_broken_pulumi_is_an_error_with_advice(
    project: Path, pulumi: Pulumi, broken: dict[str, str], said: str
) -> None:
    pulumi({"dev": OUTPUTS}, selected="dev", **broken)
    with pytest.raises(SetupError) as caught:
        choose_stack(None, None)
    assert str(caught.value).startswith(said)
    assert "convert on this machine with --where local" in str(caught.value)


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("v3.220.1", "this Pulumi (3.220) needs the stack's passphrase even to show its outputs; "),
        ("3.99.0-alpha.1", "this Pulumi (3.99) needs the stack's passphrase even to show"),
        ("v3.253.0", "it needs the stack's passphrase; set PULUMI_CONFIG_PASSPHRASE"),
        ("v4.0.0", "it needs the stack's passphrase; set PULUMI_CONFIG_PASSPHRASE"),
        ("unknown", "it needs the stack's passphrase; set PULUMI_CONFIG_PASSPHRASE"),
    ],
)
def test_a_pulumi_that_wants_a_passphrase_is_told_by_its_version(
    project: Path, pulumi: Pulumi, version: str, said: str
) -> None:
    error = (
        "error: passphrase must be set with PULUMI_CONFIG_PASSPHRASE or "
        "PULUMI_CONFIG_PASSPHRASE_FILE environment variables\n\nsee the documentation"
    )
    pulumi({"dev": OUTPUTS}, selected="dev", error=error, version=version)
    with pytest.raises(SetupError) as caught:
        choose_stack("dev", None)
    assert str(caught.value).startswith(f"`pulumi stack output` failed: {said}")
    assert "set PULUMI_CONFIG_PASSPHRASE to the stack's passphrase" in str(caught.value)
    assert ("update it to 3.253 or newer" in str(caught.value)) == ("this Pulumi" in said)
    assert "\n" not in str(caught.value)


AZBLOB = """error: read ".pulumi/meta.yaml": blob (key ".pulumi/meta.yaml") (code=Unknown): DefaultAzureCredential: failed to acquire a token.
Attempted credentials:
\tEnvironmentCredential: missing environment variable AZURE_TENANT_ID
\tTo troubleshoot, visit https://aka.ms/azsdk/go/identity/troubleshoot"""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            "error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions",
            "not signed in to Pulumi Cloud, where Pulumi looks for stacks by default: run `pulumi login`",
        ),
        (
            "error: this command requires logging in; try running `pulumi login` first",
            "not signed in to Pulumi Cloud",
        ),
        (
            "error: [401] Unauthorized: No credentials provided or are invalid.",
            "not signed in to Pulumi Cloud",
        ),
        (
            AZBLOB,
            "the stacks are kept in Azure storage (PULUMI_BACKEND_URL), and you are not signed",
        ),
        (
            "error: could not list bucket: (code=PermissionDenied)\nERROR CODE: AuthorizationPermissionMismatch\n--",
            "the stacks are kept in Azure storage (PULUMI_BACKEND_URL), and you may not read",
        ),
        (
            "Logging in using access token from PULUMI_ACCESS_TOKEN\nerror: no such host\nmore about it",
            "error: no such host; fix that, or convert on this machine",
        ),
    ],
)
def test_who_may_not_see_the_stacks_is_told_in_one_line(
    project: Path, pulumi: Pulumi, error: str, said: str
) -> None:
    pulumi({"dev": OUTPUTS}, selected="dev", error=error)
    with pytest.raises(SetupError) as caught:
        choose_stack(None, None)
    assert str(caught.value).startswith(f"`pulumi stack ls` failed: {said}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot read the outputs in"),
        ("{", "is not JSON: write it with `pulumi stack output --json`"),
        ("[" * 100_000, "is not JSON: write it with `pulumi stack output --json`"),
        ("[]", "contains no outputs: write it with `pulumi stack output --json`"),
        ("{}", "output 'outputs_schema' is missing"),
    ],
)
def test_a_bad_file_of_outputs_is_an_error(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "outputs.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SetupError) as caught:
        choose_stack(None, str(path))
    assert said in str(caught.value)


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def one(media: Media, tmp_path: Path) -> Path:
    return media.put("short.wav", tmp_path / "in" / "a.wav")


def test_auto_without_a_stack_is_here_and_says_why(run: Run, one: Path) -> None:
    result = run("convert", "in")
    assert result.exit_code == 0
    assert "on this machine" in result.stderr
    assert "no stack here" in result.stderr


def test_auto_never_falls_back_from_a_broken_stack(
    run: Run, one: Path, project: Path, pulumi: Pulumi
) -> None:
    pulumi({"dev": {"pool_id": "old"}}, selected="dev")
    with_pulumi = replace(run, environment={**run.environment, "PATH": os.environ["PATH"]})
    result = with_pulumi("convert", "in")
    assert result.exit_code == 4
    assert result.error == "output 'outputs_schema' is missing: run `pulumi up` again (stack dev)"
    assert not (project / "out").exists()
    assert with_pulumi("convert", "in", "--where", "local").exit_code == 0


def test_azure_without_an_environment_is_an_error(run: Run, one: Path) -> None:
    result = run("convert", "in", "--where", "azure")
    assert result.exit_code == 4
    assert result.error == (
        "--where azure: no stack here; deploy a stack with `pulumi up`, or choose one with "
        "--stack or --outputs"
    )


def test_outputs_come_from_the_environment_too(run: Run, one: Path, tmp_path: Path) -> None:
    result = run("convert", "in", RUNNER_OUTPUTS="gone.json")
    assert result.exit_code == 4
    assert result.error.startswith("cannot read the outputs in gone.json")
    assert run("convert", "in", "--where", "local", RUNNER_OUTPUTS="gone.json").exit_code == 0


def test_no_sign_in_is_one_line(run: Run, one: Path, outputs_file: Path) -> None:
    result = run(
        "convert",
        "in",
        "--outputs",
        outputs_file,
        AZURE_TOKEN_CREDENTIALS="EnvironmentCredential",  # the others look for a way for long
    )
    assert result.exit_code == 4
    assert "not signed in; run `az login`" in result.error
