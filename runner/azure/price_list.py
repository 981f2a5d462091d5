"""Azure's public price list: what a node of a size and storage cost in a region. It asks for no sign-in.

https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices
"""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from azure.core import PipelineClient
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline.policies import ProxyPolicy, UserAgentPolicy
from azure.core.rest import HttpRequest
from platformdirs import user_cache_path

from runner import __version__
from runner.azure.errors import is_transient
from runner.azure.price_items import node_prices, storage_prices, traffic_price
from runner.azure.retrying import wait_before
from runner.errors import SetupError
from runner.media.strict import UnreadableError, parse_json
from runner.prices import Prices

ADDRESS = "RUNNER_PRICES_URL"
"""The environment variable with another address of the price list; "off" turns it off."""
_ADDRESS = "https://prices.azure.com/api/retail/prices"
_FRESH = 24 * 3600.0
"""Seconds for which prices are not asked for again: Spot's change from day to day."""
_STALE = 30 * 24 * 3600.0
"""Seconds after which they say nothing any more, even where newer ones cannot be had."""
_TRIES = 3
_PATIENCE = 20.0
"""Seconds for all of the questions together."""
_LONGEST_PAGE = 5_000_000
_MOST_PAGES = 20
_LONGEST_CACHE = 1_000_000
_BLOBS = "General Block Blob v2"
"""Block blobs of a general-purpose v2 account; others have meters of the same names and other prices."""


class PriceUnknownError(SetupError):
    """The price list cannot be had, or does not know the size."""


@dataclass(frozen=True, kw_only=True)
class PriceList:
    """The prices of one size of node in one region."""

    vm_size: str
    region: str
    currency: str
    storage: str = ""
    """The tier and redundancy of the storage account, such as "Hot LRS"; empty if unknown."""
    soft_delete_days: int | None = None
    """How long that keeps what was deleted."""
    address: str = field(default_factory=lambda: os.environ.get(ADDRESS) or _ADDRESS)
    cache: Path = field(
        default_factory=lambda: user_cache_path("runner", appauthor=False) / "prices.json"
    )
    timeout: float = 5.0
    """Seconds to wait for an answer."""

    def prices(self, now: float | None = None) -> Prices:
        """Return today's prices, fetched once a day.

        Raises:
            PriceUnknownError: They cannot be had, and there are none of the last weeks.
        """
        now = time.time() if now is None else now
        known = _read_cache(self.cache).get(self._key)
        age = now - known[0] if known else _STALE
        if known and 0 <= age < _FRESH:
            return known[1]
        try:
            found = self._ask(now)
        except PriceUnknownError:
            if known and 0 <= age < _STALE:
                return known[1]
            raise
        _write_cache(self.cache, self._key, now, found)
        return found

    @property
    def _key(self) -> str:
        storage = f"{self.storage}|{self.soft_delete_days}"
        return f"{self.address}|{self.vm_size.lower()}|{self._region}|{self.currency}|{storage}"

    @property
    def _region(self) -> str:
        return self.region.lower().replace(" ", "")

    def _ask(self, now: float) -> Prices:
        if self.address == "off":
            raise PriceUnknownError(f"the price is unknown: {ADDRESS} is off")
        day = datetime.fromtimestamp(now, UTC)
        try:
            with _Client(self.address, self.timeout) as client:
                nodes = list(client.items(self.currency, self._of_nodes))
                traffic = list(client.items(self.currency, self._of_traffic))
                storage = (
                    list(client.items(self.currency, self._of_storage)) if self.storage else []
                )
        except (AzureError, UnreadableError, ValueError) as error:
            why = str(getattr(error, "message", "") or error).splitlines()[0][:200]
            raise PriceUnknownError(
                f"the price is unknown: Azure's price list did not answer ({why})"
            ) from error
        spot, dedicated = node_prices(nodes, day)
        if spot is None and dedicated is None:
            raise PriceUnknownError(
                f"the price is unknown: Azure's price list has no price for {self.vm_size} in {self.region}"
                f" in {self.currency}"
            )
        return Prices(
            currency=self.currency,
            spot=spot,
            dedicated=dedicated,
            egress=traffic_price(traffic),
            storage=storage_prices(storage, self.storage, self.soft_delete_days, day),
            origin=f"Azure's public prices of {day:%Y-%m-%d}",
        )

    @property
    def _of_nodes(self) -> str:
        return _filter(
            serviceName="Virtual Machines",
            armRegionName=self._region,
            armSkuName=self.vm_size,
            priceType="Consumption",
        )

    @property
    def _of_traffic(self) -> str:
        return _filter(serviceName="Bandwidth", armRegionName=self._region, priceType="Consumption")

    @property
    def _of_storage(self) -> str:
        return _filter(
            serviceName="Storage",
            armRegionName=self._region,
            productName=_BLOBS,
            priceType="Consumption",
        )


