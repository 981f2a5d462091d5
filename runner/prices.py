"""What a node costs per hour, where that price is from, and what a number of hours costs. Pure."""

import json
import re
from dataclasses import asdict, dataclass
from typing import Self

from runner.media.strict import UnreadableError, parse_json, read_as

_LONGEST = 2000
"""Characters of prices as JSON."""
_LONGEST_ORIGIN = 200
_LONGEST_KEPT = 365
"""Days: no account keeps deleted blobs for longer."""
CURRENCY = "USD"
"""In which Microsoft sets its prices; others are converted."""
HIGHEST = 1e9
"""No amount of money is higher."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoragePrices:
    """What blob storage of one tier and redundancy costs in one region."""

    sku: str
    """The two as the price list names them, such as "Hot LRS"."""
    gigabyte_month: float
    """A gigabyte for a month, of the first 50 TB in the account; more is cheaper."""
    writes: float
    """10,000 operations; so are the next two."""
    reads: float
    others: float
    soft_delete_days: int | None = None
    """How long the account keeps what was deleted, at the same price; None if that is not known."""

    @property
    def is_sensible(self) -> bool:
        """Whether nothing in it is out of range."""
        prices = (self.gigabyte_month, self.writes, self.reads, self.others)
        days = self.soft_delete_days
        return (
            all(0 <= price <= HIGHEST for price in prices)
            and (days is None or 0 <= days <= _LONGEST_KEPT)
            and len(self.sku) <= _LONGEST_ORIGIN
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What Azure's resources cost in one region; None for what is not known."""

    currency: str = CURRENCY
    spot: float | None = None
    """A node for an hour; so is the next."""
    dedicated: float | None = None
    egress: float | None = None
    """The price of a gigabyte that leaves Azure, beyond what is free each month."""
    storage: StoragePrices | None = None
    origin: str = ""
    """Where they are from, and from which day."""

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `as_json` wrote.

        Raises:
            UnreadableError: It is no such line.
        """
        prices = read_as(cls, parse_json(text, _LONGEST))
        if not is_currency(prices.currency) or len(prices.origin) > _LONGEST_ORIGIN:
            raise UnreadableError("prices that are none")
        if prices.storage is not None and not prices.storage.is_sensible:
            raise UnreadableError("prices of storage out of range")
        for price in (prices.spot, prices.dedicated, prices.egress):
            if price is not None and not 0 <= price <= HIGHEST:
                raise UnreadableError("a price out of range")
        return prices

    def as_json(self) -> str:
        """One line of JSON that `from_json` reads."""
        return json.dumps(asdict(self))

    def of(self, *, spot: bool | None) -> float | None:
        """Return the price of a node of this kind; the higher one if its kind is not known."""
        if spot is None:
            return max((p for p in (self.spot, self.dedicated) if p is not None), default=None)
        return self.spot if spot else self.dedicated


def own_price(amount: float, currency: str) -> Prices:
    """Return the price that the user gave, for nodes of either kind."""
    return Prices(currency=currency, spot=amount, dedicated=amount, origin="--price-per-hour")


def is_currency(value: str) -> bool:
    """Return whether *value* looks like a currency: three letters (ISO 4217)."""
    return re.fullmatch("[A-Z]{3}", value) is not None


def money_text(amount: float, currency: str) -> str:
    """*amount* as "0.12 USD": two digits, or as many as show that it is something."""
    if amount >= 0.1 or amount == 0:
        return f"{amount:.2f} {currency}"
    return f"{amount:.2g} {currency}" if amount >= 0.0001 else f"under 0.0001 {currency}"
