"""Answers as Azure's public price list does: filters, pages, and errors when it is told to."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

_PATH = "/api/retail/prices"
_EURO = 0.86
_FILTERS = (
    *("armRegionName", "location", "meterId", "meterName", "productId", "skuId", "productName"),
    *("skuName", "serviceName", "serviceId", "serviceFamily", "priceType", "armSkuName"),
)
"""What the real one filters by."""
VM = "Standard_D2ads_v5"


def _vm(sku: str, price: float, **other: Any) -> dict[str, Any]:
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": price,
        "unitPrice": price,
        "armRegionName": "westeurope",
        "location": "EU West",
        "effectiveStartDate": "2023-06-01T00:00:00Z",
        "meterName": sku,
        "productName": "Virtual Machines Dadsv5 Series",
        "skuName": sku,
        "serviceName": "Virtual Machines",
        "serviceFamily": "Compute",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": VM,
        **other,
    }


def _traffic(least: float, price: float, **other: Any) -> dict[str, Any]:
    return {
        **_vm("Standard", price),
        "tierMinimumUnits": least,
        "meterName": "Standard Data Transfer Out",
        "productName": "Rtn Preference: MGN",
        "serviceName": "Bandwidth",
        "unitOfMeasure": "1 GB",
        "armSkuName": "",
        **other,
    }


def _storage(sku: str, meter: str, price: float, unit: str = "10K", **other: Any) -> dict[str, Any]:
    return {
        **_vm(sku, price),
        "meterName": meter,
        "productName": "General Block Blob v2",
        "serviceName": "Storage",
        "serviceFamily": "Storage",
        "unitOfMeasure": unit,
        "armSkuName": "",
        **other,
    }


def _stored(sku: str, price: float, **other: Any) -> dict[str, Any]:
    return _storage(sku, f"{sku} Data Stored", price, "1 GB/Month", **other)


def _operations(redundancy: str, write: float, read: str) -> tuple[dict[str, Any], ...]:
    sku = f"Hot {redundancy}"
    return (
        _storage(sku, f"{sku} Write Operations", write),
        _storage(sku, read, 0.0043),
        _storage(sku, "All Other Operations", 0.0044),
        _storage(sku, f"{redundancy} List and Create Container Operations", write),
        _storage(sku, f"{sku} Blob Inventory", 0.0028, "1M"),
    )


STORAGE_ITEMS = (
    _stored("Hot LRS", 0.0188, tierMinimumUnits=51200.0),
    _stored("Hot LRS", 0.0196),
    _stored("Hot LRS", 0.018, tierMinimumUnits=512000.0),
    _stored("Hot LRS", 0.0287, productName="Files v2"),
    _stored("Hot LRS", 0.0196, productName="Blob Storage"),
    _stored("Hot LRS", 99.0, effectiveStartDate="2999-01-01T00:00:00Z"),
    _stored("Hot LRS", 0.02, armRegionName="eastus"),
    *_operations("LRS", 0.054, "Hot Read Operations"),
    _stored("Hot ZRS", 0.0245),
    *_operations("ZRS", 0.0675, "Hot ZRS Read Operations"),
    _stored("Hot GRS", 0.0392),
    *_operations("GRS", 0.108, "Hot Read Operations"),
    _stored("Hot RA-GRS", 0.049),  # its operations have the meters of GRS
    _stored("Hot GZRS", 0.0441),
    *_operations("GZRS", 0.122, "Hot ZRS Read Operations"),
    _stored("Hot RA-GZRS", 0.0551),
    _stored("Cool LRS", 0.01),
    _storage("Cool LRS", "Cool LRS Write Operations", 0.1),
    _storage("Cool LRS", "Cool Read Operations", 0.01),
    _storage("Cool LRS", "All Other Operations", 0.0044),
    _storage("Cool LRS", "Cool Data Retrieval", 0.01, "1 GB"),
)
"""Blob storage, with the same meters of other products and days; the names are the real list's."""
ITEMS = (
    _vm("D2ads v5", 0.124),
    _vm("D2ads v5 Spot", 0.0248),
    _vm("D2ads v5 Low Priority", 0.031),
    _vm("D2ads v5", 0.216, productName="Virtual Machines Dadsv5 Series Windows"),
    _vm("D2ads v5 Spot", 0.0432, productName="Virtual Machines Dadsv5 Series Windows"),
    _vm("D2ads v5", 0.3, productName="Dadsv5 Series Cloud Services"),
    _vm("D2ads v5", 700.0, type="Reservation", unitOfMeasure="1 Hour", reservationTerm="1 Year"),
    _vm("D2ads v5", 9.0, effectiveStartDate="2999-01-01T00:00:00Z"),
    _vm("D2ads v5", 0.1, armRegionName="eastus"),
    _traffic(0.0, 0.0),
    _traffic(100.0, 0.08),
    _traffic(10335.0, 0.065),
    _traffic(100.0, 0.05, productName="Rtn Preference: Routing Internet"),
    *STORAGE_ITEMS,
)
"""A size with what else the list has of it."""


