"""An estimate for people and for programs."""

from dataclasses import dataclass
from typing import Any

from runner.estimate.contents import Contents
from runner.estimate.on_azure import AzureEstimate
from runner.estimate.on_this_machine import LocalEstimate
from runner.formatting import bytes_text, count_text, seconds_text
from runner.prices import Prices, money_text

_MUCH = 2.0
"""From this factor on, one environment is much faster."""
_WORTH = 60.0
"""Seconds that must be saved for it to be worth a word."""
_WHOLE = 10
"""From here on, factors are given without decimals."""
_AS_LONG = 1.2
"""Azure must be at least this many times faster to be worth its cost."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is to be done, and how long it takes in each environment."""

    found: Contents
    here: LocalEstimate
    azure: AzureEstimate | None
    why_no_azure: str
    """Where there is no estimate for it."""


def lines(estimate: Estimate) -> list[str]:
    """Return the closing lines of `runner plan`."""
    if not estimate.found.files:
        return [recommendation(estimate)]
    said = [_of_files(estimate.found), _of_here(estimate.here)]
    if estimate.azure is None:
        said.append(f"on Azure: no estimate ({estimate.why_no_azure})")
    else:
        said += _of_azure(estimate.azure)
    return [*said, *filter(None, [recommendation(estimate)])]


def _of_files(found: Contents) -> str:
    doubt = f" ±{found.error:.0%}" if found.error else ""
    length = f"{seconds_text(found.seconds)} of media{doubt}"
    files = count_text(len(found.files), "file")
    said = f"to convert: {files}, {bytes_text(found.bytes)}, {length}"
    if found.looked_at < len(found.files):
        said += f" (by a random sample of {found.looked_at})"
    if found.unreadable:
        said += f"; {count_text(found.unreadable, 'file')} cannot be read"
    return said


def _of_here(here: LocalEstimate) -> str:
    if here.seconds is None:
        return f"on this machine: time unknown; {here.basis.words}"
    at_a_time = f"{count_text(here.jobs, 'file')} at a time"
    return f"on this machine: {_about(here.seconds, here.basis.error)}, {at_a_time}; {here.basis.words}"


def _of_azure(azure: AzureEstimate) -> list[str]:
    where = f"on Azure ({azure.pool}, {azure.vm_size})"
    if azure.seconds is None:
        return [f"{where}: time unknown; {azure.bases[0]}"]
    kinds = f" {azure.kinds}" if azure.kinds else ""
    nodes = f"{count_text(azure.nodes, f'{kinds} node'.strip())}"
    steps = (
        f"nodes ready after {seconds_text(azure.start)}, upload finished after "
        f"{seconds_text(azure.upload)}"
    )
    travel = f"{bytes_text(azure.sent)} up, {bytes_text(azure.received)} down"
    return [
        f"{where}: {_about(azure.seconds, azure.error)} on {nodes}{_money(azure)}",
        *_cost(azure),
        f"  {steps}; {travel}",
        f"  {'; '.join(azure.bases)}",
    ]


def _money(azure: AzureEstimate) -> str:
    if azure.amount is None or azure.prices is None:
        return f"; {azure.why_no_price or 'price unknown'}"
    return f", about {money_text(azure.amount, azure.prices.currency)}"


def _cost(azure: AzureEstimate) -> list[str]:
    """Return what is in the cost, what comes on top, and by which prices."""
    if azure.amount is None or azure.prices is None:
        return []
    said = [_storage(azure, azure.prices)]
    if azure.idle:
        idle = money_text(azure.idle, azure.prices.currency)
        said.append(f"afterwards up to {idle} more, until idle nodes are removed")
    return [f"  {line}" for line in (*said, _rates(azure.prices))]


def _storage(azure: AzureEstimate, prices: Prices) -> str:
    if prices.storage is None:
        if prices.egress is None and azure.received:
            return "without storage and the download, whose prices are unknown"
        return "without storage, whose price is unknown"
    cost = money_text(azure.storage.amount(prices.storage), prices.currency)
    said = f"including {cost} for storage ({prices.storage.sku})"
    if not azure.storage.stays:
        return said
    month = money_text(azure.storage.a_month(prices.storage), prices.currency)
    size = bytes_text(azure.storage.stays)
    return f"{said}, where {size} stays until `runner clean` at {month} a month"


def _rates(prices: Prices) -> str:
    kinds = {"Spot": prices.spot, "dedicated": prices.dedicated}
    if prices.spot == prices.dedicated:
        kinds = {"a node": prices.spot}
    rates = [f"{kind} {price:.4g}" for kind, price in kinds.items() if price is not None]
    return f"{', '.join(rates)} {prices.currency} an hour ({prices.origin})"


