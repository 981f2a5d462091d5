"""`--source`: a source is only ever gone when its verified result is safely there, whatever happens."""

import errno
import os
import shutil
import signal
import stat
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from runner.engine import Stop
from runner.errors import RunnerError
from runner.ledger import Ledger
from runner.models import (
    Conversion,
    Event,
    Failure,
    Kind,
    Notice,
    Plan,
    Result,
    State,
)
from runner.options import RunOptions
from runner.overwrite import OverwritePolicy
from runner.runs import Run, convert
from runner.selection import stat_source
from runner.source_choice import KEPT, SourceChoice
from runner.source_records import LEAVING, Identity, SourceRecord
from runner.sources.recovery import put_right
from runner.totals import Report
from tests.conftest import needs_links, posix_only, tree
from tests.runner.programs import recipe

SHM = Path("/dev/shm")


@dataclass
class Writes:
    """An engine that writes its results at once; it does *meanwhile* before it says so."""

    meanwhile: Callable[[Conversion], None] = lambda _: None
    fails: frozenset[str] = frozenset()
    prefix: bytes = b"result of "

    def run(self, plan: Plan, stop: Stop) -> Generator[Event | Notice, None, None]:
        for conversion in plan.conversions:
            if conversion.target in self.fails:
                failure = Failure(Kind.INPUT, "no audio")
                yield Event(conversion=conversion, state=State.FAILED, failure=failure)
                continue
            data = self.prefix + Path(conversion.source.path).read_bytes()
            target = plan.destination / conversion.target
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            result = Result(
                size=len(data),
                sha256=sha256(data).hexdigest(),
                mtime_ns=target.stat().st_mtime_ns,
            )
            self.meanwhile(conversion)
            yield Event(conversion=conversion, state=State.CONVERTED, result=result)


