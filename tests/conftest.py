"""What tests are given: media, the real command, a destination, and stand-ins for ffmpeg."""

import io
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest

from tests.media import Media, make_media


def _find_runner() -> Path:
    """The command that belongs to this Python; Windows without a venv has it in a folder of its own."""
    name = "runner.exe" if os.name == "nt" else "runner"
    beside = Path(sys.executable).with_name(name)
    return beside if beside.exists() else beside.parent / "Scripts" / name


RUNNER = _find_runner()
_KEPT = ("PATH", "LANG", "TMPDIR", "SYSTEMROOT", "TEMP", "TMP", "PATHEXT", "COMSPEC")
PATIENCE = 30.0
"""Seconds after which something that should have happened is held not to."""


posix_only = pytest.mark.skipif(os.name != "posix", reason="this is about POSIX alone")


def _has_links() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        try:
            Path(folder, "link").symlink_to("nowhere")
        except (OSError, NotImplementedError):
            return False
        return Path(folder, "link").is_symlink()


needs_links = pytest.mark.skipif(not _has_links(), reason="no links can be made here")


_SERVICES = {"media", "storage", "pulumi"}
"""Fixtures that start ffmpeg, Azurite or Pulumi, or bring what only they made."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that `make quick` leaves out: by what they ask for, so that none is forgotten."""
    for item in items:
        if _SERVICES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("needs_services")


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def error(self) -> str:
        """The one line that says why the command failed."""
        lines = [line for line in self.stderr.splitlines() if line.startswith("Error: ")]
        assert len(lines) == 1, self.stderr
        return lines[0].removeprefix("Error: ")

    @property
    def failures(self) -> list[str]:
        """The lines of failed files."""
        return [line for line in self.stderr.splitlines() if line.startswith("FAILED ")]


@dataclass(frozen=True)
class Run:
    """Runs the real command with a home of its own, in a folder of its own."""

    folder: Path
    environment: dict[str, str]

    def __call__(
        self,
        *arguments: object,
        prefix: tuple[str, ...] = (),
        stdin: bytes = b"",
        **environment: str,
    ) -> Result:
        done = subprocess.run(
            [*prefix, RUNNER, *map(str, arguments)],
            cwd=self.folder,
            env={**self.environment, **environment},
            input=stdin,
            capture_output=True,
            check=False,
            timeout=120,
        )
        return Result(done.returncode, _as_here(done.stdout), _as_here(done.stderr))

    def start(self, *arguments: object, **environment: str) -> subprocess.Popen[str]:
        """Start the command and return at once."""
        return subprocess.Popen(
            [RUNNER, *map(str, arguments)],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="backslashreplace",
            # its own session, as in a terminal of its own
            start_new_session=True,
        )


def _as_here(data: bytes) -> str:
    """What was printed, with the paths and line ends of POSIX, so that one test does for all systems."""
    text = data.decode("utf-8", "backslashreplace").replace(os.linesep, "\n")
    return text if os.name == "posix" or text.startswith("{") else text.replace("\\", "/")


