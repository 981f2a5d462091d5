"""`--watch`: keep looking at folders and prefixes of blobs, and convert what is complete, batch by batch."""

import os
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from runner import interrupt
from runner.cli.notifying import notify
from runner.cli.output import say
from runner.destinations import Destination
from runner.errors import (
    ExitCode,
    InterruptedRunError,
    NothingThereError,
    NothingToConvertError,
    RunnerError,
    SetupError,
    TransientError,
    UsageError,
)
from runner.formatting import printable, seconds_text
from runner.ledger import Ledger
from runner.media.paths import is_address
from runner.selection import FoundFile, OpenStore, Selection, find_files
from runner.source_choice import KEEP
from runner.watch import StableFiles

if TYPE_CHECKING:
    from runner.notify import Address

_LONGEST_PAUSE = 5.0
_SHARE = 20
"""Looking takes at most one part in so many of the time: a folder may be large and slow."""
_LOOKS = 3
"""The quickest of so many counts, as a single one may have been held up by something else."""
_LONGEST_WAIT = 300.0
_AFTER_A_FAULT = (5.0, 60.0)
"""Seconds before a batch is tried again: at first, and at the most; doubled while it goes on failing."""

Convert = Callable[[list[FoundFile]], ExitCode]
"""Converts files as one run."""


def check_watch(options: dict[str, Any]) -> None:
    """Refuse *options* that make no sense with `--watch`.

    Raises:
        UsageError: There is one.
    """
    for name in ("dry_run", "detach", "files_from", "clean_start"):
        if options[name]:
            raise UsageError(f"--watch cannot be used with --{name.replace('_', '-')}")
    for source in options["sources"]:
        if not is_address(source) and not os.path.isdir(source):
            raise UsageError(
                f"--watch needs folders on this machine or in Azure storage, and {printable(source)} is not one"
            )
    if not options["sources"]:
        raise UsageError("give the folders to watch, such as `runner convert ./in --watch`")
    if options["source"] != KEEP and any(map(is_address, options["sources"])):
        raise UsageError(
            f"--source {options['source']} is for sources on this machine, not for those in a container"
        )
    if options["source"] != KEEP and not options["yes"]:
        raise UsageError(
            f"--watch cannot ask before each batch: with --source {options['source']}, add --yes"
        )


@dataclass
class Watch:
    """What is watched, and the results so far."""

    places: tuple[str, ...]
    """Folders here, and addresses in Azure storage."""
    selection: Selection
    blobs: OpenStore
    ledger: Path
    """The folder with the ledger of the runs."""
    settle: float
    convert: Convert
    counts: Counter[str] = field(default_factory=Counter)
    _newest: str = ""
    """The run that was counted last."""
    _faults: dict[str, str] = field(default_factory=dict)
    """Why a place cannot be looked at, as it was said."""
    _patience: float = _AFTER_A_FAULT[0]
    """Seconds before a batch that could not be done would be tried again."""

    def check(self) -> None:
        """See that all addresses can be listed; that nothing is there yet is no fault.

        Raises:
            RunnerError: One cannot.
        """
        for place in filter(is_address, self.places):
            with suppress(NothingThereError):
                next(find_files([place], self.selection, self.blobs), None)

    def run(self) -> ExitCode:
        """Look and convert until somebody stops it; returns what it came to."""
        settling = StableFiles(self.settle)
        looks: deque[float] = deque(maxlen=_LOOKS)
        pause = min(_LONGEST_PAUSE, max(0.2, self.settle / 2))
        self._note_newest()
        with _stopped_by_signals():
            try:
                while not interrupt.was_pressed():
                    began = time.monotonic()
                    found, is_whole = self.found()
                    looks.append(time.monotonic() - began)
                    batch = settling.complete(found, is_whole=is_whole)
                    wait = max(pause, min(_SHARE * min(looks), _LONGEST_WAIT))
                    if batch and (patience := self._convert(batch)):
                        settling.put_back(batch)
                        wait = patience
                    time.sleep(wait)
            except KeyboardInterrupt:
                self._count()  # a batch had just ended, and was not counted yet
        return ExitCode.SOME_FAILED if self.counts["failed"] else ExitCode.OK

    def found(self) -> tuple[list[FoundFile], bool]:
        """Return the files found, and whether those are all: a source may be unavailable for a while."""
        found: list[FoundFile] = []
        is_whole = True
        for place in self.places:
            try:
                if not (is_address(place) or os.path.isdir(place)):
                    raise NothingToConvertError(place)
                found += find_files([place], self.selection, self.blobs)
            except NothingThereError:
                self._faults.pop(place, None)
            except (RunnerError, OSError) as error:
                is_whole = False
                if is_address(place):
                    self._say_once(place, str(error))
            else:
                self._faults.pop(place, None)
        return found, is_whole and not any(one.is_unlisted for one in found)

    def _say_once(self, place: str, fault: str) -> None:
        """Say why *place* cannot be looked at: of storage, people may have to do something about it."""
        if self._faults.get(place) != fault:
            self._faults[place] = fault
            say(f"Error: {fault} (still trying)")

    def _convert(self, batch: list[FoundFile]) -> float:
        """Convert *batch*; returns the seconds until it must be tried again, 0 once it has been done."""
        try:
            self.convert(batch)
        except InterruptedRunError:
            raise
        except NothingToConvertError:  # they are results of runner's own
            pass
        except (TransientError, SetupError) as error:
            patience = self._patience
            self._patience = min(2 * patience, _AFTER_A_FAULT[1])
            say(f"Error: {error} (trying again in {patience:.0f} s)")
            return patience
        except UsageError as error:  # the settings do not suit these files, and may suit others
            say(f"Error: {error}")
        finally:
            self._count()
        self._patience = _AFTER_A_FAULT[0]
        return 0

    def _count(self) -> None:
        with Ledger.peek(self.ledger) as ledger:
            runs = ledger.runs.all()[:1]
        for run in runs:
            if run.id != self._newest:
                self._newest = run.id
                self.counts.update(converted=run.converted, failed=run.failed)

    def _note_newest(self) -> None:
        self._count()
        self.counts.clear()


def watch(
    options: dict[str, Any],
    place: Destination,
    blobs: OpenStore,
    convert: Convert,
    address: "Address | None",
) -> ExitCode:
    """Watch what *options* name, for results in *place*, and say at the end, to *address* too, what came of it.

    Raises:
        InterruptedRunError: It was stopped while files were left in the middle of a batch.
        RunnerError: An address cannot be listed.
    """
    check_watch(options)
    selection = Selection(
        options["include"], options["exclude"], None if place.address else place.folder
    )
    watching = Watch(options["sources"], selection, blobs, place.folder, options["settle"], convert)
    watching.check()
    names = ", ".join(f"'{printable(name)}'" for name in options["sources"])
    say(
        f"watching {names}; files are converted once they have not changed for {options['settle']:g} s"
    )
    began = time.monotonic()
    exit_code = ExitCode.INTERRUPTED
    try:
        exit_code = watching.run()
    finally:
        counts = ", ".join(f"{count} {what}" for what, count in watching.counts.items() if count)
        took = seconds_text(time.monotonic() - began)
        line = f"stopped watching {names} after {took}: {counts or 'nothing to convert'}"
        say(line)
        notify(address, [line], {"event": "watched", **watching.counts}, exit_code)
    return exit_code


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Have what ends a process between two batches end the watch; during one, the run listens."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        interrupt.press()
        raise KeyboardInterrupt

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    before = {
        number: signal.signal(number, stop)
        for name in names
        if (number := getattr(signal, name, None)) is not None
        and signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
