"""A run with a cost limit: refused before it starts, ended at the limit, and continued with a higher one."""

import json
import re
import signal
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.azure.conftest import Gate, MakeCloud, on_cloud
from tests.azure.media_store import media_store
from tests.conftest import Run, names, posix_only, until
from tests.media import Media
from tests.price_service import price_service


@pytest.fixture
def six(media: Media, tmp_path: Path) -> Path:
    media.put("8-bit.wav", *(tmp_path / "in" / f"{number}.wav" for number in range(6)))
    return tmp_path / "in"


def test_a_run_ends_at_its_limit_keeps_what_was_paid_and_goes_on_at_a_higher_one(
    run: Run,
    make_cloud: MakeCloud,
    gate: Gate,
    six: Path,
    destination: Path,
) -> None:
    # an hour of the service is a second here: the run costs far more than was to be expected
    cloud = make_cloud(speed=3600.0, ffmpeg=gate.program)
    here = on_cloud(run, cloud)
    words = ("convert", "in", "--where", "azure", "--price-per-hour", "1")
    first = here.start(*words, "--max-cost", "3")
    until(lambda: gate.waiting == 2)
    until(lambda: cloud.calls("disable_job") > 0)
    gate.open()
    _, said = first.communicate(timeout=60)
    assert first.returncode == 8, said
    assert "stopped at --max-cost 3 USD with 4 of 6 files left (1 node, " in said
    assert len(names(destination)) == 2
    (run_id,) = cloud.jobs()
    assert cloud.jobs() == {run_id: "completed"}
    status = here("status").stdout
    assert re.search(r"  2 converted in \S+ s; stopped at --max-cost\n", status), status
    assert "nothing is running: the run reached its cost limit; the same command with" in status
    again = here(*words, "--max-cost", "1000000")
    assert again.exit_code == 0, again.stderr
    assert len(names(destination)) == 6
    assert f"run {run_id}" in again.stderr  # it is the same run, in another job
    assert set(cloud.attempts().values()) <= {1, 2}
    _holds_by_hand(destination, again.stderr)
    # what the first command had uploaded for files that only the second one converted counts too
    used = json.loads(here("status", "--json").stdout)["azure"]
    assert used["bytes_up"] == sum(path.stat().st_size for path in six.iterdir())


@posix_only
def test_ctrl_c_while_a_run_ends_at_its_limit_leaves_it_to_go_on_later(
    run: Run,
    make_cloud: MakeCloud,
    gate: Gate,
    six: Path,
    destination: Path,
) -> None:
    cloud = make_cloud(speed=3600.0, ffmpeg=gate.program)
    here = on_cloud(run, cloud)
    words = ("convert", "in", "--where", "azure", "--price-per-hour", "1")
    first = here.start(*words, "--max-cost", "3")
    until(lambda: cloud.calls("disable_job") > 0)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=60)
    assert first.returncode == 130, said
    (run_id,) = cloud.jobs()
    assert f"runner attach {run_id}" in said, "what runs on is said"
    gate.open()
    again = here(*words, "--max-cost", "1000000")
    assert again.exit_code == 0, again.stderr
    assert f"run {run_id}" in again.stderr
    assert len(names(destination)) == 6


def _holds_by_hand(destination: Path, said: str) -> None:
    """The cost that was told adds up from what is written down."""
    with closing(sqlite3.connect(destination / ".runner" / "ledger.sqlite")) as db:
        (hours,) = db.execute("SELECT sum(until - since) / 3600 FROM node_uses").fetchone()
        ((prices,),) = db.execute("SELECT prices FROM runs").fetchall()
    assert json.loads(prices)["spot"] == 1.0
    assert hours > 3  # two commands watched the same node, and each wrote down its own time


@pytest.mark.parametrize(
    ("limit", "error"),
    [
        ("0.001", ": more than --max-cost 0.001 USD; nothing was started"),
        ("1000", ""),
    ],
)
def test_a_run_that_is_estimated_to_cost_more_is_not_begun(
    run: Run, make_cloud: MakeCloud, one: Path, limit: str, error: str
) -> None:
    cloud = make_cloud()
    with price_service() as service:
        result = on_cloud(run, cloud)(
            "convert", one, "--max-cost", limit, RUNNER_PRICES_URL=service.address
        )
    assert result.exit_code == (8 if error else 0), result.stderr
    assert bool(cloud.jobs()) is not bool(error)
    if error:
        assert result.error.startswith("the run would cost about ")
        assert result.error.endswith(error)