@dataclass(frozen=True)
class StandIn:
    """A program in ffmpeg's place that writes down its starts."""

    path: Path
    starts_file: Path

    @property
    def starts(self) -> list[str]:
        """The arguments of each start so far."""
        return self.starts_file.read_text().splitlines() if self.starts_file.exists() else []


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Media:
    return make_media(tmp_path_factory.mktemp("media"))


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def run(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The command, run in *tmp_path*, where its default destination is the fixture's."""
    kept = {k: v for k, v in os.environ.items() if k.upper() in _KEPT}
    home = str(tmp_path_factory.mktemp("home"))
    ours = {"HOME": home, "XDG_CONFIG_HOME": str(Path(home, ".config"))}
    if os.name == "nt":
        # where platformdirs looks there; and no code page between what is said and what is heard
        ours = {"WIN_PD_OVERRIDE_LOCAL_APPDATA": home, "PYTHONIOENCODING": "utf-8"}
    return Run(tmp_path, {**kept, **ours})


@pytest.fixture
def stand_in(
    tmp_path_factory: pytest.TempPathFactory, media: Media
) -> Iterator[Callable[[str], StandIn]]:
    """Make a program of a shell script; in it "$real" is ffmpeg and "$last" names the result.

    On Windows it needs a shell, such as that of Git.
    What still runs of it at the end of the test, as after a runner that was killed, is killed.
    """
    folders: list[Path] = []

    def make(script: str) -> StandIn:
        folder = tmp_path_factory.mktemp("bin")
        folders.append(folder)
        real = Path(media.ffmpeg).as_posix()
        text = (
            "#!/bin/sh\n"
            f"here={shlex.quote(folder.as_posix())} real={shlex.quote(real)}\n"
            'for last in "$@"; do :; done\n'
            'case "$last" in *.tags) eval "last=\\${$(($# - 6))}";; esac\n'
            f'echo $$ >> "$here/all"; printf "%s\\n" "$*" >> "$here/starts"\n{script}\n'
        )
        return StandIn(shell_program(folder, "ffmpeg", text), folder / "starts")

    yield make
    for folder in folders:
        kill_all(folder / "all")


def shell_program(folder: Path, name: str, text: str) -> Path:
    """A program in *folder* that is the shell script *text*."""
    if os.name == "posix":
        program = folder / name
        program.write_text(text)
        program.chmod(0o755)
        return program
    shell = shutil.which("sh")
    if shell is None:
        pytest.skip("the stand-in for a program is a shell script, and this machine has no sh")
    script = folder / f"{name}.sh"
    script.write_text(text, newline="\n")
    return python_program(
        folder,
        name,
        "import subprocess, sys\n"
        f"sys.exit(subprocess.run([{shell!r}, {str(script)!r}, *sys.argv[1:]]).returncode)\n",
    )


def python_program(folder: Path, name: str, text: str) -> Path:
    """A program in *folder* that is the Python script *text*; on Windows an .exe, as pip makes them."""
    if os.name == "posix":
        program = folder / name
        program.write_text(f"#!{sys.executable}\n{text}")
        program.chmod(0o755)
        return program
    launcher = files("pip._vendor.distlib").joinpath("t64.exe").read_bytes()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("__main__.py", text)
    program = folder / f"{name}.exe"
    program.write_bytes(launcher + f'#!"{sys.executable}"\r\n'.encode() + packed.getvalue())
    return program


def kill_all(listed: Path) -> None:
    """Kill the processes whose ids are in the file *listed*, with their groups."""
    if os.name == "nt":
        return  # they have ended with their runner
    for pid in listed.read_text().split() if listed.exists() else ():
        with suppress(ProcessLookupError, PermissionError):
            if os.getpgid(int(pid)) == int(pid):  # it is still ours: the leader of its session
                os.killpg(int(pid), signal.SIGKILL)


@pytest.fixture
def started(
    run: Run,
    stand_in: Callable[[str], StandIn],  # its programs are ended after the command that starts them
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the command; what still runs at the end of the test is killed."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
        processes.append(run.start(*arguments, **environment))
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if not is_root() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can be mounted by root only, outside of containers")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def is_root() -> bool:
    """Whether we may do all, as a superuser of POSIX."""
    return os.name == "posix" and os.geteuid() == 0


def until(happened: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait until *happened* returns something true.

    Raises:
        AssertionError: It did not in time.
    """
    deadline = time.monotonic() + patience
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def tree(folder: Path) -> dict[str, bytes]:
    """All files below *folder* with what is in them, without the ledger."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".runner" not in path.parts
    }


def names(folder: Path) -> set[str]:
    """The names of all files below *folder*, without the ledger."""
    return set(tree(folder)) if folder.exists() else set()
