"""The agents of the nodes: each piece of work in a thread of its own, as a real process."""

from __future__ import annotations

import shutil
import threading
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.emulator.model import Failure, Outcome
from tests.emulator.process import ProcessTree, ProgramNotFoundError, Start, start_process
from tests.emulator.transfers import TransferError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.emulator.transfers import Transfers
    from tests.emulator.work import Work

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
FOLDERS = ("applications", "fsmounts", "shared", "startup", "volatile", "workitems")
"""What is in the root of every node."""


class ProcessExecutor:
    """Runs work as processes below *root*. Called on the service's thread, but for `close`."""

    def __init__(
        self,
        root: Path,
        transfers: Transfers,
        post: Callable[[Callable[[], None]], None],
        node_path: tuple[str, ...] = (),
        start: Start = start_process,
    ) -> None:
        self.root: Path | None = root
        self._root = root
        self._transfers = transfers
        self._post = post
        self._start = start
        self._path = ":".join([*node_path, SYSTEM_PATH])
        self._trees: dict[int, ProcessTree] = {}
        self._threads: dict[int, threading.Thread] = {}
        self._closed = False
        self._starting = threading.Lock()
        self._places: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def start(self, work: Work, done: Callable[[Outcome], None]) -> None:
        tree = ProcessTree(self._start)
        place = self._places[f"{work.node}/{work.directory}".lower()]
        make_node(self._root / work.node)

        def ended(outcome: Outcome) -> None:
            self._trees.pop(work.run, None)
            self._threads.pop(work.run, None)
            done(outcome)

        def run() -> None:
            with place:  # an earlier run in this directory may still be dying
                outcome = Execution(work, self._root / work.node, self._path, self._transfers).run(
                    tree
                )
            self._post(lambda: ended(outcome))

        thread = threading.Thread(target=run, name=f"run-{work.run}", daemon=True)
        with self._starting:
            if self._closed:  # what ends while everything is being ended starts nothing new
                return
            self._trees[work.run], self._threads[work.run] = tree, thread
            thread.start()

    def kill(self, run: int) -> None:
        tree = self._trees.get(run)
        if tree is not None:
            tree.kill()

    def wipe(self, node: str) -> None:
        shutil.rmtree(self._root / node, ignore_errors=True)

    def close(self) -> None:
        """Kill everything and wait for it."""
        with self._starting:
            self._closed = True
        threads = list(self._threads.values())
        for tree in list(self._trees.values()):
            tree.kill()
        for thread in threads:
            thread.join(timeout=10)
        self._transfers.close()


def make_node(root: Path) -> None:
    for name in FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)


class Execution:
    """One piece of work on its way through the agent: fetch, run, store."""

    def __init__(self, work: Work, root: Path, path: str, transfers: Transfers) -> None:
        self.work = work
        self.transfers = transfers
        self.directory = root / work.directory
        self.wd = self.directory / "wd"
        self.environment = clean_environment(work.environment, root, path, self.wd)

    def run(self, tree: ProcessTree) -> Outcome:
        self.wd.mkdir(parents=True, exist_ok=True)
        try:
            for entry in self.work.resource_files:
                self.transfers.download(entry, self.wd, self.work)
            code = self.execute(tree)
        except TransferError as error:
            return Outcome(exit_code=None, failure=error.failure)
        except ProgramNotFoundError:
            return launch_failure(
                "CommandProgramNotFound", "The specified command program is not found"
            )
        except (OSError, ValueError) as error:
            return launch_failure(
                "CommandLaunchFailed", f"The command could not be launched: {error}"
            )
        failure = None
        try:
            if not tree.killed:
                failure = self.store_outputs(code)
        except FileNotFoundError:
            if not tree.killed:
                raise  # else the node went meanwhile, with all that was on it
        return Outcome(exit_code=code, failure=failure)

    def execute(self, tree: ProcessTree) -> int:
        return tree.run(self.work.command_line, directory=self.wd, environment=self.environment)

    def store_outputs(self, code: int) -> Failure | None:
        """Upload what the outcome calls for; the first failure ends it."""
        wanted = ("tasksuccess" if code == 0 else "taskfailure", "taskcompletion")
        entries = [e for e in self.work.output_files if condition(e) in wanted]
        if not self.work.output_files:
            return None
        out, err = self.directory / "fileuploadout.txt", self.directory / "fileuploaderr.txt"
        out.write_bytes(b"")
        err.write_bytes(b"")
        for entry in entries:
            try:
                for name in self.transfers.upload(entry, self.wd, self.environment, self.work):
                    note(out, f"uploaded {name}")
            except TransferError as error:
                note(err, f"{error.failure.code}: {error.failure.message}")
                return error.failure
        return None


def condition(entry: Mapping[str, object]) -> str:
    options = entry["uploadOptions"]
    assert isinstance(options, dict)
    return str(options["uploadCondition"]).lower()


def note(file: Path, line: str) -> None:
    with file.open("a", encoding="utf-8") as log:
        log.write(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {line}\n")


def launch_failure(code: str, message: str) -> Outcome:
    failure = Failure(category="UserError", code=code, message=message)
    return Outcome(exit_code=None, failure=failure)


def clean_environment(
    given: Mapping[str, str], root: Path, path: str, home: Path
) -> dict[str, str]:
    """Return a task's whole environment: nothing of this process's own is in it."""
    named = {name: value.replace("{root}", str(root)) for name, value in given.items()}
    return {"PATH": path, "HOME": str(home), "LANG": "C.UTF-8", **named}
