"""Moments and durations are written as the service was recorded to write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emulator.clock import Clock
from tests.emulator.times import (
    EPOCH,
    SECOND,
    duration,
    etag,
    parse_duration,
    parse_timestamp,
    timestamp,
)


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("2022-09-06T23:44:11.5153711Z", "0x8DA9061B2F7BB2F"),
        ("2022-09-06T23:45:28.2185577Z", "0x8DA9061E0AFB569"),
        ("2022-09-06T23:45:29.9954813Z", "0x8DA9061E1BED87D"),
    ],
)
def test_an_etag_is_the_recorded_one(text: str, tag: str) -> None:
    assert etag(parse_timestamp(text)) == tag
    assert timestamp(parse_timestamp(text)) == text


@pytest.mark.parametrize(
    ("text", "seconds", "written"),
    [
        ("PT15M00S", 900, "PT15M"),
        ("P1DT02H00M01.5S", 93_601.5, "P1DT2H1.5S"),
        ("PT360S", 360, "PT6M"),
        ("P7D", 604_800, "P7D"),
        ("PT0S", 0, "PT0S"),
        ("P10675199DT2H48M5.4775807S", float("inf"), "P10675199DT2H48M5.4775807S"),
    ],
)
def test_durations_are_read_and_normalised(text: str, seconds: float, written: str) -> None:
    assert parse_duration(text) == seconds
    assert duration(seconds) == written


@pytest.mark.parametrize("text", ["", "P", "PT", "1h", "15M", "P1H"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@given(st.integers(EPOCH, EPOCH + 10**18))
def test_a_moment_survives_being_written(ticks: int) -> None:
    assert parse_timestamp(timestamp(ticks)) == ticks


def test_a_step_does_what_is_due_at_its_own_time() -> None:
    clock = Clock(speed=0)
    start, seen = clock.now(), []

    def tick() -> None:
        seen.append((clock.now() - start) / SECOND)
        if len(seen) < 3:
            clock.after(10, tick)

    clock.after(10, tick)
    clock.after(15, lambda: seen.append(-1)).cancel()
    clock.step(25)
    assert seen == [10, 20]
    assert clock.now() == start + 25 * SECOND


def test_no_two_stamps_are_equal() -> None:
    clock = Clock(speed=0)
    assert len({clock.stamp() for _ in range(100)}) == 100