def _filter(**wanted: str) -> str:
    quoted = {name: value.replace("'", "''") for name, value in wanted.items()}
    return " and ".join(f"{name} eq '{value}'" for name, value in quoted.items())


class _Client:
    """Asks page by page, and again after a temporary error, as long as there is time."""

    def __init__(self, address: str, timeout: float) -> None:
        agent = UserAgentPolicy(base_user_agent=f"batch-ffmpeg-runner/{__version__}")
        policies = [agent, ProxyPolicy()]
        self._client: PipelineClient[Any, Any] = PipelineClient(address, policies=policies)
        self._address = address
        self._timeout = timeout
        self._deadline = time.monotonic() + _PATIENCE

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    def items(self, currency: str, condition: str) -> Iterator[dict[str, Any]]:
        """Return all items that meet *condition*."""
        request = HttpRequest(
            "GET", self._address, params={"currencyCode": f"'{currency}'", "$filter": condition}
        )
        for _ in range(_MOST_PAGES):
            page = parse_json(self._get(request), _LONGEST_PAGE)
            items = page.get("Items") if isinstance(page, dict) else None
            if not isinstance(page, dict) or not isinstance(items, list):
                raise UnreadableError("its answer is not a list of prices")
            yield from (item for item in items if isinstance(item, dict))
            link = page.get("NextPageLink")
            if not link:
                return
            request = HttpRequest("GET", self._same_host(link))
        raise UnreadableError("it does not end")

    def _same_host(self, link: object) -> str:
        ours, theirs = urlsplit(self._address), urlsplit(str(link))
        if (theirs.scheme, theirs.hostname) != (ours.scheme, ours.hostname):
            raise UnreadableError("its next page is somewhere else")
        return str(link)

    def _get(self, request: HttpRequest) -> bytes:
        for tries in range(1, _TRIES + 1):
            try:
                return self._get_once(request)
            except AzureError as error:
                wait = wait_before(tries, error)
                is_late = time.monotonic() + wait > self._deadline
                if tries == _TRIES or is_late or not is_transient(error):
                    raise
                threading.Event().wait(wait)
        raise AssertionError

    def _get_once(self, request: HttpRequest) -> bytes:
        left = min(self._timeout, max(0.1, self._deadline - time.monotonic()))
        answer = self._client.send_request(
            request, connection_timeout=left, read_timeout=left, stream=False
        )
        if answer.status_code != 200:  # it redirects nowhere
            raise HttpResponseError(f"status {answer.status_code}", response=answer)
        return bytes(answer.read())


def _read_cache(path: Path) -> dict[str, tuple[float, Prices]]:
    """Return when prices were fetched, and what they were; nothing from a damaged file."""
    try:
        table = parse_json(path.read_bytes(), _LONGEST_CACHE)
        rows = table.items() if isinstance(table, dict) else ()
        return {
            key: (float(at), Prices.from_json(prices))
            for key, (at, prices) in rows
            if isinstance(at, (int, float)) and isinstance(prices, str)
        }
    except (OSError, ValueError, TypeError):
        return {}


def _write_cache(path: Path, key: str, now: float, prices: Prices) -> None:
    rows = {**_read_cache(path), key: (now, prices)}
    recent = {k: (at, p.as_json()) for k, (at, p) in rows.items() if now - at < _STALE}
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(recent), encoding="utf-8")
        part.replace(path)
    except OSError:  # they are asked for again
        with suppress(OSError):
            part.unlink()
