"""The estimate of a run on Azure: how long its files travel and are converted, and what that costs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from runner.azure.pools import Pool
from runner.estimate.basis import END, ENOUGH, GUESS, MEASURED, Basis, History, median
from runner.estimate.contents import Contents, FileContent
from runner.estimate.model import AssumedPipeline, SimulatedRun, SimulatedTask, simulate
from runner.estimate.speeds import Speeds
from runner.options import AUTO
from runner.parallel import split_on_nodes
from runner.prices import Prices
from runner.storage_use import NOTHING_RETAINED, OF_A_RUN, Retained, StorageUse, use_of_file

_GUESSED_UPLINK = 20e6 / 8
"""Bytes a second, of a usual line."""
_BOOT = 180.0
"""Seconds from a node's allocation to its first task, where no run has shown it."""
_WINDOW = 5
"""Minutes of idle time that the pool's formula looks back on before it removes nodes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureEstimate:
    """The run on Azure; None for what is not known."""

    pool: str
    vm_size: str
    seconds: float | None
    start: float
    """Seconds until nodes work."""
    upload: float
    """Seconds that the upload takes; so is the next."""
    node_hours: float
    nodes: int
    kinds: str
    """Spot, dedicated, or both."""
    sent: float
    """Bytes; so is the next."""
    received: float
    amount: float | None
    """The money, with the start of the nodes, the download and storage."""
    idle: float | None
    """What the nodes cost after the end, at most, until the pool removes them."""
    prices: Prices | None
    why_no_price: str
    storage: StorageUse
    bases: tuple[str, ...]
    error: float

    @property
    def most(self) -> float | None:
        """The money with all of the idle time."""
        return None if self.amount is None or self.idle is None else self.amount + self.idle


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What an estimate for Azure is based on besides the files."""

    account: str
    pool: Pool
    prices: Prices | None
    why_no_price: str
    uplink: float | None
    """Bytes a second, as the user says."""
    whole: bool
    """Whether films travel whole."""
    jobs: int
    cores: int
    """Of this machine; and how many files it does at a time."""
    retained: Retained = NOTHING_RETAINED
    start: float = 0.0
    """Seconds that a command takes before its run begins."""
    split: str = AUTO
    """Whether films are encoded in pieces, as in `RunOptions`."""


def estimate_azure(
    found: Contents, history: History, here: Speeds | None, terms: Terms
) -> AzureEstimate:
    """Estimate how long Azure takes, and what that costs."""
    pool = terms.pool
    past = history.where(lambda run: run.backend == terms.account and run.vm_size == pool.vm_size)
    contents = sorted(found.files, key=lambda content: content.conversion.source.estimated_seconds)[
        ::-1
    ]
    times, results, basis = _on_nodes(contents, past, here, terms)
    pipeline, notes = _pipeline(past, terms)
    pipeline = replace(pipeline, slots=_at_a_time(contents, terms))
    sent = [content.whole if terms.whole else content.sent for content in contents]
    back = [0.0] * len(contents) if terms.retained.results else results
    tasks = _tasks(contents, sent, times, back, pipeline, terms)
    went = simulate(tasks, replace(pipeline, overhead=_overhead(past, pipeline, terms)))
    used = _NodeTime.of(len(tasks), pipeline, went, pool)
    storage = _storage(sent, results, went.total, terms)
    money = _money(terms, used.nodes)
    besides = _besides(sum(back), storage, terms.prices)
    known = times is not None
    return AzureEstimate(
        pool=pool.id,
        vm_size=pool.vm_size,
        seconds=terms.start + went.total + END if known else None,
        start=pipeline.start,
        upload=went.uploaded,
        node_hours=used.seconds / 3600,
        nodes=used.nodes,
        kinds=_kinds(pool, used.nodes),
        sent=sum(sent),
        received=sum(back),
        amount=None if money is None or not known else money * used.seconds + besides,
        idle=None if money is None else money * used.idle,
        prices=terms.prices,
        why_no_price=terms.why_no_price,
        storage=storage,
        bases=(basis.words, *notes),
        error=basis.error + found.error,
    )


