"""The Python interface: prepare a plan, run it on this machine, and summarize the report."""

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from runner.engine import Stop
from runner.errors import NothingToConvertError, UsageError
from runner.existing import EarlierResults, Existing
from runner.followup import FollowUp
from runner.ledger import Ledger
from runner.local import LocalEngine, find_ffmpeg, identify, usable_cores
from runner.media.paths import is_address
from runner.models import Event, Notice, Plan, Report
from runner.options import RunOptions
from runner.plan import make_plan, new_run_id
from runner.presets import DEFAULT, for_suffix
from runner.report import as_text
from runner.runs import Run
from runner.runs import convert as carry_out
from runner.selection import Selection, find_files

OnEvent = Callable[[Event | Notice], None]


def prepare(
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str] = "out",
    *,
    to: str = DEFAULT,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    arguments: Iterable[str] = (),
) -> Plan:
    """Decide which files are converted into what, like `runner convert -n`; nothing is written.

    *sources* are folders, files or globs. *to* is a preset or a suffix. *arguments* are passed to ffmpeg
    instead of the preset's.

    Raises:
        NothingToConvertError: *sources* contain no media files.
        UsageError: The preset does not exist, or a result would be outside of *out*.
    """
    named = [sources] if isinstance(sources, (str, os.PathLike)) else sources
    names = [str(os.fspath(one)) for one in named]
    if is_address(str(out)):
        raise UsageError(
            f"{out}: from Python, results go to a folder; `runner convert -o` takes it"
        )
    words, destination = tuple(arguments), Path(out)
    recipe = for_suffix(to, words, {}).recipe(arguments=words)
    found = find_files(names, Selection(tuple(include), tuple(exclude), destination))
    with Ledger.peek(destination) as ledger:
        earlier = EarlierResults(ledger)
        chosen = [one for one in found if one.source.path not in earlier]
    if not chosen:
        raise NothingToConvertError(f"no media files in {', '.join(names)}")
    return make_plan(chosen, recipe, destination)


def convert(
    plan: Plan,
    *,
    on_event: OnEvent | None = None,
    options: RunOptions | None = None,
    jobs: int | None = None,
    ffmpeg: str | None = None,
) -> Report:
    """Run *plan* on this machine, *jobs* files at a time (by default as many as fill the cores), and call *on_event* for everything that happens.

    Files that an earlier run has converted are skipped, as in the command. A failed file is an event in the
    report, not an exception. An interrupt (Ctrl-C) stops the running conversions and leaves no partial file.

    Raises:
        RunnerError: The whole run cannot continue; its `exit_code` is that of the command.
    """
    chosen = options or RunOptions()
    program, cores = find_ffmpeg(ffmpeg), jobs or usable_cores()
    plan = replace(plan, id=new_run_id(plan.destination)).verified_by(chosen.verify)
    made_with = identify(program)
    with Ledger.open(plan.destination) as ledger:
        run = Run(plan=plan, backend="local", command="runner.convert()", options=chosen)
        existing = Existing(ledger, program, chosen.overwrite, cores, made_with)
        engine = LocalEngine(ffmpeg=program, jobs=jobs, options=chosen)
        return carry_out(run, engine, existing, on_event or _ignore, Stop())


def summarize(report: Report) -> list[str]:
    """Return the lines that the command prints at the end: counts, lengths, sizes, and what to do next."""
    return as_text(report, FollowUp(destination=report.plan.destination))


def _ignore(event: Event | Notice) -> None:
    pass
