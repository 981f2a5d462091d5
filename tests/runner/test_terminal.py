"""The live display of a terminal."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from runner.models import Conversion, Event, Plan, Source, State
from runner.presets import BUILT_IN
from runner.terminal import Terminal


@pytest.mark.parametrize("columns", [20, 40, 80, 100, 103])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_the_display_leaves_room_for_the_ctrl_c_that_the_terminal_writes(
    columns: int, level: int
) -> None:
    # a ^C that wraps makes rich erase one line too few, and an old bar stays
    recipe = BUILT_IN["mp3"].recipe()
    sources = [Source(f"/in/{number}{'long' * 30}.mp4", 10**9, 0) for number in range(3)]
    conversions = [Conversion(source, f"{source.path[4:]}.mp3", recipe) for source in sources]
    terminal = Terminal(Plan("run", Path("out"), tuple(conversions)))
    for conversion in conversions[:2]:
        terminal(Event(conversion=conversion, state=State.RUNNING, media_done=1, media_total=9))
    terminal.stopping(level)
    console = Console(width=columns, file=StringIO(), force_terminal=True)
    terminal._console = console
    console.print(terminal._render())
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined] # it is a StringIO
    shown = [line.plain.rstrip() for line in map(_text, lines)]
    assert len(shown) >= 4
    assert max(map(len, shown)) <= columns - len("^C^C")


def _text(line: str) -> Text:
    return Text.from_ansi(line)
