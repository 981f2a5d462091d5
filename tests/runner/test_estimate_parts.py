"""The arithmetic of estimates, to the second: what runs are simulated by, and what speeds are taken for."""

from dataclasses import replace

import pytest

from runner.estimate.model import AssumedPipeline, SimulatedRun, SimulatedTask, simulate, time_here
from runner.estimate.speeds import Speed, Speeds, fit
from tests.runner.test_estimates import look, timing

LINE = AssumedPipeline(
    uplink=100, downlink=10, start=7, nodes=3, slots=2, first_poll=4, longest_poll=20
)
# each: a second up, two seconds of work, half a second down
JOB = SimulatedTask(sent=100, seconds=2, result=5)


@pytest.mark.parametrize(
    ("times", "workers", "seconds"),
    [([], 2, 0), ([3], 2, 3), ([3, 1, 1, 1], 2, 3), ([3, 2, 2], 1, 7), ([3, 2], 0, 5)],
)
def test_here_a_run_ends_with_the_last_worker(
    times: list[float], workers: int, seconds: float
) -> None:
    assert time_here(times, workers) == seconds


@pytest.mark.parametrize(
    ("jobs", "line", "expected"),
    [
        # nothing: half of the first wait for an answer
        ([], LINE, SimulatedRun(2, 0, 0, 0, 2)),
        # up 1, nodes start 7, work 2, down 0.5, and half of 4
        ([JOB], LINE, SimulatedRun(12.5, 1, 8, 10, 1 * 4.5)),
        ([JOB], replace(LINE, overhead=3), SimulatedRun(15.5, 1, 8, 10, 7.5)),
        # the third has no place on the only node before the first is done
        ([JOB] * 3, replace(LINE, nodes=1), SimulatedRun(14.5, 3, 8, 12, 1 * 6.5)),
        # three need two nodes, and all arrive one after the other
        ([JOB] * 3, LINE, SimulatedRun(13.5, 3, 8, 10, 2 * 5.5)),
        # the tenth is sent when nodes have long been free
        ([JOB] * 10, replace(LINE, start=0), SimulatedRun(14.5, 10, 1, 12, 3 * 13.5)),
        # the one that ends first is fetched first
        ([replace(JOB, seconds=9), JOB], LINE, SimulatedRun(19.5, 2, 8, 17, 11.5)),
        # a result that arrives late counts, not the last end
        ([replace(JOB, result=50), JOB], LINE, SimulatedRun(17.5, 2, 8, 10, 9.5)),
        # the longer a run, the more seldom it is looked at, up to a bound
        ([replace(JOB, seconds=192)], LINE, SimulatedRun(205.5, 1, 8, 200, 197.5)),
        ([replace(JOB, seconds=992)], LINE, SimulatedRun(1010.5, 1, 8, 1000, 1002.5)),
    ],
)
def test_a_run_on_azure_is_simulated_step_by_step(
    jobs: list[SimulatedTask], line: AssumedPipeline, expected: SimulatedRun
) -> None:
    assert simulate(jobs, line) == expected


@pytest.mark.parametrize(
    ("timings", "expected"),
    [
        # of nearly one length, nothing tells what a file costs besides
        ([(10, 2), (15, 4)], Speed(0.0, 6 / 25, 100)),
        ([(10, 2), (15.1, 2)], Speed(2, 0.0, 100)),
        ([(10, 3), (20, 5)], Speed(1, 0.2, 100)),
        ([(10, 1), (20, 3)], Speed(0.0, 4 / 30, 100)),  # the line would begin below zero
    ],
)
def test_a_line_is_laid_through_what_files_took(
    timings: list[tuple[float, float]], expected: Speed
) -> None:
    speed = fit([timing(*each) for each in timings])
    assert (speed.fixed, speed.per_second, speed.result_rate) == pytest.approx(
        (expected.fixed, expected.per_second, expected.result_rate)
    )


@pytest.mark.parametrize(
    ("rates", "taken"),
    [
        ([1000, 1500, 667, 3000], [1000, 1500, 667]),  # three within a factor of 1.5 are enough
        ([1000, 1501, 4000, 250, 4001, 249], [1000, 1501, 4000, 250]),  # else 4
        ([4001, 249], []),
    ],
)
def test_files_are_alike_whose_rates_are(rates: list[int], taken: list[int]) -> None:
    timings = [timing(10, number, rate=rate) for number, rate in enumerate(rates, start=1)]
    speed = Speeds(timings, any_kind=False).of(look(10, rate=1000))
    expected = [each.seconds for each in timings if each.rate in taken]
    assert (speed and speed.of(10)) == (
        pytest.approx(sum(expected) / len(expected)) if expected else None
    )


def test_films_are_alike_whose_pictures_are_of_one_size() -> None:
    small, large = (replace(timing(10, n, rate=1000), pixels=n) for n in (1, 2))
    speeds = Speeds([small, large], any_kind=False)
    assert speeds.times([look(10, pixels=1), look(10, pixels=2)]) == pytest.approx([1, 2])


def test_what_took_no_time_or_has_no_length_says_nothing() -> None:
    speeds = Speeds([timing(0, 1), timing(10, 0), timing(10, 0.5)], any_kind=False)
    assert len(speeds) == 1
    assert speeds.of(look(10)) == Speed(0.0, 0.05, 100)
    assert Speeds([], any_kind=True).times([look(10)]) == [0.0]
    assert speeds.covers([]) == 0.0


def test_results_grow_with_the_length_and_times_are_scaled() -> None:
    speeds = Speeds([timing(10, 1)], any_kind=False)
    assert speeds.results([look(5), look(7, suffix=".ogg")]) == pytest.approx([500, 700])
    assert speeds.times([look(5)], scale=3) == pytest.approx([1.5])
