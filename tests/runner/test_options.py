"""A run's options are stored with it, and later commands go on with them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from runner.ledger import Ledger
from runner.options import RunOptions
from tests.conftest import Run
from tests.media import Media
from tests.runner.old_ledgers import write_as_of
from tests.stand_in import MakeStandIn, StandIn

OTHERS = RunOptions(
    overwrite="if-newer",
    verify="none",
    retries=0,
    timeout=1.5,
    fail_fast=1,
    upload="whole",
    transfers=9,
    keep=True,
    keep_times=True,
    max_cost=2.5,
    price_per_hour=0.1,
    currency="EUR",
)


def test_options_come_back_as_they_were() -> None:
    assert RunOptions.from_json(OTHERS.as_json()) == OTHERS
    assert RunOptions.from_json("{}") == RunOptions()
    assert RunOptions.from_json('{"unheard of": 1}') == RunOptions()


@pytest.mark.parametrize(
    "text",
    [
        *("", "7", "[1]", '["ab", "cd"]', "nonsense"),
        *('{"overwrite": "Always"}', '{"overwrite": []}', '{"verify": null}', '{"upload": 1}'),
        *('{"retries": -1}', '{"retries": true}', '{"retries": 1.0}', '{"retries": "2"}'),
        *('{"timeout": 0}', '{"timeout": NaN}', '{"timeout": Infinity}', '{"timeout": "auto"}'),
        *('{"timeout": true}', '{"transfers": 0}', '{"transfers": 65}', '{"transfers": null}'),
        *(
            '{"keep": 1}',
            '{"keep_times": 1}',
            '{"keep": null}',
            '{"fail_fast": 0}',
            '{"fail_fast": "1"}',
            '{"max_cost": -1}',
            '{"price_per_hour": true}',
            '{"currency": "\\u001b[2"}',
        ),
    ],
)
def test_what_no_option_can_be_is_refused(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        RunOptions.from_json(text)


def test_sources_do_not_stay_in_storage_unless_asked() -> None:
    assert not RunOptions().keep


def test_a_flag_is_not_a_number() -> None:
    with pytest.raises(ValueError, match="retries cannot be True"):
        RunOptions(retries=True)


@pytest.fixture
def failed(run: Run, media: Media, tmp_path: Path, stand_in: MakeStandIn) -> Callable[..., StandIn]:
    """Make a run fail with its one file, over a target that is there; returns that ffmpeg."""

    def fail(*arguments: object) -> StandIn:
        media.put("clip.mp3", tmp_path / "in" / "a.mp3")
        media.put("talk.mp3", tmp_path / "out" / "a.wav")
        broken = stand_in("say('[mp3 @ 0x1] [error] out of luck'); end_abruptly()")
        result = run("convert", "in/a.mp3", "--to", "wav", "--ffmpeg", broken.path, *arguments)
        assert result.exit_code == 1, result.stderr
        return broken

    return fail


def test_retry_uses_the_options_of_its_run(run: Run, failed: Callable[..., StandIn]) -> None:
    broken = failed("--overwrite", "always", "--retries", "0")
    starts = len(broken.starts)
    assert run("retry", "--ffmpeg", broken.path).exit_code == 1
    assert len(broken.starts) == 2 * starts, "no further attempts, as in the run"
    result = run("retry")
    assert result.exit_code == 0, result.stderr
    assert run("convert", "in/a.mp3", "--to", "wav").exit_code == 0


def test_what_is_typed_wins_over_what_is_stored_and_is_stored_in_its_turn(
    run: Run, failed: Callable[..., StandIn], destination: Path
) -> None:
    failed("--overwrite", "always", "--retries", "0", "--fail-fast", "1")
    kept = run("retry", "--overwrite", "never", "--verify", "decode", RUNNER_RETRIES="7")
    assert "not replaced" in kept.failures[0]
    assert "not replaced" in run("retry").failures[0]
    with Ledger.read(destination) as ledger:
        found = {run.options for run in ledger.runs.all()[:2]}
    assert found == {RunOptions(overwrite="never", verify="decode", retries=0)}
    assert run("retry", "--overwrite", "always").exit_code == 0


def test_a_ledger_from_before_there_were_options_is_read(
    run: Run, failed: Callable[..., StandIn], destination: Path
) -> None:
    failed("--overwrite", "always", "--retries", "0")
    write_as_of(1, destination / ".runner" / "ledger.sqlite")
    assert "a.mp3  transient" in run("status").stdout
    assert run("retry", "--overwrite", "always").exit_code == 0
