"""The report as a browser has it: its table is sorted and filtered by clicks, and it complains of nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from runner.followup import FollowUp
from runner.models import State
from runner.records import AttemptRecord
from runner.run_report.facts import RunFacts
from runner.run_report.page import Destination, render
from tests.browser import PROGRAM, Page, browser
from tests.runner.test_run_report import FACTS, RUN, attempt, hostile_facts

pytestmark = [
    pytest.mark.needs_services,
    pytest.mark.skipif(not PROGRAM, reason="no Chromium here; .ci/run installs one"),
]
AXE = Path(__file__).parents[1] / "azurite/node_modules/axe-core/axe.min.js"
"""https://github.com/dequelabs/axe-core"""
_ROWS = "Array.from(document.querySelectorAll('#table tbody tr')).filter((row) => !row.hidden)"
_NAMES = f"{_ROWS}.map((row) => row.cells[0].textContent)"
_HEAD = (
    "Array.from(document.querySelectorAll('#table th button')).find((b) => b.textContent === '{}')"
)


async def _read_without_scripts(page: Page, address: str) -> None:
    await page.call("Emulation.setScriptExecutionDisabled", value=True)
    await page.open(address)
    # everything is there, and nothing that would not work
    assert await page.tell(_NAMES) == ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]
    assert await page.tell("document.querySelector('#table tbody tr').checkVisibility()") is True
    assert await page.tell("document.querySelectorAll('button').length") == 0
    assert await page.tell("document.getElementById('filter').checkVisibility()") is False
    await page.call("Emulation.setScriptExecutionDisabled", value=False)


async def _look(page: Page, address: str) -> None:
    await _read_without_scripts(page, address)
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
    await page.show_as(width=360, scheme="light")
    assert await page.tell("document.documentElement.scrollWidth") <= 360
    assert page.complaints == []


def visit(folder: Path, look: Callable[[Page], Awaitable[None]]) -> None:
    """Have a browser whose files are in *folder*, and *look* at its page."""

    async def go() -> None:
        async with browser(folder / "profile") as page:
            await look(page)

    # in a thread of its own: it leaves this one without the event loop that Pulumi's mocks look for
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, go()).result()


def written(folder: Path, facts: RunFacts) -> str:
    """The address of the report on *facts*."""
    file = folder / "report.html"
    file.write_text(render(facts, Destination(folder, FollowUp()), datetime.now(UTC)), "utf-8")
    return file.as_uri()


def test_the_table_is_sorted_and_filtered_by_clicks_and_nothing_is_complained_of(
    tmp_path: Path,
) -> None:
    address = written(tmp_path, FACTS)
    visit(tmp_path, lambda page: _look(page, address))


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not here; make .venv/azurite fetches it")
def test_axe_finds_nothing_on_any_screen(tmp_path: Path) -> None:
    pages = {
        "some of all": FACTS,
        "failures alone": RunFacts(RUN, _failures(12)),
        "nothing": RunFacts(replace(RUN, files=0, converted=0, up_to_date=0, failed=0), ()),
        "harmful names": RunFacts(RUN, tuple(hostile_facts())),
    }
    found: dict[str, Any] = {}

    async def look(page: Page) -> None:
        for name, facts in pages.items():
            address = written(tmp_path, facts)
            for width, scheme in product((1200, 360), ("light", "dark")):
                await page.show_as(width=width, scheme=scheme)
                await page.open(address)
                found[f"{name}, {width} wide, {scheme}"] = await _violations(page)
        # and it does look: here is a picture that nobody can hear of
        await page.tell("document.querySelector('svg, main').innerHTML = '<img src>'; 0")
        found["broken"] = await _violations(page)
        assert page.complaints == []

    visit(tmp_path, look)
    assert found.pop("broken") == ['image-alt: <img src="">']
    assert len(found) == 16
    assert {name: said for name, said in found.items() if said} == {}


def _failures(count: int) -> tuple[AttemptRecord, ...]:
    """So many alike, more than are shown at once, and one of another kind."""
    alike = (
        attempt(
            f"film {n}", State.FAILED, n, 1, kind="input", message=f"{n} s are missing", log="log"
        )
        for n in range(count)
    )
    return (*alike, attempt("d", State.FAILED, 60, 10, number=2))


async def _violations(page: Page) -> list[str]:
    """What axe has against the page."""
    await page.tell(f"{AXE.read_text(encoding='utf-8')}; 0")
    found: list[str] = await page.tell(
        "axe.run().then((all) => all.violations.flatMap("
        "(one) => one.nodes.map((node) => `${one.id}: ${node.html}`)))"
    )
    return found
