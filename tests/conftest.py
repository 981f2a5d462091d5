"""What tests are given: media, the real command, a destination, and stand-ins for ffmpeg."""

import ctypes
import gc
import glob
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from tests.in_process import EMULATED_PACE, run_here
from tests.media import Media, make_media
from tests.shared_storage import (  # noqa: F401 - for pytest, which finds them here
    pytest_configure_node,
    pytest_unconfigure,
    storage,
)
from tests.stand_in import MakeStandIn, StandIn, kill_all, stand_in_for_ffmpeg

if TYPE_CHECKING:
    from tests.warm_python import WarmPython


def _find_runner() -> Path:
    """The command that belongs to this Python; Windows without a venv has it in a folder of its own."""
    name = "runner.exe" if os.name == "nt" else "runner"
    beside = Path(sys.executable).with_name(name)
    return beside if beside.exists() else beside.parent / "Scripts" / name


RUNNER = _find_runner()
_KEPT = ("PATH", "LANG", "TMPDIR", "SYSTEMROOT", "TEMP", "TMP", "PATHEXT", "COMSPEC")
PATIENCE = 90.0
"""Seconds after which something that should have happened is held not to."""
_LOOK_LESS, _LONGEST_PAUSE = 4, 0.2
"""Between two looks passes this many times what one takes, and so many seconds at the most."""


posix_only = pytest.mark.skipif(os.name != "posix", reason="this is about POSIX alone")


def _has_links() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        try:
            Path(folder, "link").symlink_to("nowhere")
        except (OSError, NotImplementedError):
            return False
        return Path(folder, "link").is_symlink()


needs_links = pytest.mark.skipif(not _has_links(), reason="no links can be made here")


def _loads_cryptography() -> bool:
    try:
        import_module("cryptography.hazmat.bindings._rust")
    except ImportError:
        return False
    return True


needs_cryptography = pytest.mark.skipif(
    os.name == "nt" and not _loads_cryptography(),  # elsewhere a fault of what is installed
    reason="cryptography cannot be loaded: Wine lacks a DLL that it needs",
)


