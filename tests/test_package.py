"""The wheel: what is in it, and that it works where nothing but it is installed."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import asdict, fields
from email.parser import Parser
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from runner import __version__
from runner.azure.deployment import OUTPUTS_SCHEMA, Deployment
from runner.azure.pools import Pool
from tests.conftest import Result, Run
from tests.media import Media
from tests.test_licences import needed

ROOT = Path(__file__).parents[1]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "-q"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this clone, built without a network."""
    folder = tmp_path_factory.mktemp("dist")
    options = ["--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*PIP, "wheel", *options, "-w", str(folder), str(ROOT)], check=True)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an empty environment into which the wheel was installed.

    What it needs is put there from this environment, so pip finds it: it would refuse the wheel
    if that were not all that it asks for.
    """
    place = tmp_path_factory.mktemp("empty")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    folder = place / ("Scripts" if os.name == "nt" else "bin")
    python = str(folder / "python")
    purelib = "import sysconfig; print(sysconfig.get_path('purelib'))"
    found = subprocess.run([python, "-c", purelib], capture_output=True, text=True, check=True)
    for distribution in {one.name: one for one in needed("batch-ffmpeg-runner")}.values():
        if distribution.name != "batch-ffmpeg-runner":
            _link(distribution, Path(found.stdout.strip()))
    subprocess.run([*PIP, "--python", python, "install", "--no-index", str(wheel)], check=True)
    return folder


def _link(distribution: Distribution, site: Path) -> None:
    for file in distribution.files or ():
        if ".." not in file.parts and "__pycache__" not in file.parts:
            source, target = Path(str(file.locate())), site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, target)
            except OSError:  # of another drive
                shutil.copy(source, target)


def _run(bin_folder: Path, folder: Path, *arguments: str, program: str = "runner") -> Result:
    """The installed command, with an empty home and nothing but itself on PATH."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "TEMP") if name in os.environ}
    done = subprocess.run(
        [bin_folder / program, *arguments],
        cwd=folder,
        env={**kept, "HOME": str(home), "PATH": str(bin_folder), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def a_deployment() -> Deployment:
    """What a stack would say of an environment that nobody asks for anything here."""
    urls = {"batch_endpoint": "https://b.example.com", "blob_endpoint": "https://s.example.com"}
    pool = Pool(**_any_values(Pool), default=True)
    numbers = {"outputs_schema": OUTPUTS_SCHEMA}
    return Deployment(**{**_any_values(Deployment), **numbers, **urls}, pools=(pool,))


def _any_values(kind: type) -> dict[str, Any]:
    """A value for each field of *kind* that is a text or a whole number."""
    values = {str: "", int: 1}
    return {one.name: values[one.type] for one in fields(kind) if one.type in values}


def test_the_installed_command_converts(bin_folder: Path, media: Media, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    media.put("clip.mp4", tmp_path / "in" / "My Talk.mp4")
    done = _run(bin_folder, tmp_path, "convert", "in")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "out" / "My Talk.mp3").stat().st_size > 1000
    version = f"runner, version {__version__}\n"
    assert _run(bin_folder, tmp_path, "--version").stdout == version
    as_module = _run(bin_folder, tmp_path, "-m", "runner", "--version", program="python")
    assert as_module.stdout == version


@pytest.mark.parametrize(
    "command",
    [
        ("convert", "in", "--where", "azure"),
        ("convert", "in"),
        ("attach", "20261122-1412-mossy-otter"),
        ("cancel", "20261122-1412-mossy-otter"),
        ("doctor",),
    ],
    ids=" ".join,
)
def test_without_the_azure_clients_one_line_says_what_to_install(
    bin_folder: Path, media: Media, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "in").mkdir()
    media.put("clip.mp3", tmp_path / "in" / "a.mp3")
    outputs = tmp_path / "outputs.json"
    outputs.write_text(json.dumps(asdict(a_deployment())))
    done = _run(bin_folder, tmp_path, *command, "--outputs", "outputs.json")
    assert done.exit_code == 4
    (line,) = [line for line in (done.stdout + done.stderr).splitlines() if "install" in line]
    assert "the Azure clients are not installed" in line
    assert "or convert on this machine with --where local" in line
    for name in ("azure-batch", "azure-identity", "azure-storage-blob"):
        assert re.search(rf"'{name}[<>=.,0-9]+'", line)


def test_a_library_of_theirs_that_cannot_be_loaded_is_no_bug_of_runner(run: Run) -> None:
    broken = run.folder / "site" / "cryptography" / "__init__.py"
    broken.parent.mkdir(parents=True)
    broken.write_text("raise ImportError('DLL load failed')")
    words = ("plan", "az://media/in", "--where", "local")
    result = run.process(*words, PYTHONPATH=str(broken.parents[1]))
    assert result.exit_code == 4
    assert result.error.startswith("the Azure clients cannot be loaded (DLL load failed): run `")


def test_the_commands_tests_are_collected_where_cryptography_cannot_be_loaded() -> None:
    names = [f"tests.runner.{path.stem}" for path in ROOT.glob("tests/runner/test_*.py")]
    script = (
        "import sys; from importlib import import_module; sys.modules['cryptography'] = None\n"
        f"for name in {names}: import_module(name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"under Wine, one ends the run of all: {done.stderr}"


def test_the_wheel_contains_only_the_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
    information = f"batch_ffmpeg_runner-{__version__}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"runner", information}
    # the node's worker is packed from the sources, and type checkers look for the marker
    assert {"runner/py.typed", "runner/media/node.py"} <= set(names)
    assert {f"{information}/licenses/{name}" for name in ("LICENSE", "NOTICE")} <= set(names)
    kept = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "runner"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert {name for name in names if name.startswith("runner/")} == set(kept.stdout.split())


def test_the_wheel_offers_the_azure_clients_and_no_tool_of_ours(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        name = f"batch_ffmpeg_runner-{__version__}.dist-info/METADATA"
        metadata = Parser().parsestr(opened.read(name).decode())
    assert metadata["Version"] == __version__
    assert metadata.get_all("Provides-Extra") == ["azure"]
    needs = metadata.get_all("Requires-Dist")
    assert needs is not None
    always = {wanted.name for need in needs if (wanted := Requirement(need)).marker is None}
    assert always == {
        *("click", "filelock", "imageio-ffmpeg", "jinja2", "mutagen"),
        *("platformdirs", "rich", "send2trash", "wcmatch"),
    }