def _about(seconds: float, error: float) -> str:
    doubt = "may be twice that, or half" if error >= 1 else f"±{error:.0%}"
    return f"about {seconds_text(seconds)} ({doubt})"


def recommendation(estimate: Estimate) -> str:
    """Return one sentence; an empty one if nothing is known of either."""
    here, azure = estimate.here.seconds, estimate.azure
    if not estimate.found.files:
        return _nothing(estimate.found.unreadable)
    if azure is None or azure.seconds is None:
        return "Convert here." if here is not None else ""
    price = (
        ""
        if azure.amount is None or azure.prices is None
        else (f" for about {money_text(azure.amount, azure.prices.currency)}")
    )
    if here is None:
        return f"Azure would take about {seconds_text(azure.seconds)}{price}."
    if here <= azure.seconds:
        return f"Convert here: Azure would take {_times(azure.seconds, here)}{price}."
    if here / azure.seconds < _MUCH or here - azure.seconds < _WORTH:
        return f"Convert here: Azure would save no more than {seconds_text(here - azure.seconds)}{price}."
    return f"Convert on Azure if time matters: it is {_factor(here, azure.seconds)} times as fast{price}."


def _nothing(unreadable: int) -> str:
    if not unreadable:
        return "Nothing is left to convert."
    files = "the file" if unreadable == 1 else f"any of the {count_text(unreadable, 'file')}"
    return f"There is no estimate: ffmpeg cannot read {files}. `runner convert` says why."


def _times(slower: float, faster: float) -> str:
    if slower < _AS_LONG * faster:
        return "about as long"
    return f"{_factor(slower, faster)} times as long"


def _factor(more: float, less: float) -> str:
    factor = more / max(less, 0.1)
    return f"{factor:.1f}" if factor < _WHOLE else f"{factor:,.0f}"


def hint(estimate: Estimate, *, is_azure: bool) -> str:
    """Return what to say about the other environment where `--where auto` chose this one; usually empty."""
    here, azure = estimate.here.seconds, estimate.azure
    if azure is None or azure.seconds is None or here is None:
        return ""
    fast, slow = (here, azure.seconds) if is_azure else (azure.seconds, here)
    is_guess = azure.error >= 1
    other = "this machine (--where local)" if is_azure else "Azure (--where azure)"
    if slow / max(fast, 0.1) >= _MUCH * (2 if is_guess else 1) and slow - fast >= _WORTH:
        return f"{other} would take about {seconds_text(fast)} rather than {seconds_text(slow)}"
    if is_azure and not is_guess and azure.seconds >= _WORTH and here <= _AS_LONG * azure.seconds:
        return f"{other} would take about as long ({seconds_text(here)}) and cost nothing"
    return ""


def as_json(estimate: Estimate) -> dict[str, Any]:
    """One object for `--json`."""
    found, here, azure = estimate.found, estimate.here, estimate.azure
    return {
        "v": 1,
        "event": "estimate",
        "files": len(found.files),
        "bytes": found.bytes,
        "media_seconds": round(found.seconds, 1),
        "media_error": round(found.error, 3),
        "looked_at": found.looked_at,
        "unreadable": found.unreadable,
        "here": {
            "seconds": _rounded(here.seconds),
            "jobs": here.jobs,
            "error": round(here.basis.error, 3),
            "basis": here.basis.words,
        },
        "azure": azure and _azure_json(azure),
        "recommendation": recommendation(estimate),
    }


def _azure_json(azure: AzureEstimate) -> dict[str, Any]:
    return {
        "pool": azure.pool,
        "vm_size": azure.vm_size,
        "seconds": _rounded(azure.seconds),
        "start_seconds": round(azure.start, 1),
        "upload_seconds": round(azure.upload, 1),
        "nodes": azure.nodes,
        "node_hours": round(azure.node_hours, 4),
        "bytes_up": round(azure.sent),
        "bytes_down": round(azure.received),
        "cost": azure.amount,
        "idle_cost": azure.idle,
        "storage": _storage_json(azure),
        "currency": azure.prices and azure.prices.currency,
        "prices": azure.prices.origin if azure.prices else azure.why_no_price,
        "error": round(azure.error, 3),
        "basis": list(azure.bases),
    }


def _storage_json(azure: AzureEstimate) -> dict[str, Any]:
    prices = azure.prices and azure.prices.storage
    return {
        "sku": prices and prices.sku,
        "operations": azure.storage.writes + azure.storage.reads + azure.storage.others,
        "bytes_stay": azure.storage.stays,
        "cost": azure.storage.amount(prices) if prices else None,
        "cost_a_month": azure.storage.a_month(prices) if prices else None,
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
