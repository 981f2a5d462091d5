"""Decide where a run is done: on this machine, or on the Azure environment of a Pulumi stack."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from runner import __version__
from runner.cli.options import is_typed
from runner.engine import Engine, ResultStore
from runner.errors import SetupError, UsageError
from runner.estimate.extracts import ReadPart
from runner.ffmpeg_program import identify
from runner.imports import importing_much
from runner.local import LocalEngine
from runner.models import Plan
from runner.options import RunOptions
from runner.runs import Run

if TYPE_CHECKING:
    from runner.azure.accounts import Accounts
    from runner.azure.fetch import BlobFetch
    from runner.azure.results import CloudResults
    from runner.azure.session import Session

_FOR_AZURE = ("pool", "max_cost", "detach", "clean_start")


@dataclass(frozen=True)
class Backend:
    """Where a run is done, and why."""

    session: "Session | None"
    """The session on Azure; None on this machine."""
    why: str
    cloud: "CloudResults | None" = None
    """Where results stay, if not here."""
    accounts: "Accounts | None" = None
    """Where sources are that are in storage, once one is."""

    @property
    def name(self) -> str:
        """The name in the ledger."""
        return self.session.deployment.batch_account if self.session else "local"

    @property
    def words(self) -> str:
        """The description for people."""
        spot = self.session.deployment.description if self.session else "this machine"
        return f"on {spot} ({self.why})"

    @property
    def pool(self) -> str:
        """The name of the pool on Azure; empty if the stack has one pool without a name."""
        return self.session.deployment.pool.name if self.session else ""

    def for_run(self, options: RunOptions) -> "tuple[Backend, RunOptions]":
        """Return the backend for a run with *options*, on their pool, and the options with its name."""
        if self.session is None:
            return self, replace(options, pool="")
        deployment = self.session.deployment.on_that_of_a_run(options.pool)
        is_gone = options.pool not in ("", deployment.pool.name)
        why = f"{self.why}; its pool {options.pool} is gone" if is_gone else self.why
        backend = replace(self, session=self.session.on(deployment), why=why)
        return backend, replace(options, pool=backend.pool)

    def engine(
        self, run: Run, *, ffmpeg: str, jobs: int | None = None, detach: bool = False
    ) -> Engine:
        """Return an engine for *run*; *jobs* is the number of workers on this machine, if the user says it."""
        if self.session is None:
            return LocalEngine(
                ffmpeg=ffmpeg,
                jobs=jobs,
                options=run.options,
                fetch=self._fetch(),
                store=self._result_store(run),
            )
        engine = self.session.engine(ffmpeg, run.options, detach=detach)
        return replace(engine, follow_up=run.follow_up)

    def _result_store(self, run: Run) -> ResultStore | None:
        if self.cloud is None:
            return None
        from runner.azure.result_store import BlobResultStore  # noqa: PLC0415 - the Azure clients take 0.5 s

        return BlobResultStore(self.cloud, run.options)

    def check_rights(self, plan: Plan) -> None:
        """See that the work can read the sources of *plan* that are in storage, and write results there.

        Raises:
            SetupError: They cannot.
        """
        if self.session is not None:
            self.session.check_rights(plan)

    def _fetch(self) -> "BlobFetch | None":
        if self.accounts is None:
            return None
        from runner.azure.fetch import BlobFetch  # noqa: PLC0415 - the Azure clients take 0.5 s

        return BlobFetch(self.accounts)

    def read_part(self) -> ReadPart | None:
        """What reads parts of sources in storage; none where there are no such sources."""
        fetch = self._fetch()
        return fetch.part if fetch else None

    def made_with(self, ffmpeg: str) -> str:
        """Identify the program that converts: *ffmpeg* on this machine, or the nodes' own."""
        return f"{__version__} {self.name}" if self.session else identify(ffmpeg)


def find_backend(options: dict[str, Any]) -> Backend:
    """Return the backend that the options of `where_options` and `--pool` choose.

    Raises:
        UsageError: There is no such pool.
        SetupError: Azure was asked for and there is no environment, or the environment is broken.
    """
    where, stack, outputs = options["where"], options["stack"], options["outputs"]
    if where == "local":
        return Backend(None, "as --where says")
    from runner.azure.stack import choose_stack  # noqa: PLC0415 - it may start Pulumi

    choice = choose_stack(stack, outputs)
    if choice.deployment is not None:
        deployment = choice.deployment.on(options.get("pool") or "")
        return Backend(_open(deployment), choice.why)
    if where == "azure":
        advice = "deploy a stack with `pulumi up`, or choose one with --stack or --outputs"
        raise SetupError(f"--where azure: {choice.why}; {advice}")
    return Backend(None, choice.why)


def refuse_options_for_azure(ctx: click.Context, backend: Backend) -> None:
    """Refuse options on the command line that promise what only a run on Azure can do.

    In a settings file they are allowed, for the runs on Azure.

    Raises:
        UsageError: There is such an option, and the run is on this machine.
    """
    for name in _FOR_AZURE if backend.session is None else ():
        value = ctx.params[name]
        if is_typed(ctx, name) and value not in ("", None, False):
            words = [f"--{name.replace('_', '-')}", *([] if value is True else [f"{value}"])]
            raise UsageError(f"{' '.join(words)} is for Azure, and this run is {backend.words}")


def find_session(options: dict[str, Any]) -> "Session":
    """Return the Azure environment that the options choose, for commands that only work there.

    Raises:
        SetupError: There is none.
    """
    backend = find_backend({**options, "where": "azure"})
    assert backend.session is not None
    return backend.session


def _open(deployment: Any) -> "Session":
    from runner.azure.installation import require_clients  # noqa: PLC0415 - for Azure alone

    require_clients(instead="convert on this machine with --where local")
    with importing_much():
        from runner.azure.session import Session  # noqa: PLC0415 - the Azure clients take 0.5 s
    return Session(deployment)