def test_without_a_price_there_is_no_limit_to_hold(
    run: Run, make_cloud: MakeCloud, one: Path
) -> None:
    cloud = make_cloud()
    result = on_cloud(run, cloud)("convert", one, "--max-cost", "5", RUNNER_PRICES_URL="off")
    assert result.exit_code == 4
    assert "--max-cost needs a price: the price is unknown" in result.error
    assert cloud.jobs() == {}


def test_a_plan_for_azure_says_time_and_cost_and_that_a_price_is_unknown(
    run: Run, make_cloud: MakeCloud, one: Path
) -> None:
    here = on_cloud(run, make_cloud())
    with price_service() as service:
        known = json.loads(here("plan", one, "--json", RUNNER_PRICES_URL=service.address).stdout)
        words = ("plan", one, "--max-cost", "0.001")
        *said, over = here(*words, RUNNER_PRICES_URL=service.address).stderr.splitlines()
        own = here("plan", one, "--price-per-hour", "1").stderr
    assert re.fullmatch(
        r"  including under 0.0001 USD for storage \(Hot LRS\), where \S+ \wB stays until "
        r"`runner clean` at under 0.0001 USD a month",
        said[3],
    )
    assert "  without storage and the download, whose prices are unknown\n" in own
    assert re.fullmatch(
        r"Azure would cost up to 0.\d+ USD, more than --max-cost 0.001 USD: `convert` would not start",
        over,
    )
    azure = known["azure"]
    # by hand: what the nodes are there for, at the higher price, as the kind is not known
    storage = azure["storage"]
    assert azure["cost"] == pytest.approx(
        azure["node_hours"] * 0.124 + azure["bytes_down"] / 1e9 * 0.08 + storage["cost"], rel=0.01
    )
    assert (storage["sku"], storage["operations"]) == (
        "Hot LRS",
        6 + 9,
    )  # of the run, and of a file
    assert storage["cost"] == pytest.approx((8 * 0.054 + 7 * 0.0043) / 10_000, rel=0.05)
    assert storage["bytes_stay"] == azure["bytes_down"]
    assert storage["cost_a_month"] == pytest.approx(azure["bytes_down"] / 1e9 * 0.0196, rel=1e-3)
    assert azure["prices"].startswith("Azure's public prices of ")
    unknown = here("plan", one, RUNNER_PRICES_URL="off").stderr
    assert "the price is unknown: RUNNER_PRICES_URL is off" in unknown
    assert "upload at 20 Mbit/s, a guess: give --uplink" in unknown


def test_nobody_counts_for_a_run_that_is_left_alone(
    run: Run, make_cloud: MakeCloud, one: Path
) -> None:
    result = on_cloud(run, make_cloud())("convert", one, "--max-cost", "5", "--detach")
    assert result.exit_code == 2
    assert result.error == "--max-cost works only while runner watches the run: leave out --detach"


def test_media_that_are_in_storage_have_an_estimate_and_a_limit_too(
    run: Run, make_cloud: MakeCloud, media: Media
) -> None:
    with price_service() as service, media_store(make_cloud()) as store:
        for name in ("clip.mp4", "clip.mov", "clip.wav"):
            store.put(f"{name[5:]}/{name}", media(name))
        known = {"RUNNER_PRICES_URL": service.address}
        here = on_cloud(run, store.cloud)
        here = replace(here, environment={**here.environment, **known})
        source = f"az://{store.name}"
        dry = here("convert", source, "--dry-run")
        assert "3 files" in dry.stderr
        assert ", 6.0 s of media" in dry.stderr, dry.stderr
        plan = json.loads(here("plan", source, "--json").stdout)
        assert plan["looked_at"] == 3
        assert plan["media_seconds"] == pytest.approx(6, abs=0.5)
        assert plan["here"]["seconds"] > 0
        assert plan["azure"]["cost"] > 0
        assert plan["azure"]["bytes_up"] == 0
        refused = here("convert", source, "--max-cost", "0.000001")
        assert refused.exit_code == 8, refused.stderr
        assert not store.cloud.jobs()
        done = here("convert", source, "--max-cost", "1000")
        assert done.exit_code == 0, done.stderr
