"""Put the ffmpeg that nodes use into storage: once, and the very one that is embedded here."""

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
from runner.azure.pools import Pool
from runner.azure.stack import Deployment
from runner.azure.workers import Stopped
from runner.errors import RunnerError
from runner.media.environment import without_secrets

_BINARIES = "imageio_ffmpeg/binaries/ffmpeg-linux-*"
_BLOCK = 1 << 20
_PIP_SECONDS = 300
_FALL_BACK = "the nodes will use the ffmpeg that their start task installs"


@dataclass(frozen=True, kw_only=True)
class NodeFfmpeg:
    """The binary that a pool's nodes look for."""

    blob: str
    sha256: str
    package: str
    """As pip names it, with its version."""
    platform: str
    """In the name of the package's wheel."""

    @classmethod
    def of(cls, pool: Pool) -> "NodeFfmpeg | None":
        """What the nodes of *pool* look for; None if they look for none."""
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
    """The binary cannot be had here; says why."""


def put_ffmpeg(
    deployment: Deployment,
    blobs: Blobs,
    scratch: Path,
    say: Callable[[str], None],
    is_stopped: Callable[[], bool],
) -> None:
    """Put the ffmpeg for the nodes into storage if it is not there; *say* what the user should know.

    That it cannot be done ends no run: a start task has other ways.
    """
    wanted = NodeFfmpeg.of(deployment.pool)
    if wanted is None:
        return
    try:
        if next(blobs.names(deployment.tools_container, wanted.blob), None):
            return
        say("uploading ffmpeg for the nodes: about 60 MB, once per environment")
        packed = scratch / wanted.blob
        _pack(_installed(wanted) or _downloaded(wanted, scratch), packed, is_stopped)
        blobs.upload(deployment.tools_container, wanted.blob, str(packed))
    except (RunnerError, OSError, _MissingError) as error:
        say(f"could not upload ffmpeg for the nodes: {error}; {_FALL_BACK}")


def _installed(wanted: NodeFfmpeg) -> Path | None:
    package = find_spec("imageio_ffmpeg")
    if package is None or not package.origin:
        return None
    candidates = Path(package.origin).parent.parent.glob(_BINARIES)
    return next((each for each in candidates if _hash(each) == wanted.sha256), None)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _downloaded(wanted: NodeFfmpeg, scratch: Path) -> Path:
    """Take the binary out of its wheel, for a machine of another system or with another version."""
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
    """Compress *binary* at the level that is quickest on the whole: more would save a tenth."""
    with binary.open("rb") as source, lzma.open(packed, "wb", preset=0) as target:
        while block := source.read(_BLOCK):
            if is_stopped():
                raise Stopped
            target.write(block)