@dataclass
class Folder:
    """Sources in `in`, and runs that convert them to `out`."""

    root: Path
    runs: int = 0
    engine: Writes = field(default_factory=Writes)
    said: list[str] = field(default_factory=list)

    def put(self, *names: str) -> None:
        for name in names:
            path = self.root / "in" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"sound of {name}".encode())

    def plan(self, *names: str) -> Plan:
        self.runs += 1
        found = names or sorted(
            path.relative_to(self.root / "in").as_posix()
            for path in (self.root / "in").rglob("*")
            if not path.is_dir() and not path.name.startswith(".")
        )
        conversions = (
            Conversion(stat_source(str(self.root / "in" / name)), f"{name}.mp3", recipe())
            for name in found
        )
        return Plan(f"20261122-1412-fox-{self.runs}", self.root / "out", tuple(conversions))

    def run(self, source: str, *, plan: Plan | None = None, stop: Stop | None = None) -> Report:
        """Carry a run out; *source* is as after `--source`."""
        put_right(self.root / "out")
        with Ledger.open(self.root / "out") as ledger:
            run = Run(
                plan=plan or self.plan(),
                backend="local",
                command="",
                options=RunOptions(source=source),
            )
            return convert(run, self.engine, OverwritePolicy(ledger), self.hear, stop or Stop())

    def hear(self, event: Event | Notice) -> None:
        if isinstance(event, Notice):
            message = event.message.replace(str(self.root) + os.sep, "")
            self.said.append(message.replace(os.sep, "/"))

    def recorded(self, run: str) -> list[tuple[str, str, str]]:
        """The sources of *run*, what became of them and why."""
        with Ledger.open(self.root / "out") as ledger:
            found = ledger.sources.of(run)
        return [(Path(one.path).name, one.state, one.reason) for one in found]

    @property
    def sources(self) -> dict[str, bytes]:
        return tree(self.root / "in")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder on another file system."""
    if not SHM.is_dir() or SHM.stat().st_dev == Path.cwd().stat().st_dev:
        pytest.skip("there is no second file system here")
    path = SHM / f"runner-{os.getpid()}"
    path.mkdir()
    yield path
    shutil.rmtree(path)


@pytest.fixture
def trash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The trash of a home of its own; the library looks for it when it is first imported."""
    for name in [name for name in sys.modules if name.startswith("send2trash")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "Trash" / "files"


def test_sources_stay_unless_something_else_is_asked(folder: Folder) -> None:
    folder.put("a.wav")
    assert not folder.run("keep").sources
    assert "a.wav" in folder.sources


def test_deleted_sources_are_gone_and_the_others_are_as_they_were(folder: Folder) -> None:
    folder.put("a.wav", "sub/b.wav", "bad.wav")
    folder.engine.fails = frozenset({"bad.wav.mp3"})
    report = folder.run("delete")
    assert report.sources == {"deleted": 2, "kept": 1}
    assert folder.sources == {"bad.wav": b"sound of bad.wav"}
    assert set(tree(folder.root / "out")) == {"a.wav.mp3", "sub/b.wav.mp3"}


@pytest.mark.parametrize("to", ["done", "new/done"])
def test_moved_sources_keep_their_tree(folder: Folder, to: str) -> None:
    folder.put("a.wav", "sub/b.wav")
    before = folder.sources
    assert folder.run(f"move:{folder.root / to}").sources == {"moved": 2}
    assert tree(folder.root / to) == before
    assert not folder.sources


def test_a_source_moves_to_another_file_system_with_its_time(
    folder: Folder, elsewhere: Path
) -> None:
    folder.put("a.wav")
    before = folder.sources
    os.utime(folder.root / "in" / "a.wav", ns=(10**18, 10**18))
    assert folder.run(f"move:{elsewhere}").sources == {"moved": 1}
    assert tree(elsewhere) == before
    assert (elsewhere / "a.wav").stat().st_mtime_ns == 10**18
    assert not folder.sources


@posix_only
def test_the_trash_is_the_users(folder: Folder, trash: Path) -> None:
    folder.put("a.wav")
    assert folder.run("trash").sources == {"trashed": 1}
    assert tree(trash) == {"a.wav": b"sound of a.wav"}
    assert not folder.sources


def rewrite(path: Path) -> None:
    """As an editor of tags does that keeps the size and the time."""
    status = path.stat()
    data = path.read_bytes()
    path.write_bytes(data.upper())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replaced(path: Path) -> None:
    """As a program does that writes another file, and gives it the name."""
    status = path.stat()
    other = path.with_name("other")
    other.write_bytes(path.read_bytes().upper())
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)


