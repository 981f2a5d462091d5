"""The Python interface: prepare a plan, run it on this machine, and summarize the report."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from runner.addresses import BlobAddress, signatures_of, without_signature
from runner.destinations import Destination, cloud_destination
from runner.engine import Fetch, ResultStore, Stop
from runner.errors import NothingToConvertError
from runner.ffmpeg_program import find_ffmpeg, identify
from runner.followup import FollowUp
from runner.local import LocalEngine
from runner.media.paths import is_address
from runner.models import Event, Notice, Plan
from runner.options import RunOptions
from runner.overwrite import OverwritePolicy
from runner.parallel import usable_cores
from runner.plan import make_plan, new_run_id
from runner.presets import DEFAULT, for_suffix
from runner.report import as_text
from runner.runs import Run
from runner.runs import convert as carry_out
from runner.selection import Selection, find_files
from runner.totals import Report

if TYPE_CHECKING:
    from runner.azure.accounts import Accounts
    from runner.azure.listing import Listing

OnEvent = Callable[[Event | Notice], None]


@dataclass(frozen=True, slots=True)
class _PlanInStorage(Plan):
    """A plan with sources or results in Azure storage, and the accounts that they are in."""

    # with signatures, which nobody is to see
    accounts: "Accounts | None" = field(default=None, repr=False, compare=False)


def prepare(
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str] = "out",
    *,
    to: str = DEFAULT,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    arguments: Iterable[str] = (),
) -> Plan:
    """Decide which files are converted into what, like `runner convert -n`; write nothing.

    *sources* are folders, files, globs or addresses in Azure storage; *out* may be such an address too. *to*
    is a preset or a suffix. *arguments* are passed to ffmpeg instead of the preset's.

    Raises:
        NothingToConvertError: *sources* contain no media files.
        UsageError: The preset does not exist, or a result would be outside of *out*.
    """
    named = [sources] if isinstance(sources, (str, os.PathLike)) else sources
    texts = [str(os.fspath(one)) for one in named]
    names, words = [*map(without_signature, texts)], tuple(arguments)
    recipe = for_suffix(to, words, {}).recipe(arguments=words)
    are_in_storage = any(map(is_address, (*names, str(out))))
    accounts = _accounts(signatures_of(texts)) if are_in_storage else None
    place = Destination(Path(out))
    if accounts is not None and is_address(str(out)):
        place = cloud_destination(str(out), accounts)
    excluded = None if place.address else place.folder
    selection = Selection(tuple(include), tuple(exclude), excluded)
    chosen = place.without_results(find_files(names, selection, lambda: _listing(accounts)))
    first = next(chosen, None)
    if first is None:
        raise NothingToConvertError(f"no media files in {', '.join(names)}")
    plan = place.planned(make_plan(chain([first], chosen), recipe, place.folder))
    return plan if accounts is None else _with_accounts(plan, accounts)


def convert(
    plan: Plan,
    *,
    on_event: OnEvent | None = None,
    options: RunOptions | None = None,
    jobs: int | None = None,
    ffmpeg: str | None = None,
) -> Report:
    """Run *plan* on this machine, and call *on_event* for everything that happens.

    *jobs* files are converted in parallel, by default as many as fill the cores. Files that an earlier run has
    converted are skipped, as in the command. A failed file raises nothing: its last event has the failure, and
    the report counts it. An interrupt (Ctrl-C) stops the running conversions and leaves no partial file.

    Raises:
        RunnerError: The whole run cannot continue; its `exit_code` is that of the command.
    """
    chosen = options or RunOptions()
    program, cores = find_ffmpeg(ffmpeg), jobs or usable_cores()
    plan = replace(plan, id=new_run_id(plan.destination)).verified_by(chosen.verify)
    made_with = identify(program)
    place, fetch, store = _storage_for(plan, chosen)
    with place.open() as ledger:
        run = Run(plan=plan, backend="local", command="runner.convert()", options=chosen)
        policy = OverwritePolicy(
            *(ledger, program, chosen.overwrite, cores, made_with), targets=place.targets()
        )
        engine = LocalEngine(ffmpeg=program, jobs=jobs, options=chosen, fetch=fetch, store=store)
        return carry_out(run, engine, policy, on_event or _ignore, Stop())


def summarize(report: Report) -> list[str]:
    """Return the lines that the command prints at the end: counts, lengths, sizes, and what to do next."""
    plan = report.plan
    place = str(plan.address) if plan.address else plan.destination
    return as_text(report, FollowUp(destination=place))


def _accounts(signatures: dict[BlobAddress, str]) -> "Accounts":
    """The accounts that addresses name, with that of a stack if there is one."""
    from runner.azure.installation import require_clients  # noqa: PLC0415 - for Azure alone

    require_clients()
    from runner.azure.accounts import Accounts  # noqa: PLC0415 - the clients take 0.5 s
    from runner.azure.stack import choose_stack  # noqa: PLC0415 - starts Pulumi, perhaps

    return Accounts(choose_stack(None, None).deployment, signatures)


def _listing(accounts: "Accounts | None") -> "Listing":
    from runner.azure.listing import Listing  # noqa: PLC0415 - the clients take 0.5 s

    assert accounts is not None
    return Listing(accounts)


def _with_accounts(plan: Plan, accounts: "Accounts") -> Plan:
    facts = {each.name: getattr(plan, each.name) for each in fields(Plan)}
    return _PlanInStorage(**facts, accounts=accounts)


def _storage_for(
    plan: Plan, options: RunOptions
) -> tuple[Destination, Fetch | None, ResultStore | None]:
    """Where the results of *plan* go, and what it takes to read and write in Azure storage."""
    if not isinstance(plan, _PlanInStorage) or plan.accounts is None:
        return Destination(plan.destination), None, None
    from runner.azure.fetch import BlobFetch  # noqa: PLC0415 - the clients take 0.5 s
    from runner.azure.result_store import BlobResultStore  # noqa: PLC0415 - likewise
    from runner.azure.results import CloudResults  # noqa: PLC0415 - likewise

    fetch = BlobFetch(plan.accounts)
    if plan.address is None:
        return Destination(plan.destination), fetch, None
    results = CloudResults(plan.address, plan.accounts)
    return Destination(plan.destination, results), fetch, BlobResultStore(results, options)


def _ignore(event: Event | Notice) -> None:
    pass
