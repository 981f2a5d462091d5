"""A Windows console that is closed ends the run in order."""

import threading

import pytest

from runner.cli.console import heard_console_end, listener


@pytest.mark.parametrize("event", [2, 5, 6])
def test_closing_a_console_waits_until_the_run_has_ended(event: int) -> None:
    asked, is_over, answers = threading.Event(), threading.Event(), []
    hear = listener(asked.set, is_over)
    thread = threading.Thread(target=lambda: answers.append(hear(event)))
    thread.start()
    assert asked.wait(90)
    assert not answers
    is_over.set()
    thread.join(30)
    assert answers == [True]


@pytest.mark.parametrize("event", [0, 1])
def test_ctrl_c_and_ctrl_break_are_left_to_the_signals(event: int) -> None:
    assert not listener(pytest.fail, threading.Event())(event)


def test_without_a_console_nothing_is_heard() -> None:
    with heard_console_end(pytest.fail):
        pass
