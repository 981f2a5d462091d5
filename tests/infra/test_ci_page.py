"""The workflow that docs/ci.md offers: its steps are run as they are written, GitHub's part played here."""

import json
import re
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from tests.infra.engine import ROOT, Deployment

TEXT = (ROOT / "docs" / "examples" / "deploy.yml").read_text(encoding="utf-8")
WORKFLOW: dict[str, Any] = yaml.safe_load(TEXT)
VARIABLES = {
    "AZURE_CLIENT_ID": "22222222-0000-0000-0000-000000000001",
    "AZURE_TENANT_ID": "22222222-0000-0000-0000-000000000002",
    "AZURE_SUBSCRIPTION_ID": "22222222-0000-0000-0000-000000000003",
    "PULUMI_STACK": "dev",
}


class GitHub(BaseHTTPRequestHandler):
    """Gives a job's token to whoever has been told where."""

    asked: list[str]

    def do_GET(self) -> None:
        assert self.headers["Authorization"] == "bearer of the job"
        self.asked.append(self.path)
        body = json.dumps({"value": f"token-{len(self.asked)}"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def github() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Asked", (GitHub,), {"asked": asked}))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/token?api-version=2.0", asked
    server.shutdown()
    server.server_close()


def filled_in(text: str) -> str:
    """Put the variables in, as GitHub does; an unset one is nothing."""
    return re.sub(
        r"\$\{\{ vars\.(\w+)(?: \|\| '(\w+)')? \}\}",
        lambda found: VARIABLES.get(found[1]) or found[2] or "",
        text,
    )


def steps(job: str) -> Iterator[str]:
    """What a job runs after its installation."""
    for step in WORKFLOW["jobs"][job]["steps"]:
        if "run" in step and step["name"] != "Install":
            yield step["run"]


@pytest.mark.parametrize(("job", "done"), [("preview", False), ("up", True)])
def test_the_steps_do_what_they_say(
    new: Deployment, github: tuple[str, list[str]], tmp_path: Path, job: str, done: bool
) -> None:
    from tests.infra.served import served  # noqa: PLC0415 - it loads Pulumi's SDK for Azure

    url, asked = github
    given = {name: filled_in(value) for name, value in WORKFLOW["env"].items()}
    here = {"AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token")}
    backend = {"PULUMI_BACKEND_URL": new.environment["PULUMI_BACKEND_URL"]}
    runner = new.folder / "runner-was-called"
    (new.folder / ".venv").unlink()
    (new.folder / ".venv" / "bin").mkdir(parents=True)
    (new.folder / ".venv" / "bin" / "runner").write_text(f'#!/bin/sh\necho "$@" > {runner}\n')
    (new.folder / ".venv" / "bin" / "runner").chmod(0o755)
    environment = {
        **{k: v for k, v in new.environment.items() if k != "PULUMI_STACK"},
        **given,
        **here,
        **backend,
        "ACTIONS_ID_TOKEN_REQUEST_URL": url,
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of the job",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    with served(new.store.path, new.environment) as attached:
        for script in steps(job):
            # as GitHub runs a step that names no shell
            ended = subprocess.run(
                ["bash", "-e", "-c", script],
                cwd=new.folder,
                env={**environment, **attached},
                capture_output=True,
                text=True,
                check=False,
            )
            assert ended.returncode == 0, ended.stdout + ended.stderr
    assert {"audience=api://AzureADTokenExchange" in each for each in asked} == {True}
    assert (tmp_path / "token").read_text().strip() == f"token-{len(asked)}"
    assert bool(new.world.resources) is done
    if done:
        assert json.loads((new.folder / "outputs.json").read_text())["location"] == "westeurope"
        assert runner.read_text() == "doctor --outputs outputs.json\n"
    else:
        assert "batch:Pool" in (tmp_path / "summary.md").read_text()


def test_nothing_of_it_is_a_secret_and_every_variable_is_explained() -> None:
    assert "secrets." not in TEXT
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    used = set(re.findall(r"vars\.(\w+)", TEXT))
    assert {name for name in used if f"`{name}`" not in page} == set()


def test_who_proposes_a_change_gets_no_identity_that_may_deploy() -> None:
    jobs = WORKFLOW["jobs"]
    assert jobs["preview"]["environment"] != jobs["up"]["environment"]
    assert "head.repo.full_name == github.repository" in jobs["preview"]["if"]
    assert "pulumi up" not in str(jobs["preview"])
    assert WORKFLOW["permissions"] == {"contents": "read", "id-token": "write"}


def test_pulumi_and_azure_are_told_of_the_job_s_sign_in() -> None:
    assert WORKFLOW["env"]["ARM_USE_OIDC"] == "true"
    assert {"ARM_CLIENT_ID", "ARM_TENANT_ID", "ARM_SUBSCRIPTION_ID"} <= WORKFLOW["env"].keys()
    own = {"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"}
    assert own <= WORKFLOW["env"].keys()
    assert Path(WORKFLOW["env"]["AZURE_FEDERATED_TOKEN_FILE"]).is_absolute()
