"""What a run has cost: the hours of its nodes, by what was seen of them and by its tasks. Pure."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from runner.formatting import bytes_text, count_text, seconds_text
from runner.models import NodeUse, State
from runner.prices import Prices, money_text
from runner.records import AttemptRecord
from runner.storage_use import (
    NOTHING,
    NOTHING_RETAINED,
    OF_A_RUN,
    Retained,
    StorageUse,
    use_of_attempt,
)

Period = tuple[float, float]
"""Start and end, in seconds since the epoch."""
COUNTED = (
    "Counted: the time that nodes of the pool were there while the run was watched, or had tasks of"
    " the run while it was not; what was downloaded; the operations on storage, and the sources there"
    " until they are deleted"
)
NOT_COUNTED = (
    "Not counted: nodes after the end of the run until the pool removes them, disks, addresses,"
    " the network's gateway, and what stays in storage after the run"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The nodes of a run, and what they cost."""

    nodes: int
    spot_seconds: float
    dedicated_seconds: float
    other_seconds: float
    """Seconds of nodes of unknown kind, which count at the higher price."""
    downloaded: int
    """Bytes that were downloaded from Azure."""
    prices: Prices | None
    uploaded: int | None = None
    """Bytes that were uploaded; None if another machine uploaded them."""
    saved: int = 0
    """Bytes by which results are smaller than their sources; negative if they are larger."""
    storage: StorageUse = NOTHING

    @property
    def seconds(self) -> float:
        """Seconds of all nodes together."""
        return self.spot_seconds + self.dedicated_seconds + self.other_seconds

    @property
    def amount(self) -> float | None:
        """The amount; None if it depends on an unknown price."""
        if self.prices is None:
            return None
        total = self.downloaded / 1e9 * (self.prices.egress or 0.0) + (self.stored or 0.0)
        kinds = ((True, self.spot_seconds), (False, self.dedicated_seconds))
        for spot, seconds in (*kinds, (None, self.other_seconds)):
            price = self.prices.of(spot=spot)
            if seconds and price is None:
                return None
            total += seconds / 3600 * (price or 0.0)
        return total

    @property
    def stored(self) -> float | None:
        """The part of the amount that is for storage; None if its prices are unknown."""
        prices = self.prices.storage if self.prices else None
        return None if prices is None else self.storage.amount(prices)

    @property
    def a_month(self) -> float | None:
        """What that which stays in storage costs a month; None if the price is unknown."""
        prices = self.prices.storage if self.prices else None
        return None if prices is None else self.storage.a_month(prices)

    @property
    def _unpriced(self) -> str:
        """What the amount lacks because its price is unknown."""
        assert self.prices is not None
        missing = []
        if self.prices.egress is None and self.downloaded:
            missing.append("the download")
        if self.prices.storage is None and self.storage != NOTHING:
            missing.append("storage")
        if not missing:
            return ""
        return f", without {' and '.join(missing)} (price unknown)"

    @property
    def text(self) -> str:
        """A short description: the hours, and what they cost."""
        kinds = {
            "Spot": self.spot_seconds,
            "dedicated": self.dedicated_seconds,
            "unknown": self.other_seconds,
        }
        used = {kind: seconds_text(seconds) for kind, seconds in kinds.items() if seconds}
        parts = used if len(used) == 1 else [f"{time} {kind}" for kind, time in used.items()]
        of_which = f" ({', '.join(parts)})" if parts else ""
        time = f"{seconds_text(self.seconds)} of node time{of_which}"
        nodes = count_text(self.nodes, "node")
        amount = self.amount
        if amount is None or self.prices is None:
            money = "price unknown"
        else:
            money = f"{money_text(amount, self.prices.currency)} by {self.prices.origin}{self._unpriced}"
        return f"{nodes}, {time}: {money}"


def cost_lines(cost: Cost) -> list[str]:
    """Return what a run on Azure used, for people, without what is not known yet."""
    lines = [f"Azure: {cost.text}"] if cost.seconds else []
    moved = [] if cost.uploaded is None else [f"{bytes_text(cost.uploaded)} up"]
    if cost.seconds:
        moved.append(f"{bytes_text(cost.downloaded)} down")
    if cost.saved:
        change = "smaller" if cost.saved > 0 else "larger"
        moved.append(f"results {bytes_text(abs(cost.saved))} {change} than their sources")
    lines += [f"Azure: {', '.join(moved)}"] if moved else []
    return [*lines, *(f"Azure: {line}" for line in [storage_text(cost)] if line)]


