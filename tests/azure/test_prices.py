"""Azure's price list: which of its many prices is the node's, and what happens when it misbehaves."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.azure.price_list import PriceList, PriceUnknownError
from runner.media.strict import UnreadableError
from runner.prices import Prices, StoragePrices, money_text
from tests.price_service import ITEMS, VM, PriceService, price_service

DAY = 24 * 3600.0
NOW = 1_800_000_000.0
HOT_LRS = StoragePrices(
    sku="Hot LRS",
    gigabyte_month=0.0196,
    writes=0.054,
    reads=0.0043,
    others=0.0044,
    soft_delete_days=7,
)


@pytest.fixture
def service() -> Iterator[PriceService]:
    with price_service() as service:
        yield service


@pytest.fixture
def listed(service: PriceService, tmp_path: Path) -> PriceList:
    return PriceList(
        vm_size=VM,
        region="westeurope",
        currency="USD",
        storage="Hot LRS",
        soft_delete_days=7,
        address=service.address,
        cache=tmp_path / "cache" / "prices.json",
        timeout=0.4,
    )


def _with(listed: PriceList, **facts: Any) -> PriceList:
    known = {name: getattr(listed, name) for name in listed.__dataclass_fields__}
    return PriceList(**{**known, **facts})


def test_of_all_its_prices_those_of_a_linux_node_count_page_by_page(
    listed: PriceList, service: PriceService
) -> None:
    assert listed.prices(NOW) == Prices(
        currency="USD",
        spot=0.0248,
        dedicated=0.124,
        egress=0.08,
        storage=HOT_LRS,
        origin="Azure's public prices of 2027-01-15",
    )
    assert len(service.asked) > 2  # pages


@pytest.mark.parametrize(
    ("sku", "gigabyte_month", "writes"),
    [
        ("Hot LRS", 0.0196, 0.054),
        ("Hot ZRS", 0.0245, 0.0675),
        ("Hot GRS", 0.0392, 0.108),
        ("Hot RA-GRS", 0.049, 0.108),
        ("Hot GZRS", 0.0441, 0.122),
        ("Hot RA-GZRS", 0.0551, 0.122),
    ],
)
def test_storage_has_the_price_of_its_redundancy_in_the_first_tier(
    listed: PriceList, sku: str, gigabyte_month: float, writes: float
) -> None:
    found = _with(listed, storage=sku, soft_delete_days=None).prices(NOW).storage
    expected = replace(HOT_LRS, sku=sku, gigabyte_month=gigabyte_month, writes=writes)
    assert found == replace(expected, soft_delete_days=None)


@pytest.mark.parametrize("sku", ["", "Cool LRS", "Hot .*", "Hot (", "Hot", "Premium LRS"])
def test_storage_of_an_unknown_or_dearer_kind_has_no_price(listed: PriceList, sku: str) -> None:
    found = _with(listed, storage=sku).prices(NOW)
    assert (found.storage, found.dedicated) == (None, 0.124)


@pytest.mark.parametrize("meter", ["Data Stored", "Write", "Hot Read", "All Other"])
def test_without_one_of_its_meters_storage_has_no_price(
    listed: PriceList, service: PriceService, meter: str
) -> None:
    service.items = tuple(item for item in ITEMS if meter not in item["meterName"])
    assert listed.prices(NOW).storage is None


def test_low_priority_counts_where_there_is_no_spot(
    listed: PriceList, service: PriceService
) -> None:
    service.items = tuple(item for item in ITEMS if not item["skuName"].endswith("Spot"))
    assert listed.prices(NOW).spot == 0.031


def test_another_currency_is_asked_for(listed: PriceList) -> None:
    euro = _with(listed, currency="EUR").prices(NOW)
    assert euro.currency == "EUR"
    assert euro.dedicated == pytest.approx(0.124 * 0.86)


def test_a_region_may_be_written_as_people_do(listed: PriceList) -> None:
    assert _with(listed, region="West Europe").prices(NOW).dedicated == 0.124


@pytest.mark.parametrize("error", [429, 500, 503, 0.8], ids=str)
def test_a_temporary_error_is_asked_through(
    listed: PriceList, service: PriceService, error: float
) -> None:
    service.errors = [error]
    assert listed.prices(NOW).spot == 0.0248


@pytest.mark.parametrize(
    "errors",
    [
        pytest.param([500] * 9, id="500 for good"),
        pytest.param([404], id="404"),
        pytest.param([301], id="a redirect"),
        pytest.param([b"<html>"], id="a page of a proxy"),
        pytest.param([b"[]"], id="another JSON"),
        pytest.param([b'{"Items": 1}'], id="no list"),
        pytest.param([b'{"Items": [{"retailPrice": NaN}]}'], id="no number"),
        pytest.param([b"[" * 100_000], id="nested"),
        pytest.param([b'{"Items": [], "NextPageLink": "http://elsewhere/"}'], id="other host"),
        pytest.param([b'{"Items": []}'], id="an unknown size"),
    ],
)
def test_without_prices_the_price_is_unknown_and_nothing_is_kept(
    listed: PriceList, service: PriceService, errors: list[int | bytes | float]
) -> None:
    service.errors = errors
    with pytest.raises(PriceUnknownError, match="the price is unknown"):
        listed.prices(NOW)
    assert not listed.cache.exists()


@pytest.mark.parametrize("price", [-1, "0.1", None, True, 1e300], ids=str)
def test_an_item_without_a_sensible_price_does_not_count(
    listed: PriceList, service: PriceService, price: object
) -> None:
    items = [{**ITEMS[0], "skuName": "D2ads v5 Spot"}, {**ITEMS[0], "retailPrice": price}]
    service.errors = [json.dumps({"Items": items}).encode()]
    found = listed.prices(NOW)
    assert (found.spot, found.dedicated) == (0.124, None)


def test_pages_without_an_end_are_left(listed: PriceList, service: PriceService) -> None:
    page = {"Items": [], "NextPageLink": f"{service.address}?$skip=1"}
    service.errors = [json.dumps(page).encode()] * 30
    with pytest.raises(PriceUnknownError, match="does not end"):
        listed.prices(NOW)


def test_prices_are_asked_for_once_a_day(listed: PriceList, service: PriceService) -> None:
    first = listed.prices(NOW)
    service.asked.clear()
    assert listed.prices(NOW + DAY - 1) == first
    assert service.asked == []
    assert listed.prices(NOW + DAY).origin.endswith("2027-01-16")


def test_offline_those_of_the_last_weeks_stand_in_with_their_date(
    listed: PriceList, service: PriceService
) -> None:
    listed.prices(NOW)
    service.errors = [404, 404]
    assert listed.prices(NOW + 20 * DAY).origin.endswith("2027-01-15")
    with pytest.raises(PriceUnknownError):
        listed.prices(NOW + 31 * DAY)


def test_offline_without_any_the_price_is_unknown(listed: PriceList) -> None:
    nobody = _with(listed, address="http://127.0.0.1:1/api/retail/prices")
    with pytest.raises(PriceUnknownError, match="did not answer"):
        nobody.prices(NOW)


def test_nobody_is_asked_when_it_is_off(listed: PriceList, service: PriceService) -> None:
    with pytest.raises(PriceUnknownError, match="RUNNER_PRICES_URL is off"):
        _with(listed, address="off").prices(NOW)
    assert service.asked == []


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"x": 1}', b'{"x": [1, "{}"]}', b"\xff\xfe"], ids=str
)
def test_a_damaged_cache_is_replaced(listed: PriceList, content: bytes) -> None:
    listed.cache.parent.mkdir()
    listed.cache.write_bytes(content)
    assert listed.prices(NOW).spot == 0.0248
    assert listed.prices(NOW).spot == 0.0248


def test_a_cache_that_cannot_be_written_costs_nothing(listed: PriceList) -> None:
    listed.cache.parent.write_text("in the way")
    assert listed.prices(NOW).spot == 0.0248


@pytest.mark.parametrize(
    "text",
    [
        '{"storage": {"sku": "Hot LRS"}}',
        '{"storage": {"sku": "", "gigabyte_month": -1, "writes": 0, "reads": 0, "others": 0}}',
        '{"currency": "US\\u001b"}',
        '{"spot": -1}',
        '{"spot": 1e99}',
        '{"spot": "1"}',
        "[]",
    ],
)
def test_stored_prices_are_read_strictly(text: str) -> None:
    with pytest.raises(UnreadableError):
        Prices.from_json(text)


def test_stored_prices_come_back() -> None:
    prices = Prices(spot=0.1, origin="--price-per-hour")
    for each in (prices, replace(prices, storage=HOT_LRS)):
        assert Prices.from_json(each.as_json()) == each


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0, "0.00 USD"), (12.345, "12.35 USD"), (0.034, "0.034 USD"), (1e-6, "under 0.0001 USD")],
)
def test_small_amounts_are_not_shown_as_nothing(amount: float, shown: str) -> None:
    assert money_text(amount, "USD") == shown