_HYPOTHESIS = "hypothesispytest"
_INTERNAL_ERROR = 1359
"""ERROR_INTERNAL_ERROR"""
_SERVICES = {"media", "ffmpeg", "storage", "pulumi", "wheel"}
"""Fixtures that start ffmpeg, Azurite, Pulumi or pip, or bring what only they made."""
_STARTS_PROGRAMS = _SERVICES | {"run", "started", "stand_in"}
_RUNS_PROGRAM = "tests.infra.mocked"
"""What runs the Pulumi program: a second each time, and five to load Pulumi's SDK for Azure."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what shortens a run where each start of a program takes seconds, as under Wine."""
    parser.addoption(
        "--cases",
        type=int,
        metavar="N",
        help="of each test that starts ffmpeg or another program, only the first N cases",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Skip a test in which Wine, on a busy machine, refused to start a program."""
    report = yield
    error = call.excinfo.value if call.excinfo else None
    while error and getattr(error, "winerror", None) != _INTERNAL_ERROR:
        error = error.__cause__ or error.__context__
    if error and _is_wine():
        path, line, _ = item.location
        report.outcome = "skipped"
        report.longrepr = (path, line or 0, f"Skipped: Wine did not start a program: {error}")
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave out Hypothesis's report where it says nothing: it would be loaded for that, a second of CPU."""
    plugins, statistics = session.config.pluginmanager, "--hypothesis-show-statistics"
    may_report = session.testsfailed or session.config.getoption(statistics, default=False)
    may_report = may_report or "hypothesis" in sys.modules
    if plugins.hasplugin(_HYPOTHESIS) and not may_report:
        plugins.unregister(name=_HYPOTHESIS)


def _is_wine() -> bool:
    return sys.platform == "win32" and hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that `make quick` leaves out: by what they ask for, so that none is forgotten."""
    for item in items:
        if _SERVICES.intersection(getattr(item, "fixturenames", ())) or _runs_program(item):
            item.add_marker("needs_services")
    if (most := config.getoption("--cases")) is not None:
        _keep_cases(config, items, most)


def _keep_cases(config: pytest.Config, items: list[pytest.Item], most: int) -> None:
    kept, left_out = [], []
    seen: Counter[str] = Counter()
    for item in items:
        if _STARTS_PROGRAMS.intersection(getattr(item, "fixturenames", ())):
            test = item.nodeid.partition("[")[0]
            seen[test] += 1
            if seen[test] > most:
                left_out.append(item)
                continue
        kept.append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


gc.disable()  # while tests are collected, and next to nothing is garbage: a quarter of that time


def pytest_collection_finish() -> None:
    """Have Python's garbage collector leave alone what was loaded for good, such as Pulumi's SDK.

    To look through all that again and again took two thirds of the time of some tests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()


def _runs_program(item: pytest.Item) -> bool:
    names = vars(getattr(item, "module", None) or object).values()
    return any(getattr(each, "__module__", "") == _RUNS_PROGRAM for each in names)


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
    warm: bool = False
    """Whether `start` forks it off a process that has loaded all of it already."""

    def __call__(self, *arguments: object, stdin: bytes = b"", **environment: str) -> Result:
        """Run it in this process, or in one of its own where variables are for more than runner."""
        if not all(name.startswith(("RUNNER_", "PYTHONIOENCODING")) for name in environment):
            return self.process(*arguments, stdin=stdin, prefix=(), **environment)
        words = tuple(map(str, arguments))
        exit_code, out, err = run_here(
            words, self.folder, {**self.environment, **environment}, stdin
        )
        return Result(exit_code, _as_here(out), _as_here(err))

    def process(
        self,
        *arguments: object,
        prefix: tuple[str, ...] = (),
        stdin: bytes = b"",
        **environment: str,
    ) -> Result:
        """Run it as a process of its own, perhaps by another program, *prefix*."""
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
        words, environment = [*map(str, arguments)], {**self.environment, **environment}
        if self.warm and os.name == "posix":
            from tests.warm_runner import start_warm  # noqa: PLC0415 - not for Windows

            running = start_warm(words, self.folder, environment, asdict(EMULATED_PACE))
            return cast("subprocess.Popen[str]", running)  # as far as any test asks
        return subprocess.Popen(
            [RUNNER, *words],
            cwd=self.folder,
            env=environment,
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


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Media:
    """Real media, which all workers of a run share."""
    if worker_id == "master":  # there is but one
        return make_media(tmp_path_factory.mktemp("media"))
    folder = tmp_path_factory.getbasetemp().parent / "media"
    folder.mkdir(exist_ok=True)
    return make_media(folder)


@pytest.fixture(scope="session")
def warm_python() -> "Iterator[WarmPython]":
    """What starts the worker on emulated nodes in a fifth of the time, one for all tests."""
    from tests.warm_python import WarmPython  # noqa: PLC0415 - as above

    with WarmPython() as python:
        yield python


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
def user_file(run: Run) -> Path:
    """Where the command looks for the user's own settings."""
    home = (
        run.environment.get("WIN_PD_OVERRIDE_LOCAL_APPDATA") or run.environment["XDG_CONFIG_HOME"]
    )
    path = Path(home, "runner", "config.toml")
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def stand_in(tmp_path_factory: pytest.TempPathFactory, media: Media) -> Iterator[MakeStandIn]:
    """Make a program that does a Python script, with what is in tests/stand_in_actions.py, and then is ffmpeg.

    What still runs of it at the end of the test, as after a runner that was killed, is killed.
    """
    made: list[StandIn] = []

    def make(script: str = "") -> StandIn:
        made.append(stand_in_for_ffmpeg(tmp_path_factory.mktemp("bin"), script, media.ffmpeg))
        return made[-1]

    yield make
    for program in made:
        kill_all(program.path.with_name("all"))


@pytest.fixture
def started(
    run: Run,
    stand_in: MakeStandIn,  # its programs are ended after the command that starts them
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
        process.communicate(timeout=PATIENCE)  # longer, if somebody else still holds its output


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
    looked = time.monotonic()
    while not happened():
        now = time.monotonic()
        assert now < deadline, "it did not happen in time"
        # a look may be a request to what is waited for, and would keep it busy
        time.sleep(min(max(0.01, _LOOK_LESS * (now - looked)), _LONGEST_PAUSE))
        looked = time.monotonic()


def tree(folder: Path) -> dict[str, bytes]:
    """All files below *folder* with what is in them, without the ledger."""
    return {name: (folder / name).read_bytes() for name in sorted(names(folder))}


def names(folder: Path) -> set[str]:
    """The names of all files below *folder*, without the ledger; a run may be at work there."""
    found = set()
    for parent, folders, files in os.walk(folder):  # a folder that goes meanwhile is no error
        folders[:] = [name for name in folders if name != ".runner"]
        paths = (Path(parent, name) for name in files)  # of which one may be a link to nowhere
        found |= {path.relative_to(folder).as_posix() for path in paths if path.is_file()}
    return found


def in_work(folder: Path, pattern: str) -> list[str]:
    """What matches *pattern* below *folder*, where a run is at work and folders may go meanwhile."""
    return glob.glob(pattern, root_dir=folder, include_hidden=True)  # noqa: PTH207 - that raises where a folder goes
