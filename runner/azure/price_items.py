"""Which of the items of Azure's price list apply, and what they say. Pure."""

import re
from datetime import UTC, datetime
from typing import Any

from runner.prices import HIGHEST, StoragePrices

Items = list[dict[str, Any]]
_TRAFFIC = "Standard Data Transfer Out"
_TIER = "Hot"
"""The others also charge for reading, and for deleting soon, which nobody counts here."""


def node_prices(items: Items, day: datetime) -> tuple[float | None, float | None]:
    """Return what a Spot node and a dedicated node cost per hour, with Linux."""
    found: dict[str, list[float]] = {"spot": [], "low": [], "dedicated": []}
    for item in items:
        price = _price(item)
        product = str(item.get("productName", "")).lower()
        if price is None or item.get("unitOfMeasure") != "1 Hour" or not _is_in_force(item, day):
            continue
        if "windows" in product or "cloud services" in product or "cloudservices" in product:
            continue  # other offers of the same machine
        sku = str(item.get("skuName", "")).lower()
        kind = "spot" if sku.endswith(" spot") else "low" if "low priority" in sku else "dedicated"
        found[kind].append(price)
    # Batch's low-priority nodes became Spot ones in 2026: https://github.com/Azure/Batch/issues/196
    return _highest(found["spot"] or found["low"]), _highest(found["dedicated"])


def traffic_price(items: Items) -> float | None:
    """Return the price of a gigabyte to the internet in the first tier that is not free."""
    tiers = [
        (float(least), price)
        for item in items
        if item.get("meterName") == _TRAFFIC
        and "MGN" in str(item.get("productName", ""))  # Microsoft's own network, the default
        and isinstance(least := item.get("tierMinimumUnits"), (int, float))
        and (price := _price(item))
    ]
    return min(tiers)[1] if tiers else None


def storage_prices(
    items: Items, sku: str, soft_delete_days: int | None, day: datetime
) -> StoragePrices | None:
    """Return the prices of the tier and redundancy *sku*; None unless all of them are listed.

    Where the copies can be read (RA-GRS), operations have the meters of the account without that; and
    reads have one meter for all, or one for the zone-redundant.
    """
    tier, _, redundancy = sku.partition(" ")
    if tier != _TIER:
        return None
    base = re.escape(redundancy.removeprefix("RA-"))
    meters = {
        "gigabyte_month": (f"{re.escape(sku)} Data Stored", "1 GB/Month", sku),
        "writes": (f"{tier} {base} Write Operations", "10K", f"{tier} {base}"),
        "reads": (f"{tier}( {base}| ZRS)? Read Operations", "10K", f"{tier} {base}"),
        "others": ("All Other Operations", "10K", f"{tier} {base}"),
    }
    found = {name: _meter_price(items, *meter, day) for name, meter in meters.items()}
    if any(price is None for price in found.values()):
        return None
    prices = {name: price for name, price in found.items() if price is not None}
    return StoragePrices(sku=sku, soft_delete_days=soft_delete_days, **prices)


def _meter_price(items: Items, meter: str, unit: str, sku: str, day: datetime) -> float | None:
    """Return the price of the first tier of the *meter*, a pattern, of *sku*."""
    prices = (
        _price(item)
        for item in items
        if re.fullmatch(meter, str(item.get("meterName")))
        and (item.get("skuName"), item.get("unitOfMeasure")) == (sku, unit)
        and not item.get("tierMinimumUnits")
        and _is_in_force(item, day)
    )
    return _highest([price for price in prices if price is not None])


def _price(item: dict[str, Any]) -> float | None:
    price = item.get("retailPrice")
    if not isinstance(price, (int, float)) or isinstance(price, bool) or not 0 <= price <= HIGHEST:
        return None
    return float(price) if item.get("type") == "Consumption" else None


def _is_in_force(item: dict[str, Any], day: datetime) -> bool:
    try:
        begin = datetime.fromisoformat(str(item.get("effectiveStartDate")))
    except ValueError:
        return True
    return begin.replace(tzinfo=begin.tzinfo or UTC) <= day


def _highest(prices: list[float]) -> float | None:
    # where there are several, none is to be a surprise
    return max(prices, default=None)
