"""Estimates and prices for the commands: from options and a backend to what is shown."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from runner.cli.backend import Backend
from runner.cli.output import OutputOptions, say
from runner.cli.todo import left_to_do
from runner.costs import cost_of
from runner.errors import CostLimitError, SetupError, UsageError
from runner.estimate.basis import History
from runner.estimate.calibration import calibrate
from runner.estimate.contents import open_files
from runner.estimate.extracts import extracts_of_blobs
from runner.estimate.on_azure import Terms, estimate_azure
from runner.estimate.on_this_machine import estimate_here
from runner.estimate.report import Estimate, as_json, hint, lines
from runner.estimate.unopened import guess_contents
from runner.ledger import Ledger
from runner.models import Conversion, Plan
from runner.options import RunOptions
from runner.overwrite import OverwritePolicy
from runner.parallel import usable_cores, useful_threads_of, workers_for
from runner.prices import Prices, money_text, own_price
from runner.storage_use import Retained

if TYPE_CHECKING:
    from runner.azure.deployment import Deployment

_MOST_LOOKED_UP = 500
"""The most files that are checked for existing results before a run begins."""


@dataclass
class PriceQuestion:
    """The prices of a pool's nodes, asked for while other work goes on."""

    deployment: "Deployment"
    options: RunOptions
    prices: Prices | None = None
    why: str = ""
    """Why there are no prices."""
    _asking: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._asking = threading.Thread(target=self._ask, name="prices", daemon=True)
        self._asking.start()

    def _ask(self) -> None:
        from runner.azure.price_list import PriceList  # noqa: PLC0415 - the Azure clients take 0.5 s

        options = self.options
        if options.price_per_hour is not None:
            self.prices = own_price(options.price_per_hour, options.currency)
            return
        try:
            self.prices = PriceList(
                vm_size=self.deployment.pool.vm_size,
                region=self.deployment.location,
                currency=options.currency,
                storage=self.deployment.storage_sku_name,
                soft_delete_days=self.deployment.deleted_blobs_kept,
            ).prices()
        except SetupError as error:
            self.why = str(error)

    def so_far(self) -> Prices | None:
        """Return what is known so far."""
        return self.prices

    def answer(self) -> tuple[Prices | None, str]:
        """Wait for the prices, and return them, or why there are none."""
        self._asking.join()
        return self.prices, self.why


def estimate(
    conversions: Sequence[Conversion],
    ledger: Ledger,
    backend: Backend,
    options: dict[str, Any],
    program: str,
    *,
    measure: bool,
) -> Estimate:
    """Estimate how long *conversions* take here and on Azure; *program* is this machine's ffmpeg."""
    start = _since_start()
    cores = usable_cores()
    jobs = options["jobs"] or workers_for(len(conversions), cores, useful_threads_of(conversions))
    session = backend.session
    chosen = RunOptions(**{name: options[name] for name in ("price_per_hour", "currency")})
    question = PriceQuestion(session.deployment, chosen) if session else None
    history = History.of(ledger, conversions[0].recipe) if conversions else History((), {})
    with extracts_of_blobs(backend.read_part()) as extracts:
        found = open_files(conversions, program, cores, extracts)
        measured = partial(calibrate, ffmpeg=program, jobs=jobs, extracts=extracts)
        here, speeds = estimate_here(found, history, jobs, measured if measure else None, start)
    if session is None or question is None or not found.files:
        return Estimate(found, here, None, backend.why if session is None else "nothing to do")
    prices, why = question.answer()
    terms = replace(
        _terms(ledger, backend, options, jobs), prices=prices, why_no_price=why, start=start
    )
    return Estimate(found, here, estimate_azure(found, history, speeds, terms), "")


def _since_start() -> float:
    """Seconds since this process began: `convert` takes as long to get to its run."""
    return time.monotonic() - float(click.get_current_context().find_root().obj)


def _terms(ledger: Ledger, backend: Backend, options: dict[str, Any], jobs: int) -> Terms:
    """Return what an estimate for Azure is based on, without prices."""
    assert backend.session is not None
    return Terms(
        account=backend.name,
        pool=backend.session.deployment.pool,
        prices=None,
        why_no_price="",
        uplink=options["uplink"],
        whole=options["upload"] == "whole",
        jobs=jobs,
        cores=usable_cores(),
        retained=Retained(results=ledger.results_stay, sources=options["keep"]),
        split=options["split"],
    )