def grown(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


@pytest.mark.parametrize(
    "change",
    [
        grown,
        replaced,
        lambda path: path.touch(),
        pytest.param(rewrite, marks=posix_only),  # Windows tells no time of a change
    ],
    ids=["grown", "replaced", "touched", "rewritten"],
)
@pytest.mark.parametrize("source", ["delete", "move:done", "trash"])
def test_a_source_that_changed_while_it_was_converted_stays(
    folder: Folder, source: str, change: Callable[[Path], None], trash: Path
) -> None:
    folder.put("a.wav")
    path = folder.root / "in" / "a.wav"
    folder.engine.meanwhile = lambda _: change(path)
    report = folder.run(source.replace("move:", f"move:{folder.root}/"))
    assert report.sources == {"kept": 1}
    assert folder.said == ["kept in/a.wav: it changed after it was read"]
    assert path.exists()
    assert not tree(folder.root / "done")


@posix_only
def test_a_source_that_changed_while_it_was_converted_stays_later_too(folder: Folder) -> None:
    folder.put("a.wav")
    folder.engine.meanwhile = lambda _: rewrite(folder.root / "in" / "a.wav")
    assert folder.run("delete").sources == {"kept": 1}
    again = folder.run("delete")  # by its size and time it is the one that was converted
    assert (again.count(State.UP_TO_DATE), again.sources) == (1, {"kept": 1})
    assert folder.sources == {"a.wav": b"SOUND OF A.WAV"}


def test_no_file_that_is_there_is_replaced_by_a_moved_one(folder: Folder) -> None:
    folder.put("a.wav", "b.wav")
    done = folder.root / "done"
    done.mkdir()
    (done / "a.wav").write_bytes(b"another")
    assert folder.run(f"move:{done}").sources == {"kept": 1, "moved": 1}
    assert tree(done) == {"a.wav": b"another", "b.wav": b"sound of b.wav"}
    assert folder.sources == {"a.wav": b"sound of a.wav"}
    assert folder.said[0] == "kept in/a.wav: done/a.wav already exists"


def spoil(folder: Folder) -> None:
    path = folder.root / "out" / "a.wav.mp3"
    path.write_bytes(path.read_bytes().upper())


def shorten(folder: Folder) -> None:
    (folder.root / "out" / "a.wav.mp3").write_bytes(b"")


def remove(folder: Folder) -> None:
    (folder.root / "out" / "a.wav.mp3").unlink()


def link(folder: Folder) -> None:
    path = folder.root / "out" / "a.wav.mp3"
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize(
    "harm",
    [spoil, shorten, remove, pytest.param(link, marks=needs_links)],
    ids=lambda f: f.__name__,
)
def test_a_source_whose_result_is_not_as_it_was_verified_stays(
    folder: Folder, harm: Callable[[Folder], None]
) -> None:
    folder.put("a.wav")
    folder.engine.meanwhile = lambda _: harm(folder)
    assert folder.run("delete").sources == {"kept": 1}
    assert "a.wav" in folder.sources
    assert "its result" in folder.said[0]


@needs_links
def test_links_and_what_they_lead_to_stay(folder: Folder) -> None:
    folder.put("a.wav", "b.wav")
    (folder.root / "in" / "link.wav").symlink_to("a.wav")
    assert folder.run("delete").sources == {"deleted": 1, "kept": 2}
    assert set(folder.sources) == {"a.wav", "link.wav"}
    assert sorted(folder.said) == [
        "deleted in/b.wav",
        "kept in/a.wav: another source is a link to it",
        "kept in/link.wav: it is a link",
    ]


@posix_only
def test_hard_links_go_once_all_of_them_are_converted(folder: Folder) -> None:
    folder.put("a.wav", "b.wav", "c.wav")
    for number, name in enumerate(("a", "b")):
        os.link(folder.root / "in" / f"{name}.wav", folder.root / "in" / f"{name}{number}.wav")
    folder.engine.fails = frozenset({"b1.wav.mp3"})
    assert folder.run("delete").sources == {"deleted": 3, "kept": 2}
    assert set(folder.sources) == {"b.wav", "b1.wav"}


@pytest.mark.parametrize("failing", ["a.wav.mp3", "sub/a.wav.mp3"])
def test_a_source_of_two_results_goes_only_with_both(folder: Folder, failing: str) -> None:
    folder.put("a.wav")
    plan = folder.plan("a.wav")
    twice = (plan.conversions[0], replace(plan.conversions[0], target="sub/a.wav.mp3"))
    folder.engine.fails = frozenset({failing})
    assert folder.run("delete", plan=replace(plan, conversions=twice)).sources == {"kept": 1}
    assert "a.wav" in folder.sources
    assert folder.recorded(plan.id) == [("a.wav", KEPT, "a conversion of it failed")]
    folder.engine.fails = frozenset()
    plan = replace(folder.plan("a.wav"), conversions=twice)
    assert folder.run("delete", plan=plan).sources == {"deleted": 1}
    assert not folder.sources


def test_a_source_that_stays_for_two_results_is_told_once(folder: Folder) -> None:
    folder.put("a.wav")
    folder.run("keep")
    path = folder.root / "out" / "a.wav.mp3"
    status = path.stat()
    plan = folder.plan("a.wav")
    shutil.copytree(folder.root / "out", folder.root / "out" / "sub")
    os.utime(folder.root / "out" / "sub" / "a.wav.mp3", ns=(0, status.st_mtime_ns))
    twice = (plan.conversions[0], replace(plan.conversions[0], target="sub/a.wav.mp3"))
    found = Result(size=status.st_size, mtime_ns=status.st_mtime_ns, sha256="")
    with Ledger.open(folder.root / "out") as ledger:
        for conversion in twice:  # so they count as somebody else's
            event = Event(conversion=conversion, state=State.UP_TO_DATE, result=found)
            ledger.record(plan.id, event)
    folder.said.clear()
    assert folder.run("delete", plan=replace(plan, conversions=twice)).sources == {"kept": 1}
    assert folder.said == ["kept in/a.wav: runner did not make its result as it is now"]


@posix_only
def test_a_source_that_is_its_own_result_stays(folder: Folder) -> None:
    folder.put("a.wav")
    path, target = folder.root / "in" / "a.wav", folder.root / "out" / "a.wav.mp3"

    def same(_: Conversion) -> None:
        target.unlink()
        os.link(path, target)

    folder.engine = Writes(same, prefix=b"")
    assert folder.run("delete").sources == {"kept": 1}
    assert folder.said == ["kept in/a.wav: its result is the same file"]
    assert path.exists()


def test_a_source_that_changed_before_the_run_read_it_stays(folder: Folder) -> None:
    folder.put("a.wav")
    plan = folder.plan()
    grown(folder.root / "in" / "a.wav")
    assert folder.run("delete", plan=plan).sources == {"kept": 1}
    assert "a.wav" in folder.sources


def test_what_is_up_to_date_goes_too_when_that_is_asked_for(folder: Folder) -> None:
    folder.put("a.wav")
    folder.run("keep")
    assert "a.wav" in folder.sources
    report = folder.run("delete")
    assert (report.count(State.UP_TO_DATE), report.sources) == (1, {"deleted": 1})
    assert not folder.sources


@pytest.mark.parametrize(
    "changed",
    [False, pytest.param(True, marks=posix_only)],  # Windows tells no time of a change
)
def test_a_run_that_goes_on_takes_no_source_that_changed_before_it_was_asked_to(
    folder: Folder, changed: bool
) -> None:
    folder.put("a.wav")
    plan = folder.plan()
    folder.run("keep", plan=plan)
    if changed:
        rewrite(folder.root / "in" / "a.wav")
    said = folder.run("delete", plan=plan).sources
    assert said == ({"kept": 1} if changed else {"deleted": 1})


@pytest.mark.parametrize(
    "spoiled",
    # Windows tells no time of a change
    [pytest.param("source", marks=posix_only), "result", "other source", "not ours"],
)
def test_what_is_up_to_date_goes_only_if_all_is_as_it_was(folder: Folder, spoiled: str) -> None:
    folder.put("a.wav")
    folder.run("keep")
    path = folder.root / "out" / "a.wav.mp3"
    status = path.stat()
    if spoiled == "source":
        rewrite(folder.root / "in" / "a.wav")
    elif spoiled == "result":
        path.write_bytes(path.read_bytes().upper())
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif spoiled == "not ours":
        with Ledger.open(folder.root / "out") as ledger:
            plan = folder.plan()
            found = Result(size=status.st_size, mtime_ns=status.st_mtime_ns, sha256="")
            event = Event(conversion=plan.conversions[0], state=State.UP_TO_DATE, result=found)
            ledger.record(plan.id, event)
    else:
        other = folder.root / "in" / "sub"
        other.mkdir()
        shutil.copy2(folder.root / "in" / "a.wav", other)
    if spoiled == "other source":
        moved = stat_source(str(folder.root / "in" / "sub" / "a.wav"))
        plan = folder.plan("a.wav")
        plan = replace(plan, conversions=(Conversion(moved, "a.wav.mp3", recipe()),))
    else:
        plan = folder.plan("a.wav")
    before = folder.sources
    report = folder.run("delete", plan=plan)
    assert (report.count(State.UP_TO_DATE), report.sources) == (1, {"kept": 1})
    assert folder.sources == before


def test_who_wants_to_stop_keeps_the_sources_and_the_same_command_deals_with_them(
    folder: Folder,
) -> None:
    folder.put("a.wav")
    stop = Stop()
    folder.engine.meanwhile = lambda _: stop.request()
    with suppress(RunnerError):
        folder.run("delete", stop=stop)
    assert "a.wav" in folder.sources
    folder.engine = Writes()
    assert folder.run("delete").sources == {"deleted": 1}


def test_a_plan_from_storage_takes_nothing_away_that_was_not_written_down_here(
    folder: Folder,
) -> None:
    folder.put("a.wav", "private.wav")
    plan = folder.plan("a.wav")
    options = RunOptions(source="delete")
    with Ledger.open(folder.root / "out") as ledger:
        run = Run(plan=plan, backend="azure", command="", options=options)
        stop = Stop()
        stop.request()
        with suppress(RunnerError):  # as with --detach: only the beginning is done here
            convert(run, Writes(), OverwritePolicy(ledger), folder.hear, stop)
        more = replace(plan, conversions=folder.plan("a.wav", "private.wav").conversions)
        attached = OverwritePolicy(ledger, planned_now=False)
        report = convert(replace(run, plan=more), Writes(), attached, folder.hear, Stop())
    assert report.sources == {"deleted": 1}
    assert folder.said == ["deleted in/a.wav"]
    assert set(folder.sources) == {"private.wav"}


def test_another_machine_that_collects_the_results_leaves_the_sources(folder: Folder) -> None:
    folder.put("a.wav")
    plan = folder.plan()
    with Ledger.open(folder.root / "out") as ledger:
        run = Run(plan=plan, backend="azure", command="", options=RunOptions(source="delete"))
        attached = OverwritePolicy(ledger, planned_now=False)
        assert not convert(run, Writes(), attached, folder.hear, Stop()).sources
    assert folder.said == ["the sources stay where they are: this is not where the run began"]
    assert "a.wav" in folder.sources


A, OTHER = b"sound of a.wav", b"sound of b.wav"


@pytest.mark.parametrize(
    ("choice", "source", "place", "said", "recorded", "left"),
    [
        # it was at its new place, or gone, when the run was killed
        ("move", None, A, "1 source had been dealt with when a run was killed", "moved", A),
        (
            "delete",
            None,
            None,
            "1 source had been dealt with when a run was killed",
            "deleted",
            None,
        ),
        (
            "trash",
            None,
            None,
            "1 source had been dealt with when a run was killed",
            "trashed",
            None,
        ),
        # it is lost, by whomever; this says so and does not count it as moved
        ("move", None, None, "in/a.wav: it is gone, and done/a.wav is not there", KEPT, None),
        ("move", None, b"x", "in/a.wav: it is gone, and done/a.wav is another file", KEPT, b"x"),
        # it is there, so what else is there is only removed if it is nothing or the same
        ("move", A, None, "", KEPT, None),
        ("move", A, b"", "", KEPT, None),
        ("move", A, A, "", KEPT, None),
        ("move", A, OTHER, "", KEPT, OTHER),
        ("move", A, b"x", "", KEPT, b"x"),
        ("delete", A, None, "", KEPT, None),
    ],
)
def test_what_a_killed_run_was_about_to_take_away_is_put_right(
    folder: Folder,
    choice: str,
    source: bytes | None,
    place: bytes | None,
    said: str,
    recorded: str,
    left: bytes | None,
) -> None:
    path, moved = leave(folder, choice)
    if source is None:
        path.unlink()
    if place is not None:
        moved.write_bytes(place)
    lines = put_right(folder.root / "out")
    assert [line.replace(f"{folder.root}{os.sep}", "").replace(os.sep, "/") for line in lines] == (
        [said] if said else []
    )
    assert [state for _, state, _ in folder.recorded("run")] == [recorded]
    assert folder.sources == ({"a.wav": source} if source else {})
    assert (moved.read_bytes() if moved.exists() else None) == left
    assert put_right(folder.root / "out") == []  # nothing is said twice


def leave(folder: Folder, choice: str) -> tuple[Path, Path]:
    """Write down that a run is about to take a source away; return it, and where it may be moved to."""
    folder.put("a.wav")
    path, moved = folder.root / "in" / "a.wav", folder.root / "done" / "a.wav"
    moved.parent.mkdir()
    wish = SourceChoice(choice, str(moved.parent)) if choice == "move" else SourceChoice(choice)
    place = str(moved) if choice == "move" else ""
    record = SourceRecord("run", str(path), Identity.of(path.stat()), wish, LEAVING, place)
    assert put_right(folder.root / "out") == []  # there was no run yet
    with Ledger.open(folder.root / "out") as ledger:
        ledger.sources.ask([record])
        ledger.sources.set(record)
    return path, moved


@posix_only
def test_a_source_that_has_two_names_keeps_both_when_it_is_put_right(folder: Folder) -> None:
    path, moved = leave(folder, "move")
    os.link(path, moved)
    assert put_right(folder.root / "out") == []
    assert (path.read_bytes(), moved.read_bytes()) == (A, A)


def test_while_another_runner_works_nothing_of_it_is_put_right(folder: Folder) -> None:
    path, moved = leave(folder, "move")
    path.rename(moved)
    with Ledger.open(folder.root / "out") as ledger, ledger.lock.held_for("another"):
        assert put_right(folder.root / "out") == []
    assert [state for _, state, _ in folder.recorded("run")] == [LEAVING]


CHOICES = ["delete", "move:done", "move:elsewhere", "trash"]
_STEPS = ("open", "os.rename", "os.remove", "os.link", "os.mkdir")


def _at_step(number: int, root: str, act: Callable[[], None]) -> None:
    """Have *act* done at the given step that is about the files of the test: Python tells each before it is done."""
    count = 0

    def hook(name: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        words = [os.fsdecode(one) for one in arguments if isinstance(one, (str, bytes))]
        ours = any(word.startswith(("/dev/shm/runner-", root)) for word in words)
        if name in _STEPS and ours and "/.runner/" not in words[0]:
            count += 1
            if count == number:
                act()

    sys.addaudithook(hook)


def _in_a_child(work: Callable[[], None]) -> bool:
    """Whether *work*, in a process of its own, came to its end before the step that was meant."""
    child = os.fork()
    if child == 0:  # pragma: no cover
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) in (0, 3), status
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0


def _where(folder: Folder, choice: str, elsewhere: Path) -> str:
    paths = {"move:done": folder.root / "done", "move:elsewhere": elsewhere}
    return f"move:{paths[choice]}" if choice in paths else choice


def _copies(folder: Folder, elsewhere: Path, content: bytes) -> list[Path]:
    """All files, whatever they are called, with this content."""
    everywhere = (path for root in (folder.root, elsewhere) for path in root.rglob("*"))
    return [path for path in everywhere if path.is_file() and path.read_bytes() == content]


def _strange(folder: Folder, elsewhere: Path) -> list[str]:
    return [
        path.name
        for root in (folder.root / "in", folder.root / "done", elsewhere)
        for path in root.rglob(".runner-*")
    ]


@posix_only
@pytest.mark.parametrize("choice", CHOICES)
def test_a_run_that_is_killed_at_any_step_leaves_the_source_and_is_put_right(
    folder: Folder, choice: str, elsewhere: Path, trash: Path
) -> None:
    words = _where(folder, choice, elsewhere)
    killed = 0
    ended = False
    while not ended:
        killed += 1
        name = f"{killed}.wav"
        folder.put(name)

        def work(number: int = killed) -> None:
            folder.engine.meanwhile = lambda _: _at_step(
                number, str(folder.root), lambda: os.kill(os.getpid(), signal.SIGKILL)
            )
            folder.run(words)

        ended = _in_a_child(work)
        content = f"sound of {name}".encode()
        gone = choice == "delete" and not _copies(folder, elsewhere, content)
        if gone:
            assert (folder.root / "out" / f"{name}.mp3").read_bytes() == b"result of " + content
        folder.run(words)  # the same command again
        assert not folder.sources, f"killed at step {killed}"
        assert _strange(folder, elsewhere) == []
        assert len(_copies(folder, elsewhere, content)) == (choice != "delete")
    assert killed > 3, "the steps were not counted"


@posix_only
@pytest.mark.parametrize("fault", [errno.EACCES, errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("choice", CHOICES)
def test_a_fault_at_any_step_is_undone_and_fails_nothing(
    folder: Folder, choice: str, fault: int, elsewhere: Path, trash: Path
) -> None:
    words = _where(folder, choice, elsewhere)
    failed = 0
    ended = False
    while not ended:
        failed += 1
        name = f"{failed}.wav"
        folder.put(name)

        def fail() -> None:
            raise OSError(fault, os.strerror(fault))

        def work(number: int = failed) -> None:
            folder.engine.meanwhile = lambda _: _at_step(number, str(folder.root), fail)
            report = folder.run(words)
            assert report.count(State.CONVERTED) == 1
            if report.sources.get("kept"):
                assert os.strerror(fault).lower() in folder.said[-1].lower()
                os._exit(3)

        ended = _in_a_child(work)
        content = f"sound of {name}".encode()
        if not ended:
            assert folder.sources == {name: content}, f"failed at step {failed}"
        folder.run(words)
        assert not folder.sources, f"failed at step {failed}"
        assert _strange(folder, elsewhere) == []
        assert len(_copies(folder, elsewhere, content)) == (choice != "delete")
    assert failed > 3, "the steps were not counted"


@posix_only
@pytest.mark.parametrize("change", [grown, replaced], ids=["grown", "replaced"])
@pytest.mark.parametrize("choice", CHOICES)
def test_what_is_written_to_a_source_at_any_step_is_not_lost(
    folder: Folder, choice: str, change: Callable[[Path], None], elsewhere: Path, trash: Path
) -> None:
    number = 0
    ended = False
    while not ended:
        number += 1
        name = f"{number}.wav"
        # each on its own: a run looks at what earlier ones have left, which would be further steps
        place = Folder(folder.root / str(number))
        words = _where(place, choice, elsewhere)
        place.put(name)
        path = place.root / "in" / name
        changed = False

        def act(path: Path = path) -> None:
            nonlocal changed
            if path.exists():
                changed = True
                change(path)

        def work(
            number: int = number,
            act: Callable[[], None] = act,
            place: Folder = place,
            words: str = words,
        ) -> None:
            place.engine.meanwhile = lambda _: _at_step(number, str(place.root), act)
            place.run(words)
            if changed:  # noqa: B023 - it is called at once
                os._exit(3)

        ended = _in_a_child(work)
        new = f"SOUND OF {name.upper()}" if change is replaced else f"sound of {name}more"
        left = _copies(folder, elsewhere, new.encode())
        assert ended or left, f"changed at step {number}"
        for copy in left:
            copy.unlink()
    assert number > 3, "the steps were not counted"


def status_of(
    *, number: int = 7, device: int = 1, size: int = 9, mtime: int = 5, created: int = 4
) -> os.stat_result:
    """What Windows says of a file; the times are in nanoseconds."""
    fields = (stat.S_IFREG | 0o600, number, device, 1, 0, 0, size, 0, 0, 0)
    return os.stat_result(fields, {"st_mtime_ns": mtime, "st_ctime_ns": created})


def test_a_renamed_file_has_another_number_on_a_memory_card_on_windows() -> None:
    identity = Identity.of(status_of())
    renamed = status_of(number=8)
    assert identity.is_still(renamed, renamed=True, keeps_number=False)
    # which is another file wherever numbers are kept, and where nobody has renamed it
    assert not identity.is_still(renamed, renamed=True)
    assert not identity.is_still(renamed, keeps_number=False)


@pytest.mark.parametrize("field", ["device", "size", "mtime", "created"])
def test_what_differs_otherwise_is_another_file_there_too(field: str) -> None:
    other = status_of(**{field: 99})
    assert not Identity.of(status_of()).is_still(other, renamed=True, keeps_number=False)
