"""The nodes' ffmpeg gets into storage: from what is installed here, or from its package."""

import hashlib
import lzma
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import pytest

from runner.azure.blobs import Blobs
from runner.azure.node_ffmpeg import NodeFfmpeg, find_binary, put_ffmpeg
from tests.azure.conftest import MakeEngine, drive, plan_of
from tests.cloud import Cloud

PROGRAM = b"ffmpeg for another system" * 1000
SHA256 = hashlib.sha256(PROGRAM).hexdigest()
BLOB = f"ffmpeg-{SHA256}.xz"
PACKAGE = "imageio-ffmpeg==99.1"
PLATFORM = "manylinux_2_28_aarch64"


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """All that pip can get: with no index, only what the test puts there."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))

    def publish(program: bytes) -> None:
        facts = "Metadata-Version: 2.1\nName: imageio-ffmpeg\nVersion: 99.1\n"
        name = f"imageio_ffmpeg-99.1-py3-none-{PLATFORM}.whl"
        with zipfile.ZipFile(folder / name, "w") as wheel:
            wheel.writestr("imageio_ffmpeg/binaries/ffmpeg-linux-aarch64-v99.0", program)
            wheel.writestr("imageio_ffmpeg-99.1.dist-info/METADATA", facts)
            wheel.writestr("imageio_ffmpeg-99.1.dist-info/WHEEL", "Wheel-Version: 1.0\n")
            wheel.writestr("imageio_ffmpeg-99.1.dist-info/RECORD", "")

    return publish


def put(cloud: Cloud, scratch: Path, blob: str = BLOB) -> list[str]:
    """Put what the nodes look for, and return what was said."""
    wanting = cloud.with_pool(node_ffmpeg=blob, node_ffmpeg_package=f"{PACKAGE} {PLATFORM}")
    said: list[str] = []
    scratch.mkdir(exist_ok=True)
    put_ffmpeg(wanting.deployment, Blobs(cloud.blobs), scratch, said.append, lambda: False)
    return said


def test_another_systems_binary_comes_from_its_package_once(
    cloud: Cloud, wheels: Callable[[bytes], None], tmp_path: Path
) -> None:
    wheels(PROGRAM)
    (said,) = put(cloud, tmp_path / "scratch")
    assert "uploading ffmpeg for the nodes" in said
    assert lzma.decompress(cloud.stored("tools")[BLOB]) == PROGRAM
    assert put(cloud, tmp_path / "again") == []


def test_a_package_with_another_binary_is_refused(
    cloud: Cloud, wheels: Callable[[bytes], None], tmp_path: Path
) -> None:
    wheels(b"something else")
    said = put(cloud, tmp_path / "scratch")
    assert "contains another binary than the nodes look for" in said[-1]
    assert "the nodes will use the ffmpeg that their start task installs" in said[-1]
    assert BLOB not in cloud.stored("tools")


def test_no_package_is_no_failure_and_says_why(
    cloud: Cloud, wheels: Callable[[bytes], None], tmp_path: Path
) -> None:
    said = put(cloud, tmp_path / "scratch")
    assert f"pip cannot download {PACKAGE} for {PLATFORM}" in said[-1]


def test_nothing_is_put_for_nodes_that_look_for_none(cloud: Cloud, tmp_path: Path) -> None:
    assert put(cloud, tmp_path / "scratch", blob="") == []


@pytest.mark.skipif(sys.platform != "linux", reason="another system's binary is embedded here")
def test_the_binary_that_is_embedded_here_needs_no_package() -> None:
    (binary,) = (Path(imageio_ffmpeg.__file__).parent / "binaries").glob("ffmpeg-linux-*")
    sha256 = hashlib.sha256(binary.read_bytes()).hexdigest()
    wanted = NodeFfmpeg(blob=f"ffmpeg-{sha256}.xz", sha256=sha256, package="", platform="")
    assert find_binary(wanted) == binary


def test_a_run_ends_only_when_the_binary_is_there(
    cloud: Cloud,
    engine_on: MakeEngine,
    one: Path,
    wheels: Callable[[bytes], None],
    tmp_path: Path,
) -> None:
    wheels(PROGRAM)
    wanting = cloud.with_pool(node_ffmpeg=BLOB, node_ffmpeg_package=f"{PACKAGE} {PLATFORM}")
    told = drive(engine_on(wanting), plan_of(one, tmp_path / "out"))
    assert lzma.decompress(cloud.stored("tools")[BLOB]) == PROGRAM
    assert [words for words in told.notices if "ffmpeg" in words] == [
        "uploading ffmpeg for the nodes: about 60 MB, once per environment"
    ]