def hint_before_start(
    plan: Plan, policy: OverwritePolicy, backend: Backend, options: dict[str, Any]
) -> str:
    """Return why this machine would be better where `--where auto` chose Azure; usually empty.

    It costs no time: no file is opened, no price asked for, and of many files a part is looked up.
    """
    if backend.session is None or options["where"] != "auto" or not plan.conversions:
        return ""
    history = History.of(policy.ledger, plan.conversions[0].recipe)
    if not any(run.backend == "local" for run in history.runs.values()):
        return ""
    each = -(-len(plan.conversions) // _MOST_LOOKED_UP)
    some = replace(plan, conversions=plan.conversions[::each])
    todo = [one for one in left_to_do(some, policy) for _ in range(each)]
    found = guess_contents(todo, history.attempts)
    if found is None:
        return ""
    jobs = options["jobs"] or workers_for(len(todo), usable_cores(), useful_threads_of(todo))
    here, speeds = estimate_here(found, history, jobs)
    azure = estimate_azure(found, history, speeds, _terms(policy.ledger, backend, options, jobs))
    return hint(Estimate(found, here, azure, ""), is_azure=True)


def show_estimate(estimated: Estimate, output: OutputOptions, limit: float | None) -> None:
    """Say it on standard error, and as JSON on standard output where that is asked for.

    *limit* is that of `--max-cost`.
    """
    if output.as_json:
        click.echo(json.dumps(as_json(estimated)))
    elif not output.quiet:
        for line in (*lines(estimated), *_over_limit(estimated, limit)):
            say(line)


def _over_limit(estimated: Estimate, limit: float | None) -> Iterator[str]:
    azure = estimated.azure
    if limit is not None and azure and azure.prices and azure.most and azure.most > limit:
        most, bound = (money_text(each, azure.prices.currency) for each in (azure.most, limit))
        yield f"Azure would cost up to {most}, more than --max-cost {bound}: `convert` would not start"


def say_hint(words: str) -> None:
    """Say *words* that speak for the other place, if there are any."""
    if words:
        say(f"hint: {words}")


def terms_of(backend: Backend, options: RunOptions) -> dict[str, Any]:
    """Return what a `Run` on *backend* needs to know about nodes to compute their cost."""
    if backend.session is None:
        return {}
    deployment = backend.session.deployment
    return {"vm_size": deployment.pool.vm_size, "prices": PriceQuestion(deployment, options).so_far}


def refuse_limit_without_watcher(options: RunOptions, *, detach: bool) -> None:
    """Raise `UsageError` where a run has a limit, and nobody who counts."""
    if detach and options.max_cost is not None:
        raise UsageError("--max-cost works only while runner watches the run: leave out --detach")


def cost_so_far(ledger: Ledger, run: str, estimated: Estimate) -> float:
    """Return what *run* had cost before this command."""
    prices = estimated.azure and estimated.azure.prices
    uses, attempts = ledger.runs.node_uses(run), ledger.attempts.each(run)
    cost = cost_of(uses, attempts, prices or None, Retained(results=ledger.results_stay))
    return cost.amount or 0.0


def refuse_if_too_dear(estimated: Estimate, limit: float, spent: float = 0.0) -> None:
    """Refuse a run on Azure that is estimated to cost more than *limit* with what it *spent* before.

    Raises:
        CostLimitError: It is.
        SetupError: Nobody can tell.
    """
    azure = estimated.azure
    if azure is None:
        return
    if azure.prices is None:
        advice = "give it with --price-per-hour, or leave --max-cost out"
        raise SetupError(f"--max-cost needs a price: {azure.why_no_price}; {advice}")
    if azure.amount is None or azure.most is None:
        advice = "see `runner plan`, or leave --max-cost out"
        raise SetupError(f"--max-cost needs an estimate, and there is none: {advice}")
    if spent + azure.most > limit:
        currency = azure.prices.currency
        before = f" besides {money_text(spent, currency)} so far" if spent else ""
        raise CostLimitError(
            f"the run would cost about {money_text(azure.most, currency)}{before}, including the idle"
            f" time of its nodes: more than --max-cost {limit:g} {currency}; nothing was started"
        )