class BadFilterError(ValueError):
    """The real service answers it with 400."""


@dataclass
class PriceService:
    """What it answers next, and what it was asked."""

    port: int = 0
    items: tuple[dict[str, Any], ...] = ITEMS
    page: int = 3
    """Items a page; the real one has 1,000."""
    errors: list[int | bytes | float] = field(default_factory=list)
    """What comes instead of the next answers: a status, a body, or seconds of silence."""
    asked: list[str] = field(default_factory=list)
    links_to: str = ""
    """Where its next pages are, if not here."""

    @property
    def address(self) -> str:
        """For `RUNNER_PRICES_URL`."""
        return f"http://127.0.0.1:{self.port}{_PATH}"

    def answer(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """The page that *query* asks for."""
        wanted = [_condition(part) for part in query["$filter"][0].split(" and ")]
        currency = query.get("currencyCode", ["'USD'"])[0].strip("'")
        rate = {"USD": 1.0, "EUR": _EURO}[currency]
        found = [item for item in self.items if all(_matches(item, *one) for one in wanted)]
        first = int(query.get("$skip", ["0"])[0])
        shown = [
            {**item, "retailPrice": item["retailPrice"] * rate, "currencyCode": currency}
            for item in found[first : first + self.page]
        ]
        end = first + self.page
        rest = {name: values[0] for name, values in query.items()} | {"$skip": str(end)}
        link = f"{self.links_to or self.address}?{urlencode(rest)}" if end < len(found) else None
        return {
            "BillingCurrency": currency,
            "CustomerEntityId": "Default",
            "CustomerEntityType": "Retail",
            "Items": shown,
            "NextPageLink": link,
            "Count": len(shown),
        }


def _condition(part: str) -> tuple[str, str]:
    """A property and its value; anything else would be refused, or a property that it cannot filter by."""
    found = re.fullmatch(r"(\w+) eq '((?:[^']|'')*)'", part)
    if found is None or found[1] not in _FILTERS:
        raise BadFilterError(part)
    return found[1], found[2]


def _matches(item: dict[str, Any], name: str, value: str) -> bool:
    name = "type" if name == "priceType" else name
    return bool(item.get(name) == value.replace("''", "'"))


@contextmanager
def price_service() -> Iterator[PriceService]:
    """A price list on a port of this machine."""
    service = PriceService()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            service.asked.append(self.path)
            error = service.errors.pop(0) if service.errors else None
            if isinstance(error, float):
                time.sleep(error)
            status = error if isinstance(error, int) else 200
            body = error if isinstance(error, bytes) else b""
            if error is None:
                query = parse_qs(urlsplit(self.path).query)
                try:
                    body = json.dumps(service.answer(query)).encode()
                except BadFilterError:
                    status = 400
            self.send_response(status)
            if status == 429:
                self.send_header("Retry-After", "0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