@dataclass(frozen=True, slots=True)
class _NodeTime:
    """What is paid for of nodes."""

    nodes: int
    seconds: float
    """Of all nodes: their start, until the end of the run."""
    idle: float
    """Seconds of all nodes after the end, at most, until the pool removes them."""

    @classmethod
    def of(
        cls, tasks: int, pipeline: AssumedPipeline, went: SimulatedRun, pool: Pool
    ) -> "_NodeTime":
        nodes = max(1, min(pipeline.nodes, -(-tasks // pipeline.slots)))
        boot = nodes * max(0.0, pipeline.start - pool.autoscale_minutes * 30)
        idle = nodes * (pool.autoscale_minutes + _WINDOW) * 60 if pool.autoscale_minutes else 0.0
        return cls(nodes, went.node_seconds + boot, idle)


def _tasks(
    contents: Sequence[FileContent],
    sent: Sequence[float],
    times: Sequence[float] | None,
    back: Sequence[float],
    pipeline: AssumedPipeline,
    terms: Terms,
) -> list[SimulatedTask]:
    """Return the tasks of all files; without *times* they take none."""
    facts = zip(contents, sent, times or [0.0] * len(contents), back, strict=True)
    pieces = (
        _in_pieces(content, SimulatedTask(*task), len(contents), pipeline, terms)
        for content, *task in facts
    )
    return list(chain.from_iterable(pieces))


def _in_pieces(
    content: FileContent, task: SimulatedTask, files: int, pipeline: AssumedPipeline, terms: Terms
) -> list[SimulatedTask]:
    """Return *task*, or those of its pieces if it is a film that is encoded in some: it travels once."""
    conversion = content.conversion
    split = split_on_nodes(terms.split, files, pipeline.nodes * pipeline.slots)
    if split is None or not conversion.recipe.film or conversion.source.is_blob:
        return [task]
    length = split.length(content.seconds)
    if length is None:
        return [task]
    pieces = max(1, int(content.seconds / length))
    return [
        SimulatedTask(
            sent=0.0 if number else task.sent,
            seconds=task.seconds / pieces,
            result=0.0 if number + 1 < pieces else task.result,
        )
        for number in range(pieces)
    ]


def _storage(
    sent: Sequence[float], results: Sequence[float], seconds: float, terms: Terms
) -> StorageUse:
    """Return what a run of so many *seconds* does with storage, if no file has to be tried again."""
    each = (
        use_of_file(round(up), round(size), seconds, terms.retained)
        for up, size in zip(sent, results, strict=True)
    )
    return sum(each, OF_A_RUN)


def _besides(received: float, storage: StorageUse, prices: Prices | None) -> float:
    """Return what the download and storage cost, as far as their prices are known."""
    if prices is None:
        return 0.0
    stored = storage.amount(prices.storage) if prices.storage else 0.0
    return received / 1e9 * (prices.egress or 0.0) + stored


def _on_nodes(
    contents: Sequence[FileContent], past: History, here: Speeds | None, terms: Terms
) -> tuple[list[float] | None, list[float], Basis]:
    """Return the seconds of each file on a node, the bytes of its result, and what both are based on."""
    is_sound = any(content.conversion.recipe.media == "audio" for content in contents)
    speeds = Speeds(past.timings, any_kind=is_sound)
    size = terms.pool.vm_size
    if len(speeds) and speeds.covers(contents) >= ENOUGH:
        basis = Basis(f"conversion based on {past.words} on {size}", MEASURED)
        return speeds.times(contents), speeds.results(contents), basis
    if here is None:
        return None, [0.0] * len(contents), Basis(f"nothing was converted on {size} yet", GUESS)
    mine = terms.cores / terms.jobs
    theirs = (terms.pool.node_vcpus or 2 * terms.pool.task_slots) / _at_a_time(contents, terms)
    words = f"conversion time scaled from this machine, because nothing was converted on {size} yet: a guess"
    return here.times(contents, mine / theirs), here.results(contents), Basis(words, GUESS)


def _at_a_time(contents: Sequence[FileContent], terms: Terms) -> int:
    """Return how many files a node converts at a time."""
    pool = terms.pool
    return pool.at_a_time(contents[0].conversion.recipe) if contents else max(1, pool.task_slots)


def _pipeline(past: History, terms: Terms) -> tuple[AssumedPipeline, tuple[str, ...]]:
    """Return the pipeline that is assumed, and what it is based on."""
    notes = []
    up = terms.uplink or past.rate("send", lambda attempt: attempt.sent)
    if terms.uplink:
        notes.append("upload by --uplink")
    elif up:
        notes.append(f"upload as measured, {up * 8 / 1e6:.1f} Mbit/s")
    else:
        notes.append(f"upload at {_GUESSED_UPLINK * 8 / 1e6:.0f} Mbit/s, a guess: give --uplink")
    down = past.rate("collect", lambda attempt: attempt.size)
    starts = past.starts
    if starts:
        start = median(starts)
    else:
        start = terms.pool.autoscale_minutes * 30 + _BOOT if terms.pool.autoscale_minutes else 0.0
        notes.append("start-up of the nodes is a guess")
    pipeline = AssumedPipeline(
        uplink=up or _GUESSED_UPLINK,
        downlink=down or up or _GUESSED_UPLINK,
        start=start,
        nodes=max(1, terms.pool.max_nodes),
        slots=max(1, terms.pool.task_slots),
    )
    return pipeline, tuple(notes)


def _overhead(past: History, pipeline: AssumedPipeline, terms: Terms) -> float:
    """Return the time that earlier runs took beyond that of their files: calls before, between and after."""
    beyond = []
    for run in past.runs.values():
        of_it = [a for a in past.attempts if a.run == run.id and a.size and a.sent is not None]
        if run.ended is None or run.exit_code or len(of_it) < run.files:
            continue
        back = 0.0 if terms.retained.results else 1.0
        tasks = [SimulatedTask(float(a.sent or 0), a.seconds, back * (a.size or 0)) for a in of_it]
        tasks.sort(key=lambda task: -task.seconds)
        start = past.where(lambda one, name=run.id: one.id == name).starts  # type: ignore[misc]
        took = simulate(tasks, replace(pipeline, start=start[0] if start else pipeline.start)).total
        beyond.append((run.ended - run.started).total_seconds() - took)
    return max(0.0, median(beyond)) if beyond else 0.0


def _kinds(pool: Pool, nodes: int) -> str:
    if not pool.max_spot_nodes and not pool.max_dedicated_nodes:
        return ""
    if nodes <= pool.max_spot_nodes:
        return "Spot"
    return "dedicated" if not pool.max_spot_nodes else "Spot and dedicated"


def _money(terms: Terms, nodes: int) -> float | None:
    """Return the price of a node second: Spot first, like the pool's formula."""
    if terms.prices is None:
        return None
    spot = min(nodes, terms.pool.max_spot_nodes)
    unknown = not terms.pool.max_spot_nodes and not terms.pool.max_dedicated_nodes
    kinds = ((None, nodes),) if unknown else ((True, spot), (False, nodes - spot))
    total = 0.0
    for is_spot, count in kinds:
        price = terms.prices.of(spot=is_spot)
        if count and price is None:
            return None
        total += count / nodes * (price or 0.0)
    return total / 3600