def storage_text(cost: Cost) -> str:
    """Return what storage costs: the part of the amount, and what stays there; empty if that is unknown."""
    if cost.prices is None or cost.stored is None or cost.a_month is None:
        return ""
    if cost.storage == NOTHING:
        return ""
    currency = cost.prices.currency
    said = f"storage is {money_text(cost.stored, currency)} of the cost"
    if not cost.storage.stays:
        return said
    month = money_text(cost.a_month, currency)
    return f"{said}; {bytes_text(cost.storage.stays)} stays there until `runner clean`, at {month} a month"


def cost_as_json(cost: Cost) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        "nodes": cost.nodes,
        "spot_seconds": round(cost.spot_seconds, 3),
        "dedicated_seconds": round(cost.dedicated_seconds, 3),
        "other_seconds": round(cost.other_seconds, 3),
        "amount": cost.amount,
        "prices": cost.prices and asdict(cost.prices),
        "bytes_up": cost.uploaded,
        "bytes_down": cost.downloaded,
        "bytes_saved": cost.saved,
        "storage": {
            **asdict(cost.storage),
            "amount": cost.stored,
            "amount_a_month": cost.a_month,
        },
    }


def cost_of(
    uses: Iterable[NodeUse],
    attempts: Iterable[AttemptRecord],
    prices: Prices | None,
    retained: Retained = NOTHING_RETAINED,
) -> Cost:
    """Return the cost of the nodes seen in *uses*, or else of those named by *attempts*."""
    return cost_with(uses, use_of_attempts(attempts, retained), prices)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptsUse:
    """What attempts came to: a million take 16 MB."""

    busy: "Mapping[str, array[float]]"
    """When each node worked on them: start, end, start, end, …"""
    uploaded: int | None
    downloaded: int
    saved: int
    storage: StorageUse


def use_of_attempts(
    attempts: Iterable[AttemptRecord], retained: Retained = NOTHING_RETAINED
) -> AttemptsUse:
    """Return what *attempts* came to; they are looked at one by one, and once."""
    busy: dict[str, array[float]] = defaultdict(lambda: array("d"))
    downloaded = saved = 0
    uploaded: int | None = None
    stored = OF_A_RUN
    for attempt in attempts:
        if attempt.began is not None and attempt.worker:
            began = attempt.began.timestamp()
            busy[attempt.worker].extend((began, began + attempt.seconds))
        stored += use_of_attempt(attempt, retained)
        if attempt.sent is not None:
            uploaded = (uploaded or 0) + attempt.sent
        if attempt.state is State.CONVERTED and attempt.size is not None:
            downloaded += 0 if retained.results else attempt.size
            saved += (attempt.source_size or attempt.size) - attempt.size
    return AttemptsUse(
        busy=busy, uploaded=uploaded, downloaded=downloaded, saved=saved, storage=stored
    )


def cost_with(uses: Iterable[NodeUse], attempts: AttemptsUse, prices: Prices | None) -> Cost:
    """Return the cost of the nodes seen in *uses*, or else of those that worked on *attempts*."""
    periods: dict[str, list[Period]] = defaultdict(list)
    kinds: dict[str, bool | None] = {}
    for use in uses:
        periods[use.node].append((use.since, use.until))
        kinds[use.node] = use.spot
    for node in attempts.busy:
        periods[node] += ()
    seconds: dict[bool | None, float] = defaultdict(float)
    for node, spans in periods.items():
        times = attempts.busy.get(node, array("d"))
        busy = zip(times[::2], times[1::2], strict=True)
        seconds[kinds.get(node)] += covered((*spans, *busy))
    return Cost(
        nodes=len(periods),
        spot_seconds=seconds[True],
        dedicated_seconds=seconds[False],
        other_seconds=seconds[None],
        downloaded=attempts.downloaded,
        prices=prices,
        uploaded=attempts.uploaded,
        saved=attempts.saved,
        storage=attempts.storage if periods else NOTHING,
    )


def covered(periods: Iterable[Period]) -> float:
    """Return the seconds covered by *periods*; overlaps count once."""
    total, end = 0.0, float("-inf")
    for began, ended in sorted(periods):
        total += max(0.0, ended - max(began, end))
        end = max(end, ended)
    return total
