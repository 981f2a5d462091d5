"""The report as a browser has it: its table is sorted and filtered by clicks, and it complains of nothing."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runner.followup import FollowUp
from runner.run_report.page import Destination, render
from tests.browser import PROGRAM, Page, browser
from tests.runner.test_run_report import FACTS

pytestmark = [
    pytest.mark.needs_services,
    pytest.mark.skipif(not PROGRAM, reason="no Chromium here; .ci/run installs one"),
]
_ROWS = "Array.from(document.querySelectorAll('#table tbody tr')).filter((row) => !row.hidden)"
_NAMES = f"{_ROWS}.map((row) => row.cells[0].textContent)"
_HEAD = (
    "Array.from(document.querySelectorAll('#table th button')).find((b) => b.textContent === '{}')"
)


async def _look(page: Page, address: str) -> None:
    await page.open(address)
    assert await page.tell(_NAMES) == ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]
    by_size = _HEAD.format("Result size")
    await page.click(by_size)
    assert await page.tell(_NAMES) == ["d.mp4", "b.mp4", "a.mp4", "c.mp4"]
    await page.click(by_size)
    assert await page.tell(_NAMES) == ["c.mp4", "a.mp4", "b.mp4", "d.mp4"]
    assert await page.tell(f"{by_size}.closest('th').ariaSort") == "descending"
    await page.click("document.getElementById('filter')")
    await page.type("FAILED")
    assert await page.tell(_NAMES) == ["d.mp4"]
    assert await page.tell("document.getElementById('shown').textContent") == "1 of 4"
    # nothing is wider than a phone's screen but what scrolls by itself
    await page.call(
        "Emulation.setDeviceMetricsOverride",
        width=360,
        height=800,
        deviceScaleFactor=1,
        mobile=True,
    )
    assert await page.tell("document.documentElement.scrollWidth") <= 360
    assert page.complaints == []


def test_the_table_is_sorted_and_filtered_by_clicks_and_nothing_is_complained_of(
    tmp_path: Path,
) -> None:
    file = tmp_path / "report.html"
    where = Destination(tmp_path, FollowUp())
    file.write_text(render(FACTS, where, datetime.now(UTC)), encoding="utf-8")

    async def visit() -> None:
        async with browser(tmp_path / "profile") as page:
            await _look(page, file.as_uri())

    # in a thread of its own: it leaves this one without the event loop that Pulumi's mocks look for
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, visit()).result()
