"""The ffmpeg for nodes is the one that constraints.txt pins; renewing the pin renews it here."""

import hashlib
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import imageio_ffmpeg
import pytest

from infra.node_ffmpeg import ARM64, PACKAGE, X86_64
from tests.infra.mocked import deploy
from tests.infra.test_settings import refusal, settings

ROOT = Path(__file__).parents[2]


def test_the_package_is_the_pinned_one() -> None:
    assert PACKAGE in (ROOT / "constraints.txt").read_text().splitlines()


@pytest.mark.skipif(
    (sys.platform, PACKAGE) != ("linux", f"imageio-ffmpeg=={version('imageio-ffmpeg')}"),
    reason="another system's binary, or another version of it",
)
def test_the_hash_is_that_of_the_binary_which_is_embedded_here() -> None:
    here = {"x86_64": X86_64, "aarch64": ARM64}[platform.machine()]
    program = Path(imageio_ffmpeg.get_ffmpeg_exe())
    with program.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == here.sha256


@pytest.mark.parametrize(
    ("configuration", "embedded", "apt"),
    [
        ({}, X86_64, True),
        ({"nodeFfmpeg": "embeddedOnly"}, X86_64, False),
        ({"nodeFfmpeg": "apt"}, None, True),
        ({"poolIdentity": "false"}, None, True),
        ({"imageHasFfmpeg": "true"}, None, False),
        (
            {"vmSize": "Standard_D4pds_v5", "image": "canonical:ubuntu-24_04-lts:server-arm64",
             "nodeAgentSkuId": "batch.node.ubuntu 24.04-arm64"},
            ARM64, True,
        ),
    ],
)  # fmt: skip
def test_nodes_get_the_binary_of_their_machine_or_packages(
    configuration: dict[str, str], embedded: object, apt: bool
) -> None:
    made = settings(**configuration)
    assert made.embedded_ffmpeg is embedded
    assert made.ffmpeg_source.apt is apt


def test_the_stack_says_what_to_put_into_storage() -> None:
    (pool,) = deploy().outputs["pools"]
    assert pool["node_ffmpeg"] == f"ffmpeg-{X86_64.sha256}.xz"
    (off,) = deploy(nodeFfmpeg="apt").outputs["pools"]
    assert (off["node_ffmpeg"], off["node_ffmpeg_package"]) == ("", "")


@pytest.mark.parametrize(
    ("configuration", "line"),
    [
        (
            {"nodeFfmpeg": "embeddedOnly", "poolIdentity": "false"},
            "set poolIdentity true, or set apt",
        ),
        ({"packageMirror": "apt.example.com"}, "must be a URL"),
        ({"packageProxy": "http://me:secret@proxy:3128"}, "without a password"),
        ({"packageMirror": "http://m/$(reboot)"}, "must be a URL"),
        ({"packageMirror": "http://m/ubuntu", "nodeFfmpeg": "embeddedOnly"}, "has no effect"),
    ],
)
def test_what_cannot_work_is_refused(configuration: dict[str, str], line: str) -> None:
    assert line in refusal(**configuration)
