"""Upload the nodes' ffmpeg to storage once: the same binary that is embedded on this machine."""

import hashlib
import lzma
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from runner.azure.blobs import Blobs
from runner.azure.deployment import Deployment
from runner.azure.pools import Pool
from runner.azure.workers import Stopped
from runner.errors import RunnerError
from runner.media.environment import without_secrets

_BINARIES = "imageio_ffmpeg/binaries/ffmpeg-linux-*"
_BLOCK = 1 << 20
_PIP_SECONDS = 300
_FALL_BACK = "the nodes will use the ffmpeg that their start task installs"


@dataclass(frozen=True, kw_only=True)
class NodeFfmpeg:
    """The binary that a pool's nodes download."""

    blob: str
    sha256: str
    package: str
    """The package and its version, as for pip."""
    platform: str
    """The platform in the name of the package's wheel."""

    @classmethod
    def of(cls, pool: Pool) -> "NodeFfmpeg | None":
        """Return the binary for the nodes of *pool*; None if they download none."""
        if not pool.node_ffmpeg:
            return None
        package, _, platform = pool.node_ffmpeg_package.partition(" ")
        return cls(
            blob=pool.node_ffmpeg,
            sha256=pool.node_ffmpeg.removeprefix("ffmpeg-").removesuffix(".xz"),
            package=package,
            platform=platform,
        )


class _MissingError(Exception):
    """The binary is not available on this machine; the message says why."""


def put_ffmpeg(
    deployment: Deployment,
    blobs: Blobs,
    scratch: Path,
    say: Callable[[str], None],
    is_stopped: Callable[[], bool],
) -> None:
    """Upload the nodes' ffmpeg if it is not in storage yet, and *say* what the user should know.

    A failure does not end the run: the start task can install ffmpeg in other ways.
    """
    wanted = NodeFfmpeg.of(deployment.pool)
    if wanted is None:
        return
    try:
        if next(blobs.names(deployment.tools_container, wanted.blob), None):
            return
        say("uploading ffmpeg for the nodes: about 60 MB, once per environment")
        packed = scratch / wanted.blob
        _pack(find_binary(wanted) or _downloaded(wanted, scratch), packed, is_stopped)
        blobs.upload(deployment.tools_container, wanted.blob, str(packed))
    except (RunnerError, OSError, _MissingError) as error:
        say(f"could not upload ffmpeg for the nodes: {error}; {_FALL_BACK}")


def find_binary(wanted: NodeFfmpeg) -> Path | None:
    """Return the binary if it is embedded on this machine."""
    package = find_spec("imageio_ffmpeg")
    if package is None or not package.origin:
        return None
    candidates = Path(package.origin).parent.parent.glob(_BINARIES)
    return next((each for each in candidates if _hash(each) == wanted.sha256), None)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _downloaded(wanted: NodeFfmpeg, scratch: Path) -> Path:
    """Get the binary from its wheel, on a machine with another system or another version."""
    folder = scratch / "wheel"
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries", "1"),
        *("--disable-pip-version-check", "--only-binary=:all:", "--platform", wanted.platform),
        *("--dest", str(folder), wanted.package),
    ]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PIP_SECONDS,
            stdin=subprocess.DEVNULL,
            env=without_secrets(),
        )
    except subprocess.TimeoutExpired as error:
        raise _MissingError(
            f"pip did not download {wanted.package} within {_PIP_SECONDS} s"
        ) from error
    wheel = next(folder.glob("*.whl"), None)
    if done.returncode != 0 or wheel is None:
        reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise _MissingError(f"pip cannot download {wanted.package} for {wanted.platform}: {reason}")
    return _unpacked(wheel, wanted)


def _unpacked(wheel: Path, wanted: NodeFfmpeg) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if Path(name).match(_BINARIES):
                found = Path(archive.extract(name, wheel.parent))
                if _hash(found) == wanted.sha256:
                    return found
    raise _MissingError(f"{wheel.name} contains another binary than the nodes look for")


def _pack(binary: Path, packed: Path, is_stopped: Callable[[], bool]) -> None:
    """Compress *binary* at the level with the best total time: higher ones would only save a tenth."""
    with binary.open("rb") as source, lzma.open(packed, "wb", preset=0) as target:
        while block := source.read(_BLOCK):
            if is_stopped():
                raise Stopped
            target.write(block)
